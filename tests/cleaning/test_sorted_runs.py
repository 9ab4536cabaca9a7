"""Sorted arrays that are on disk once they are long, and clean with all that it remembers there."""

import hashlib
import random
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from stages.cleaning import near_duplicates, raw, repeats, sorted_runs
from stages.cleaning.sorted_runs import Runs
from tests.cleaning.test_near_duplicates import edited, talk
from tests.helpers.data import TEXT, leftovers, run_clean


@pytest.fixture
def on_disk(monkeypatch):
    """Arrays are so short in memory that a test's go to the disk."""
    monkeypatch.setattr(sorted_runs, "SHORT", 10)
    monkeypatch.setattr(sorted_runs, "PIECE", 4)
    monkeypatch.setattr(near_duplicates, "IN_MEMORY", 3)
    monkeypatch.setattr(repeats, "COUNTED", 1)


@pytest.mark.parametrize("keys", [7, 300, 2**64 - 1], ids=["few", "some", "all different"])
def test_pairs_are_found_in_the_order_they_were_added(on_disk, tmp_path, keys):
    random = np.random.default_rng(0)
    runs, expected, number = Runs(tmp_path, np.int64), defaultdict(list), 0
    for _ in range(40):
        some = random.integers(0, keys, random.integers(0, 20), dtype=np.uint64)
        runs.add(some, np.arange(number, number + len(some)))
        for key in some.tolist():
            expected[key].append(number)
            number += 1
    assert any(isinstance(values, np.memmap) for _, values in runs.runs)
    assert all(len(a[0]) > len(b[0]) for a, b in zip(runs.runs, runs.runs[1:], strict=False))
    asked = np.array([*expected, *random.integers(0, keys, 50, dtype=np.uint64)], np.uint64)
    found = [[] for _ in asked]
    for starts, ends, values in runs.find(asked):
        for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
            found[i] += values[start:end].tolist()
    assert found == [expected.get(key, []) for key in asked.tolist()]
    assert runs.hold(asked).tolist() == [key in expected for key in asked.tolist()]
    assert list(tmp_path.iterdir()) == []  # its files have no names


def talks(rng: random.Random) -> dict[str, list[dict]]:
    """Repeats and near-duplicates, next to each other and far apart, and ids that recur."""
    base = [talk(rng, 40) for _ in range(60)]
    splits = {}
    for split, count in (("test", 20), ("validation", 20), ("train", 150)):
        words = [rng.choice(base) for _ in range(count)]
        words = [edited(rng, w, 1) if rng.random() < 0.4 else w for w in words]
        splits[split] = [
            {"key": f"d{rng.randrange(40)}", "text": " ".join(w), "summary": f"{split} {i} é"}
            for i, w in enumerate(words)
        ]
    return splits


def digests(folder: Path) -> dict[str, str]:
    files = (folder / "data/clean").iterdir()
    return {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.parametrize("lacking", [[], ["validation", "test"]], ids=["three", "held out"])
def test_clean_writes_the_same_from_memory_and_from_disk(tmp_path, monkeypatch, request, lacking):
    monkeypatch.setattr(raw, "BATCH", 9)
    splits = talks(random.Random(5))
    splits = {split: rows for split, rows in splits.items() if split not in lacking}
    columns, made = TEXT | {"id": "key"}, []
    for name in ("memory", "disk"):
        if name == "disk":
            request.getfixturevalue("on_disk")
        folder = tmp_path / name
        folder.mkdir()
        run_clean(folder, monkeypatch, columns, splits, near_duplicates=0.8, holdout=0.2)
        made.append(digests(folder))
        assert leftovers() == []
    assert made[0] == made[1]
