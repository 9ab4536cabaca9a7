"""generate: summaries of the test split by the base model and by the tuned one.

`python -m stages.generate base|tuned` reads `data/prompts/test.parquet` and writes
`data/summaries/{base,tuned}.jsonl`, a line `{"id", "summary"}` a dialogue in the split's order.
"""

import json
import sys
import time
from pathlib import Path

from stages.common.cli import UserError, run
from stages.common.files import need, replacing
from stages.common.params import load

PROMPTS = Path("data/prompts/test.parquet")
BASE = Path("models/base")
ADAPTER = Path("models/adapter")
SUMMARIES = Path("data/summaries")


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] not in ("base", "tuned"):
        raise UserError("usage: python -m stages.generate base|tuned")
    which, params = sys.argv[1], load()
    need(PROMPTS, "run format_prompts first")

    import polars as pl

    from stages.common.generation import summarize
    from stages.common.models import choose_hardware, load_base, load_tokenizer, load_tuned

    rows = pl.read_parquet(PROMPTS, columns=["id", "prompt"])
    hardware = choose_hardware(params.finetune.precision)
    print(f"generate: {len(rows)} summaries by {which} on {hardware}", flush=True)
    tokenizer = load_tokenizer(BASE, params.format_prompts.chat_template)
    model = load_base(BASE, params.finetune.quantization, hardware)
    if which == "tuned":
        model = load_tuned(model, ADAPTER)
    started = time.monotonic()
    summaries = summarize(
        model,
        tokenizer,
        rows["prompt"].to_list(),
        params.format_prompts,
        params.generate,
    )
    seconds = time.monotonic() - started
    with (
        replacing(SUMMARIES / f"{which}.jsonl") as aside,
        open(aside, "w", encoding="utf-8") as out,
    ):
        out.writelines(
            json.dumps({"id": id_, "summary": summary}, ensure_ascii=False) + "\n"
            for id_, summary in zip(rows["id"], summaries, strict=True)
        )
    words = sum(len(summary.split()) for summary in summaries) / len(summaries)
    rate = len(summaries) / seconds
    print(f"generate: {words:.1f} words on average, {rate:.2f} summaries/s, {seconds:.0f} s")


if __name__ == "__main__":
    run(main)
