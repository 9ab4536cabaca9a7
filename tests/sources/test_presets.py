"""With its preset alone, each dataset is turned from the files of its hub into prompts."""

import csv
import io
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from stages import clean, fetch, format_prompts
from tests.helpers.data import ROOT, project, read_rows, studio
from tests.helpers.hub_server import TOKEN, Hub, Repository

CHAT = "Ann: where is my bus {n}?\nBob: it comes today"
SPOKEN = "#Person1#: where is my bus {n}?\n#Person2#: it comes today"


def parquet(rows: list[dict]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def table(rows: list[dict]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def shard(rows: list[dict]) -> bytes:
    return json.dumps({row["original dialog id"]: row for row in rows}).encode()


def turns(n: int) -> list[dict]:
    said = [("user", f"where is my bus {n}?"), ("agent", "it comes today")]
    return [{"role": role, "content": text} for role, text in said]


# Of each repository: the path of a split, its name for validation, the format, and a row.
LAYOUTS = {
    "tweetsumm-dialogstudio": (
        "dialogue_summarization/TweetSumm/{split}/dialogues_1.json",
        "val",
        shard,
        lambda n: (
            studio(
                f"d{n}",
                [{"user utterance": f"bus {n}?", "system response": "ok"}],
                [["Late."]],
            )
            | {"original dialog info": {"summaries": {"abstractive_summaries": [["Late."]]}}}
        ),
    ),
    "tweetsumm-ungated": (
        "data/{split}-00000-of-00001-0a1b2c3d4e5f6071.parquet",
        "val",
        parquet,
        lambda n: {
            "conversation_id": f"d{n}",
            "conversation": turns(n),
            "abstractive_summary": ["Late."],
        },
    ),
    "cnn-dailymail": (
        "3.0.0/{split}-00000-of-00001.parquet",
        "validation",
        parquet,
        lambda n: {"article": f"Bus {n} was late.", "highlights": "Late.", "id": f"d{n}"},
    ),
    "arxiv": (
        "document/{split}-00000-of-00001.parquet",
        "validation",
        parquet,
        lambda n: {"article": f"we study bus {n} .", "abstract": "late ."},
    ),
    "samsum": (
        "{split}.csv",
        "validation",
        table,
        lambda n: {"id": f"d{n}", "dialogue": CHAT.format(n=n), "summary": "Late."},
    ),
    "dialogsum": (
        "{split}.csv",
        "validation",
        table,
        lambda n: {"id": f"d{n}", "dialogue": SPOKEN.format(n=n), "summary": "Late.", "topic": "x"},
    ),
}


def leaves(patch: dict, prefix: str = "") -> dict[str, object]:
    flat = {}
    for key, value in patch.items():
        name = prefix + key
        flat |= leaves(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def through_the_stages(monkeypatch, params, files: dict[str, bytes]) -> None:
    """Run the data stages. A hub has these files in the repository that `params` names."""
    from huggingface_hub import constants

    asked = params.fetch.dataset.hub
    commit = asked.revision if asked.revision != "main" else "e" * 40
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with Hub({f"datasets/{asked.id}": Repository(files, gated="in", commit=commit)}) as hub:
        template = f"{hub.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        fetch.fetch_dataset(params.fetch.dataset)
    clean.main()
    format_prompts.main()


def preset_params(tmp_path, monkeypatch, name: str):
    preset = yaml.safe_load((ROOT / f"presets/{name}.yaml").read_text("utf-8"))
    # The rows of these tests are near-duplicates of each other.
    return project(tmp_path, monkeypatch, leaves(preset) | {"clean.near_duplicates": None})


@pytest.mark.parametrize("name", LAYOUTS)
def test_preset_reads_its_dataset(tmp_path, monkeypatch, name):
    params = preset_params(tmp_path, monkeypatch, name)
    path, validation, written, row = LAYOUTS[name]
    files, config = (
        {"README.md": b"", "gone.py": b"raise SystemExit"},
        params.fetch.dataset.hub.config,
    )
    for start, split in enumerate(("train", validation, "test")):
        rows = [row(100 * start + n) for n in range(3 - start)]
        files[path.format(split=split)] = written(rows)
        if config:  # another dataset of the same repository
            files[path.replace(config, "Other").format(split=split)] = b"not to be read"
    through_the_stages(monkeypatch, params, files)
    for start, split in enumerate(("train", "validation", "test")):
        prompts = read_rows(f"data/prompts/{split}.parquet")
        assert len(prompts) == 3 - start
        for n, prompt in enumerate(prompts):
            assert f"us {100 * start + n}" in prompt["prompt"]
            assert [text.lower().strip(" .") for text in prompt["references"]] == ["late"]
    if name in ("samsum", "dialogsum"):
        assert (
            prompts[0]["prompt"].count("\n") == 2
        )  # a line for each turn, and one for the response


def test_preset_reads_official_shards(tmp_path, monkeypatch):
    name = "dialogstudio/TweetSumm_converted_examples.json"
    file = Path(os.environ.get("SUMMARIZER_DATA", ROOT / "../shared/data")).resolve() / name
    if not file.exists():
        pytest.skip(f"{name} is not there: SUMMARIZER_DATA names the folder that holds it")
    rows = list(json.loads(file.read_text("utf-8")).items())
    parts = {"train": rows[:3], "val": rows[3:4], "test": rows[4:]}
    path = LAYOUTS["tweetsumm-dialogstudio"][0]
    files = {path.format(split=s): json.dumps(dict(part)).encode() for s, part in parts.items()}
    params = preset_params(tmp_path, monkeypatch, "tweetsumm-dialogstudio")
    through_the_stages(monkeypatch, params, files)
    prompts = read_rows("data/prompts/train.parquet")
    assert [row["id"] for row in prompts] == [
        row["original dialog id"] for _, row in parts["train"]
    ]
    for prompt, (_, row) in zip(prompts, parts["train"], strict=True):
        summaries = row["original dialog info"]["summaries"]["abstractive_summaries"]
        assert len(prompt["references"]) == len(summaries)
        assert prompt["prompt"].count("\n") == 2 * len(row["log"])  # two turns each
