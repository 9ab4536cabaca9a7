"""Every file of the shared cases of layouts gives the same turns and references."""

import pytest

from stages import clean, fetch
from tests.helpers.data import NO_COLUMNS, SPLITS, project, read_rows
from tests.helpers.shared import shared

NAMED = NO_COLUMNS | {"id": "id"}
TURNS = NAMED | {"conversation": "turns", "speaker": "speaker", "text": "text"}
CELL = TURNS | {"conversation": "conversation"}
LINES = NAMED | {"conversation": "dialogue", "speaker_separator": ": ", "references": "summary"}
CASES = [
    ("plain.jsonl", TURNS),
    ("json_text.csv", CELL),
    ("python_repr.csv", CELL),
    ("nested_object.jsonl", TURNS | {"conversation": "conversation.turns"}),
    ("nested_object.jsonl", CELL),
    ("author_object.jsonl", TURNS | {"speaker": "author.type", "text": "body"}),
    ("parallel_lists.jsonl", TURNS | {"conversation": "dialogue"}),
    (
        "parallel_lists.jsonl",
        NAMED | {"conversation": "dialogue.text", "speaker": "dialogue.speaker"},
    ),
    (
        "messages.jsonl",
        NO_COLUMNS
        | {"conversation": "messages", "speaker": "role", "text": "content"}
        | {"speaker_separator": "auto", "references": "messages[-1].content"},
    ),
    ("reference_objects.jsonl", TURNS),
    ("reference_objects.jsonl", TURNS | {"references": "summaries.text"}),
    ("reference_columns.csv", LINES | {"references": ["summary1", "summary2"]}),
    ("one_row_a_reference.csv", LINES),
]
AUTO = [(name, "auto") for name in dict.fromkeys(name for name, _ in CASES)]


def cleaned(tmp_path, monkeypatch, file: str, columns: dict | str) -> list[dict]:
    folder = shared("cases/layouts")
    edits = {
        "fetch.dataset.source": "files",
        "fetch.dataset.path": str(folder),
        "fetch.dataset.files": {"train": file, "validation": None, "test": None},
        "clean.near_duplicates": None,
        "clean.columns": columns if columns == "auto" else {"references": "summaries"} | columns,
    }
    params = project(tmp_path, monkeypatch, edits)
    fetch.fetch_dataset(params.fetch.dataset)
    clean.main()
    rows = [row for split in SPLITS for row in read_rows(f"data/clean/{split}.parquet")]
    return sorted(rows, key=lambda row: row["turns"][0]["text"])


@pytest.mark.parametrize(("file", "columns"), CASES + AUTO)
def test_every_layout_gives_the_same_turns_and_references(tmp_path, monkeypatch, file, columns):
    (tmp_path / "plain").mkdir()
    (tmp_path / "other").mkdir()
    plain = cleaned(tmp_path / "plain", monkeypatch, "plain.jsonl", TURNS)
    other = cleaned(tmp_path / "other", monkeypatch, file, columns)
    references = 1 if file == "messages.jsonl" else 2
    assert len(plain) == 36
    assert [row["turns"] for row in other] == [row["turns"] for row in plain]
    assert [r["references"] for r in other] == [r["references"][:references] for r in plain]
