"""Settings of redaction: custom patterns, and the regions of national numbers."""

import time
from collections import Counter

import polars as pl
import pytest

from stages.cleaning.redaction import redact, redact_column
from stages.common.cli import UserError
from stages.params import Redaction, load
from tests.helpers.data import write_params
from tests.helpers.redaction import REDACTION


def redacted(text: str, regions=("US",), **patterns: str) -> str:
    redaction = Redaction(regions=list(regions), patterns=patterns)
    column, counts = redact_column(pl.Series([text, None]), redaction)
    plain: Counter = Counter()
    assert column.to_list() == [redact(text, redaction, plain), None]
    assert counts == plain
    return column[0]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"EMP-\d{6}", "ask EMP-123456.", "ask (own)."),
        (r"EMP-\d{6}", "ask ＥＭＰ－１２３４５６。", "ask (own)。"),
        ("EMP-[A-Z]{3}", "ask EMP\u2011ABC.", "ask (own)."),  # by what the view shows alone
        (r"工号\d{4}", "我的工号1234谢谢", "我的(own)谢谢"),
        (r"工号：\d{4}", "工号:1234 工号：5678", "(own) (own)"),
        (r"(?i)project (?:falcon|heron)", "Project Heron is late", "(own) is late"),
        (r"(?<=staff )\w+", "staff mueller", "staff (own)"),  # polars has no look-behind
        (r"[A-Z]\d{2}", "A12B34", "(own) (own)"),
        (r"\d{9}", "07700900123", "(own) 23"),  # custom patterns are applied first
    ],
)
def test_custom_pattern_is_redacted(pattern, text, expected):
    assert redacted(text, own=pattern) == expected


def test_regions_decide_which_national_numbers_are_redacted():
    text = "call 22 34 56 78 or 0771 234 567"
    assert redacted(text, ["US"]) == text
    assert redacted(text, ["NO", "ZW"]) == "call (phone) or (phone)"
    assert redacted(text, ["all"]) == "call (phone) or (phone)"
    assert redacted("+47 22 34 56 78", ["US"]) == "(phone)"


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ({"regions": []}, ["clean.redaction.regions"]),
        ({"regions": ["UK"]}, ["clean.redaction.regions.0", "'UK'", "such as GB"]),
        ({"regions": ["gb"]}, ["clean.redaction.regions.0", "capital"]),
        ({"regions": [False]}, ["clean.redaction.regions.0", "quotes"]),
        ({"regions": [["GB"]]}, ["clean.redaction.regions.0"]),
        ({"patterns": {"employee": "EMP-("}}, ["clean.redaction.patterns.employee", "'EMP-('"]),
        ({"patterns": {"employee": r"\d*"}}, ["clean.redaction.patterns.employee", "empty text"]),
        ({"patterns": {"employee": 7}}, ["clean.redaction.patterns.employee"]),
        ({"patterns": {"Employee 1": r"\d"}}, ["clean.redaction.patterns.Employee 1"]),
        ({"patterns": None}, ["clean.redaction.patterns"]),
    ],
)
def test_invalid_setting_is_refused_in_one_sentence(tmp_path, edits, words):
    write_params(tmp_path, {f"clean.redaction.{key}": value for key, value in edits.items()})
    with pytest.raises(UserError) as refused:
        load(tmp_path / "params.yaml")
    assert all(word in str(refused.value) for word in words), refused.value
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "piece",
    [
        "1", "12 ", "1 ", "(1", "1.", "1-2/", "07700 ", "@", "a@", "a.", "a@a.", "1:", "::", "a:1", "GB82",
        "GB8 2", "order ", "order no ", "ref #", "no ", "订单", "#", "#1", "A1", "&#", "&amp;", "%40", "+",
        "+ (", "1\u200b", "٠", "０ ", "v1.2.3.4 ", "order-1-", "12/03/2024 ", "1/", "4111 ",
    ],
)  # fmt: skip
def test_long_text_takes_little_time(piece):
    text = piece * (100_000 // len(piece))
    redact("warm 07700900123", REDACTION, Counter())
    started = time.process_time()
    redact(text, REDACTION, Counter())
    assert time.process_time() - started < 2
