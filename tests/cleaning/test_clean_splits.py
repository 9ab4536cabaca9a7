"""clean: bad rows are counted by reason, and no dialogue is in two splits."""

import re
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


def test_a_train_split_that_stands_in_test_is_told(tmp_path, monkeypatch):
    splits = three(texts(30)) | {"train": texts(5, "t"), "test": texts(9, "t")}
    with pytest.raises(UserError, match=r"left in train, of \d+ in all \(5 duplicate dropped\):"):
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


def references(rows: dict[str, list[dict]]) -> dict[str, set[str]]:
    return {split: {row["references"][0] for row in rows[split]} for split in SPLITS}


def test_folds_part_train_and_validation_and_leave_test_out(tmp_path, monkeypatch):
    splits = {
        "train": texts(500),
        "validation": texts(100, "validation"),
        "test": texts(50, "test"),
    }
    found = []
    for number in range(1, 5):
        folder = tmp_path / str(number)
        folder.mkdir()
        rows = run_clean(folder, monkeypatch, TEXT, splits, fold=f"{number}/4", holdout=0.2)
        found.append(references(rows))
    everyone = {f"talk {i}" for i in range(500)} | {f"validation {i}" for i in range(100)}
    tested = [fold["test"] for fold in found]
    assert set().union(*tested) == everyone and sum(map(len, tested)) == 600
    for fold in found:
        assert fold["train"] | fold["validation"] | fold["test"] == everyone
        assert sum(map(len, fold.values())) == 600
        assert 100 <= len(fold["test"]) <= 200  # a quarter
        assert 50 <= len(fold["validation"]) <= 130  # a fifth of the others
        assert any(name.startswith("validation") for name in fold["train"])


def test_a_fold_is_of_the_text_whatever_else_is_there(tmp_path, monkeypatch):
    splits = three(texts(300)) | {"validation": texts(60, "validation")}
    before, after = tmp_path / "a", tmp_path / "b"
    before.mkdir(), after.mkdir()
    one = references(run_clean(before, monkeypatch, TEXT, splits, fold="2/3"))
    moved = {
        "train": [*splits["validation"][30:], *splits["train"][:200]],
        "validation": [*splits["train"][250:], *splits["validation"][:10]],
        "test": splits["train"][:3],
    }
    other = references(run_clean(after, monkeypatch, TEXT, moved, fold="2/3", lowercase=False))
    assert other["test"] == one["test"] & set().union(*other.values())


def test_repeats_in_train_and_validation_are_one_dialogue_of_a_fold(tmp_path, monkeypatch, capsys):
    again = [{"text": row["text"], "summary": f"again {i}"} for i, row in enumerate(texts(200))]
    splits = {"train": texts(200), "validation": again[:50], "test": texts(1, "test")}
    rows = run_clean(tmp_path, monkeypatch, TEXT, splits, fold="1/2")
    both = [row["references"] for split in SPLITS for row in rows[split]]
    assert sum(len(texts) for texts in both) == 250 and len(both) == 200
    assert [f"again {i}" for i in range(50)] == sorted(
        (texts[0] for texts in both if len(texts) == 2), key=lambda text: int(text.split()[1])
    )
    assert len({row["id"] for split in SPLITS for row in rows[split]}) == 200
    assert "joined: 50 rows" in capsys.readouterr().out


def test_validation_is_trained_on_if_asked(tmp_path, monkeypatch):
    splits = {
        "train": texts(300),
        "validation": texts(200, "validation"),
        "test": texts(40, "test"),
    }
    rows = run_clean(tmp_path, monkeypatch, TEXT, splits, train_on_validation=True, holdout=0.1)
    found = references(rows)
    assert found["test"] == {f"test {i}" for i in range(40)}
    assert 25 <= len(found["validation"]) <= 80
    assert len(found["train"]) + len(found["validation"]) == 500
    kinds = {name.split()[0] for name in found["validation"]}
    assert kinds == {"talk", "validation"} == {name.split()[0] for name in found["train"]}


@pytest.mark.parametrize("near", [None, 0.8])
def test_what_stands_in_test_is_not_trained_on_whatever_is_joined(tmp_path, monkeypatch, near):
    splits = {
        "train": texts(100),
        "validation": texts(50, "validation"),
        "test": [*texts(30), *texts(10, "validation")],
    }
    how = {"train_on_validation": True, "near_duplicates": near}
    rows = run_clean(tmp_path, monkeypatch, TEXT, splits, **how)
    keys = {split: {row["turns"][0]["text"] for row in rows[split]} for split in SPLITS}
    assert len(keys["test"]) == 40
    assert not keys["test"] & (keys["train"] | keys["validation"])
    if near is None:
        assert len(keys["train"] | keys["validation"]) == 110


def test_refusal_of_an_empty_split_names_a_holdout_that_fills_it(tmp_path, monkeypatch):
    refused = 0

    def cleaned(count: int, **params) -> dict[str, list[dict]]:
        (folder := tmp_path / f"{count} {params}").mkdir()
        return run_clean(folder, monkeypatch, TEXT, {"train": texts(count)}, **params)

    for count in (3, 5, 8, 12, 16, 24):
        try:
            cleaned(count)
        except UserError as error:
            assert re.match(rf"no dialogue is left in \w+, of {count} in all: ", str(error))
            holdout = re.search(r"set clean.holdout to (0\.\d+)$", str(error))
            if holdout:
                rows = cleaned(count, holdout=float(holdout[1]))
                assert all(rows.values()) and sum(map(len, rows.values())) == count
                refused += 1
    assert refused > 1
    with pytest.raises(UserError, match=r"of 1 in all: see clean\.columns"):
        cleaned(1)
