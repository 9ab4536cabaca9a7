"""Personal speaker names and ids are replaced, and different speakers stay different."""

from collections import Counter

import polars as pl
import pytest

from stages.cleaning.pseudonyms import redact_ids, redact_speakers
from stages.params import load
from tests.helpers.data import NO_COLUMNS, ROOT, read_rows, run_clean
from tests.helpers.redaction import REDACTION
from tests.helpers.shared import shared


def speakers(names: list[str | None], rows: list[int] | None = None) -> list[str | None]:
    turns = pl.DataFrame({"speaker": names, "text": ["hi"] * len(names)})
    if rows:
        turns = turns.with_columns(row=pl.Series(rows))
    redacted = redact_speakers(turns, REDACTION, Counter())
    assert redacted.columns == turns.columns
    return redacted["speaker"].to_list()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["customer", None, "agent"], ["customer", None, "agent"]),
        (["+44 7700 900100", "jo@example.org"], ["(phone)", "(email)"]),
        (
            ["+44 7700 900100", "+44 7700 900101", "+44 7700 900100"],
            ["(phone) 1", "(phone) 2", "(phone) 1"],
        ),
        (["Ann 07700900123", "Bob 07700900123", None], ["Ann (phone)", "Bob (phone)", None]),
        (["Ann 07700900123", "Ann 07700900124"], ["Ann (phone) 1", "Ann (phone) 2"]),
        (["٠٧٧٠٠٩٠٠١٢٣", "agent"], ["(phone)", "agent"]),
    ],
)
def test_redacted_speakers_stay_distinct(names, expected):
    assert speakers(names) == expected


def test_speaker_numbers_restart_in_each_conversation():
    names = ["07700900123", "07700900124", "07700900124", "agent", "07700900124", "07700900123"]
    assert speakers(names, [0, 0, 1, 1, 2, 2]) == [
        "(phone) 1", "(phone) 2", "(phone)", "agent", "(phone) 1", "(phone) 2",
    ]  # fmt: skip


def test_personal_ids_become_row_numbers():
    frames = [
        pl.DataFrame({"id": ["a-1", "+44 7700 900100", "jo@example.org"]}),
        pl.DataFrame({"id": ["b065262210783596c1fe79466b8f8985", "123456789012", "c 07700900123"]}),
    ]
    params, counts = load(ROOT / "params.yaml").clean, Counter()
    ids = [frame["id"].to_list() for frame in redact_ids(frames, "test", params, counts)]
    assert ids == [
        ["a-1", "test-2", "test-3"],
        ["b065262210783596c1fe79466b8f8985", "test-5", "test-6"],
    ]
    assert counts == {"phone": 2, "email": 1, "number": 1}


def test_shared_case_of_phones_and_mails(tmp_path, monkeypatch):
    source = pl.read_csv(shared("cases/speakers/phone_and_mail.csv")).to_dicts()
    columns = NO_COLUMNS | {"id": "id", "conversation": "dialogue", "references": "summary"}
    columns["speaker_separator"] = ": "
    splits = {"train": source[:30], "validation": source[30:33], "test": source[33:]}
    clean = run_clean(tmp_path, monkeypatch, columns, splits)
    rows = [row for split in clean.values() for row in split]
    assert len({row["id"] for row in rows}) == len(rows) == 36
    for row in rows:
        assert [turn["speaker"] for turn in row["turns"]] == ["(phone)", "(email)"]
        assert "7700" not in str(row) and "robin" not in str(row)
    assert "7700" not in str(read_rows("data/clean/train.parquet"))
