"""The data stages read real datasets of two layouts with only a column mapping."""

import json
import os
from pathlib import Path

import pytest

from stages import clean, fetch, format_prompts
from tests.helpers.data import NO_COLUMNS, ROOT, SPLITS, project, read_rows


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("tweetsumm/train.jsonl", {}),
        (
            "dialogsum/dev.jsonl",
            NO_COLUMNS
            | {
                "id": "fname",
                "conversation": "dialogue",
                "references": "summary",
                "speaker_separator": ": ",
            },
        ),
    ],
)
def test_real_dataset_needs_only_a_column_mapping(tmp_path, monkeypatch, name, columns):
    data = Path(os.environ.get("SUMMARIZER_DATA", ROOT / "../shared/data")).resolve()
    if not (data / name).exists():
        pytest.skip(f"{name} is not there: SUMMARIZER_DATA names the folder that holds it")
    edits = {
        "fetch.dataset.source": "files",
        "fetch.dataset.path": str(data),
        "fetch.dataset.files": {"train": name, "validation": None, "test": None},
    }
    edits |= {f"clean.columns.{key}": value for key, value in columns.items()}
    params = project(tmp_path, monkeypatch, edits)
    fetch.fetch_dataset(params.fetch.dataset)
    clean.main()
    format_prompts.main()

    source = [json.loads(line) for line in (data / name).read_text("utf-8").splitlines()]
    ids = [str(row[params.clean.columns.id]) for row in source]
    kept = {split: read_rows(f"data/prompts/{split}.parquet") for split in SPLITS}
    everyone = [row["id"] for rows in kept.values() for row in rows]
    assert len(everyone) == len(set(everyone)) >= 0.97 * len(ids)
    for rows in kept.values():
        assert len(rows) >= 0.07 * len(ids)
        here = {row["id"] for row in rows}
        assert [row["id"] for row in rows] == [id_ for id_ in ids if id_ in here]
        for row in rows:
            *turns, last = row["prompt"].removeprefix("Input: ").split("\n")
            assert last == "Response:"
            assert all(": " in turn for turn in turns)  # each turn has its speaker
            assert 1 <= len(row["references"]) <= 5
