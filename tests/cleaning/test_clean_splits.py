"""clean: bad rows are counted by reason, and no dialogue is in two splits."""

from pathlib import Path

import pytest

from stages.common.cli import UserError
from tests.helpers.data import SPLITS, TEXT, leftovers, pair, run_clean, studio, texts, three

MALFORMED = [
    studio("no log", None, [["R."]]),
    studio("no turns", [], [["R."]]),
    studio("only a handle", [pair("@Acme", "😀")], [["R."]]),
    studio("null", [pair("a", "a")], None),
    studio("none", [pair("b", "b")], []),
    studio("blank", [pair("c", "c")], [[" "]]),
    studio("an object", [pair("d", "d")], {"first": "R.", "second": "S."}),
    studio("objects", [pair("e", "e")], [{"first": "R.", "second": "S."}]),
    studio("a number", [pair("f", "f")], 5),
    studio("not JSON", [pair("g", "g")], [["R."]]) | {"original dialog info": "R."},
    studio("no info", [pair("h", "h")], [["R."]]) | {"original dialog info": None},
    studio("other info", [pair("i", "i")], [["R."]]) | {"original dialog info": '{"x": 1}'},
]


def with_malformed() -> dict[str, list[dict]]:
    good = {s: [studio(s, [pair(s, "hi")], [["R."]])] for s in SPLITS}
    return good | {"train": [*MALFORMED[:6], *good["train"], *MALFORMED[6:]]}


def test_malformed_rows_are_counted_by_reason(tmp_path, monkeypatch, capsys):
    rows = run_clean(tmp_path, monkeypatch, None, with_malformed(), max_malformed=0.9)
    assert [row["id"] for row in rows["train"]] == ["train"]
    counts = "1 without a conversation, 2 with empty turns, 9 without references"
    printed = capsys.readouterr().out
    assert "train 1, validation 1, test 1 dialogues" in printed
    for count in counts.split(", "):
        assert count in printed


def test_too_many_malformed_rows_are_refused(tmp_path, monkeypatch):
    with pytest.raises(UserError) as error:
        run_clean(tmp_path, monkeypatch, None, with_malformed(), max_malformed=0.75)
    assert str(error.value) == (
        "80% of 15 rows are malformed (2 with empty turns, 1 without a conversation,"
        " 9 without references), above clean.max_malformed: is clean.columns right?"
        " clean.columns.references 'original dialog info.summaries.abstractive_summaries' leads to"
        ' no text in {"summaries": {"abstractive_summaries": null}}'
    )
    assert not Path("data/clean").exists()
    assert not leftovers()


def test_malformed_share_equal_to_the_limit_passes(tmp_path, monkeypatch):
    assert run_clean(tmp_path, monkeypatch, None, with_malformed(), max_malformed=0.8)["train"]


def test_split_without_dialogues_is_refused(tmp_path, monkeypatch):
    splits = three(texts(30)) | {"test": [{"text": "@x", "summary": "S"}]}
    with pytest.raises(UserError, match="no dialogue is left in test"):
        run_clean(tmp_path, monkeypatch, TEXT, splits)


def test_duplicates_are_dropped_from_train_and_not_from_test(tmp_path, monkeypatch, capsys):
    splits = {
        "train": [*texts(3), *texts(1), {"text": "TALK  number, 2!", "summary": "again"}],
        "validation": [*texts(1, "validation"), *texts(1)],
        "test": [{"text": "Talk number 1.", "summary": "T"}],
    }
    rows = run_clean(tmp_path, monkeypatch, TEXT, splits, lowercase=False)
    assert [row["references"] for row in rows["test"]] == [["T"]]
    assert [row["references"] for row in rows["validation"]] == [["validation 0"], ["talk 0"]]
    assert [row["references"] for row in rows["train"]] == [["talk 2", "again"]]
    printed = capsys.readouterr().out
    assert "joined: 1 rows" in printed and "3 duplicate" in printed


@pytest.mark.parametrize("given", [[], ["validation"], ["test"]])
def test_holdout_replaces_missing_splits(tmp_path, monkeypatch, given):
    splits = {"train": texts(1000)} | {split: texts(5, split) for split in given}
    first, again, reordered = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    for folder in (first, again, reordered):
        folder.mkdir()
    rows = run_clean(first, monkeypatch, TEXT, splits)
    assert run_clean(again, monkeypatch, TEXT, splits) == rows

    names = {split: [row["references"][0] for row in rows[split]] for split in SPLITS}
    for split in given:
        assert names[split] == [f"{split} {i}" for i in range(5)]
    for split in {"validation", "test"} - set(given):
        assert 60 <= len(names[split]) <= 140  # a tenth of 1000, give or take four deviations
    everyone = [name for split in SPLITS for name in names[split]]
    assert len(everyone) == len(set(everyone)) == 1000 + 5 * len(given)
    for order in names.values():
        assert order == sorted(order, key=lambda name: int(name.split()[1]))

    # The split of a dialogue depends on its text and not on other rows.
    shuffled = splits | {"train": splits["train"][::-1]}
    moved = run_clean(reordered, monkeypatch, TEXT, shuffled)
    for split in SPLITS:
        assert {row["references"][0] for row in moved[split]} == set(names[split])


def test_holdout_sets_the_size_of_missing_splits(tmp_path, monkeypatch):
    rows = run_clean(tmp_path, monkeypatch, TEXT, {"train": texts(1000)}, holdout=0.3)
    assert [len(rows[split]) // 100 for split in SPLITS] == pytest.approx([4, 3, 3], abs=1)
