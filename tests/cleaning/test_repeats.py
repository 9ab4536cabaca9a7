"""clean: rows of one conversation are joined, ids are unique, and dropped rows have a reason."""

import pytest

from stages.cleaning import raw
from tests.helpers.data import SPLITS, TEXT, read_rows, run_clean, texts, three

KEYED = TEXT | {"id": "key"}


def row(key: object, text: str, summary: object) -> dict:
    return {"key": key, "text": text, "summary": summary}


def splits(train: list[dict]) -> dict[str, list[dict]]:
    others = {s: [row(s, f"{s} talks", "S.")] for s in ("validation", "test")}
    return {"train": train, **others}


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
@pytest.mark.parametrize("order", ["adjacent", "apart"])
def test_rows_of_one_conversation_join(tmp_path, monkeypatch, capsys, batch, order):
    monkeypatch.setattr(raw, "BATCH", batch)
    rows = [row(f"d{i}_{j}", f"talk number {i}", f"{i} {j}.") for i in range(5) for j in range(3)]
    rows = sorted(rows, key=lambda r: r["key"][-1]) if order == "apart" else rows
    train = run_clean(tmp_path, monkeypatch, KEYED, splits(rows), near_duplicates=None)["train"]
    assert [(r["id"], r["references"]) for r in train] == [
        (f"d{i}_0", [f"{i} 0.", f"{i} 1.", f"{i} 2."]) for i in range(5)
    ]
    assert "joined: 10 rows" in capsys.readouterr().out
    assert read_rows("data/clean/dropped.parquet") == []


def test_rows_of_one_conversation_join_before_the_holdout(tmp_path, monkeypatch):
    monkeypatch.setattr(raw, "BATCH", 7)
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]
    talks = [f"{a} {b} {a} {b}" for a in words for b in words]
    rows = [row(f"{j}{talk}", talk, f"{j} {talk}.") for j in "xy" for talk in talks]
    kept = run_clean(tmp_path, monkeypatch, KEYED, {"train": rows}, near_duplicates=0.95)
    everyone = [r for split in SPLITS for r in kept[split]]
    assert len(everyone) == 100
    for r in everyone:
        talk = r["turns"][0]["text"]
        assert r["references"] == [f"x {talk}.", f"y {talk}."]


def test_ids_become_unique(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(raw, "BATCH", 2)
    keys = ["a", "a", "b", "a-2", "a", None]
    rows = [row(key, f"talk number {i}", "S.") for i, key in enumerate(keys)]
    train = run_clean(tmp_path, monkeypatch, KEYED, splits(rows), near_duplicates=None)["train"]
    assert [r["id"] for r in train] == ["a", "a-2", "b", "a-2-2", "a-3", "train-6"]
    assert "made unique: 3 ids" in capsys.readouterr().out


def test_id_may_be_in_two_splits(tmp_path, monkeypatch, capsys):
    rows = {split: [row(0, f"{split} talks", "S.")] for split in SPLITS}
    kept = run_clean(tmp_path, monkeypatch, KEYED, rows, near_duplicates=None)
    assert [kept[split][0]["id"] for split in SPLITS] == ["0", "0", "0"]
    assert "made unique" not in capsys.readouterr().out


def test_dropped_rows_have_a_reason(tmp_path, monkeypatch):
    long = " ".join(f"{a} {b}" for a in ("red", "blue", "green") for b in "abcdefghij")
    rows = [
        row("null", None, "S."),
        row("empty", "@x", "S."),
        row("no summary", "we talk", None),
        row("repeat", "Test talks!", "S."),
        row("near", f"{long} thirteen", "S."),
        row("good", "something else was said here", "S."),
    ]
    data = splits(rows)
    data["test"].append(row("long", long, "S."))
    run_clean(tmp_path, monkeypatch, KEYED, data, max_malformed=0.9)
    assert read_rows("data/clean/dropped.parquet") == [
        {"split": "train", "id": id_, "reason": reason}
        for id_, reason in [
            ("null", "without a conversation"),
            ("empty", "with empty turns"),
            ("no summary", "without references"),
            ("repeat", "duplicate"),
            ("near", "near-duplicate"),
        ]
    ]


def test_dropped_rows_have_a_reason_with_a_holdout(tmp_path, monkeypatch):
    letters = "uvwxyz"
    talks = [
        " ".join(f"{a}{b}{c}{d}" for c in "abcdefghijklmnopqrst" for d in "ab")
        for a in letters
        for b in letters
    ]
    rows = [row(str(i), talk, "S.") for i, talk in enumerate([*talks, *(t + " so" for t in talks)])]
    kept = run_clean(tmp_path, monkeypatch, KEYED, {"train": rows}, redact=False)
    dropped = read_rows("data/clean/dropped.parquet")
    everyone = {r["id"] for split in SPLITS for r in kept[split]}
    assert dropped and {r["reason"] for r in dropped} == {"near-duplicate"}
    assert {r["split"] for r in dropped} == {"train"}
    assert everyone | {r["id"] for r in dropped} == {r["key"] for r in rows}
    assert len(everyone) + len(dropped) == len(rows)


def test_ids_of_numbered_rows_do_not_change(tmp_path, monkeypatch):
    train = [*texts(3), *texts(2)]
    kept = run_clean(tmp_path, monkeypatch, TEXT, three(train), near_duplicates=None)["train"]
    assert [r["id"] for r in kept] == ["train-1", "train-2", "train-3"]
