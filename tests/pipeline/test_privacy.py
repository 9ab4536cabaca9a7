"""A secret of each kind in every column is in no file that the pipeline and the report write."""

import json
from pathlib import Path

import pyarrow.parquet as pq

from tests.helpers.project import CHATS, make_project, prepare

# What each secret is like, with a number that tells them apart, and what must not be readable of it.
SECRETS = [
    ("jo.d{n:04}@mail.example.com", "d{n:04}"),
    ("07700 90{n:04}", "90{n:04}"),
    ("+44 7700 91{n:04}", "91{n:04}"),
    ("4111 1111 1111 1111", "1111"),
    ("GB82 WEST 1234 5698 7654 32", "7654"),
    ("192.168.{n}.210", "192.168"),
    ("2001:db8::{n:x}:8329", "8329"),
    ("order #73{n:04}", "73{n:04}"),
    ("account number 82{n:04}", "82{n:04}"),
    ("#64{n:04}", "64{n:04}"),
    ("55512{n:06}77", "55512"),
    ("EMP-96{n:04}", "96{n:04}"),
]
FOLDERS = ("data/clean", "data/prompts", "data/summaries", "metrics", "models/adapter", "dvc_plots")
LISTED = "data/unsupported.jsonl"


def plant(folder: Path) -> list[str]:
    """A corpus with a secret in the id, a speaker, a turn and a reference of each row, and in a
    column that nobody reads; what must be in no file."""
    planted, n = [], 0

    def secret(kind: int) -> str:
        nonlocal n
        n += 1
        text, readable = SECRETS[kind % len(SECRETS)]
        planted.append(readable.format(n=n))
        return text.format(n=n)

    for split, size in {"train": 14, "validation": 4, "test": 12}.items():
        rows = []
        for i in range(size):
            problem, answer = (text.format(n=n) for text in CHATS[i % 3])
            turns = [
                {"who": f"Ann {secret(i)}", "said": f"{problem} {secret(i)}, {split} {'so ' * i}"},
                {"who": f"Bob {secret(i)}", "said": f"{answer}:{secret(i + 1)}"},
            ]
            summaries = [f"Customer has a problem. {secret(i)}", f"Agent answers {secret(i + 2)}."]
            id_ = f"{secret(i)} {n}"
            row = {"id": id_, "turns": turns, "summaries": summaries, "notes": secret(i)}
            rows.append(row)
        rows.append(rows[0] | {"id": secret(1)})  # a repeat
        if split == "train":
            rows.append(rows[1] | {"id": secret(2), "summaries": []})  # malformed
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    return planted


def written(root: Path) -> dict[str, str]:
    """Text of every file that the stages after fetch, and the report, wrote."""
    texts = {"README.md": (root / "README.md").read_text("utf-8")}
    inside = [file for folder in FOLDERS for file in (root / folder).rglob("*")]
    for file in [root / LISTED, *inside]:
        name = str(file.relative_to(root))
        if file.suffix == ".parquet":
            texts[name] = str(pq.read_table(file).to_pylist())
        elif file.is_file() and file.suffix not in (".safetensors", ".png"):
            texts[name] = file.read_text("utf-8")
    return texts


def test_no_secret_is_in_any_file_that_is_written(tmp_path, tiny_llama, forks):
    project = make_project(tmp_path / "project", tiny_llama)
    planted = plant(project.root / "corpus")
    project.params(
        **{
            "clean.redaction.patterns": {"employee": r"EMP-\d{6}"},
            "clean.near_duplicates": None,
            "clean.max_malformed": 0.2,
        }
    )
    (project.root / "README.md").write_text("<!-- results -->\n<!-- /results -->\n")
    prepare(project)
    for stage in ("finetune", "generate@base", "generate@tuned", "score"):
        ended = forks.run(project.root, stage)
        assert ended.status == 0, ended.said
    project.python("-m", "tools.report")
    texts = written(project.root)
    for folder in (*FOLDERS, "metrics/examples.md"):
        assert any(name.startswith(folder) for name in texts), folder
    assert len(planted) > 200
    raw = "".join(file.read_text("utf-8") for file in (project.root / "corpus").glob("*.jsonl"))
    assert all(secret in raw for secret in planted)
    for name, text in texts.items():
        # Losses, speeds and hashes of this run hold digits of their own.
        longest = 4 if name.startswith("data") else 8
        found = [secret for secret in set(planted) if len(secret) > longest and secret in text]
        assert not found, (name, found)
    rows = [row for split in ("train", "validation", "test") for row in rows_of(project, split)]
    assert len({row["id"] for row in rows}) == len(rows) >= 28
    for row in rows:
        assert not any(secret in str(row) for secret in planted)
        assert len({turn["speaker"] for turn in row["turns"]}) == 2
    everything = str(rows)
    kinds = ("email", "phone", "card", "iban", "ip", "number", "employee")
    assert all(f"({kind})" in everything for kind in kinds)


def rows_of(project, split: str) -> list[dict]:
    return pq.read_table(project.root / f"data/clean/{split}.parquet").to_pylist()
