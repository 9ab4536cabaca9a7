"""One training of a cross-validation: `dvc repro` in a clone, and what its summaries score."""

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from stages.common.atomic_io import atomic_write, read_jsonl, write_json
from stages.common.cli import UserError
from stages.common.words import Words, choose_words
from stages.params import Params
from stages.score import ROUGE, one_line
from stages.scoring.bleu import STATISTICS, statistics
from stages.scoring.faithfulness import Checker, means
from tools.sweep.experiment import run_aside, started_at, stop
from tools.sweep.space import override

HELD = ("number_precision", "name_precision")
HUMAN = [f"human_{name}" for name in STATISTICS]
HUMAN_HELD = [f"human_{name}" for name in HELD]


def train(clone: Path, raw: dict, values: dict, what: str) -> None:
    """Run the clone's pipeline up to the tuned model's summaries.

    A stage that has run with these params before, in this clone or another, is DVC's to restore.
    """
    text = yaml.safe_dump(override(raw, values), sort_keys=False, allow_unicode=True)
    (clone / "params.yaml").write_text(text, encoding="utf-8")
    process = run_aside([sys.executable, "-m", "dvc", "repro", "generate@tuned"], clone)
    try:
        write_json(running(clone), [process.pid, started_at(process.pid)])
        status = process.wait()
    except KeyboardInterrupt:
        stop(process.pid)
        raise
    if status:
        raise UserError(f"{what} failed, see above: what is finished is kept, run again to go on")


def stop_left(clone: Path) -> None:
    """Stop the run in the clone that outlived a killed cross-validation."""
    if running(clone).exists():
        pid, created = json.loads(running(clone).read_text())
        if created and started_at(pid) == created:  # else the number is another process's by now
            stop(pid)


def running(clone: Path) -> Path:
    """The file that names the clone's process and when it was started."""
    return clone.with_suffix(".process")


def score(clone: Path, params: Params, file: Path) -> None:
    """Write what BLEU counts in each dialogue, ROUGE in percent, and what is held of its summary
    and of its references."""
    rows = pl.read_parquet(clone / "data/clean/test.parquet")
    summaries = [row["summary"] for row in read_jsonl(clone / "data/summaries/tuned.jsonl")]
    dialogues = rows["turns"].to_list()
    references = [[one_line(text) for text in texts] for texts in rows["references"]]
    words, _ = choose_words(params.score.tokenizer, [t for texts in references for t in texts])
    texts = [one_line(text) for text in summaries]
    rouge = words.rouge()
    pairs = [rouge.score(refs[0], text) for refs, text in zip(references, texts, strict=True)]
    checker = Checker(dialogues, references, words)
    texts_of = ([text, *refs] for text, refs in zip(summaries, references, strict=True))
    checked = list(map(checker.check, dialogues, texts_of))
    people = [means(one.measures for one in rest) for _, *rest in checked]
    table = pl.DataFrame(
        {
            "id": rows["id"],
            **dict(zip(STATISTICS, statistics(texts, references, words).T, strict=True)),
            **{name: [100 * pair[key].fmeasure for pair in pairs] for key, name in ROUGE.items()},
            **{name: [one.measures[name] for one, *_ in checked] for name in HELD},
            **dict(zip(HUMAN, human(references, words).T, strict=True)),
            **{f"human_{name}": [one[name] for one in people] for name in HELD},
        },
        schema_overrides=dict.fromkeys([*HELD, *HUMAN_HELD], pl.Float64),  # a fold may have none
    )
    with atomic_write(file) as aside:
        table.write_parquet(aside)


def human(references: list[list[str]], words: Words) -> np.ndarray:
    """BLEU's counts of each dialogue's first reference against its others; zeros without others."""
    first = [texts[0] if len(texts) > 1 else "" for texts in references]
    return statistics(first, [texts[1:] or [""] for texts in references], words)
