"""generate: summaries of the test split by the base model and by the tuned one.

`python -m stages.generate base|tuned` reads `data/prompts/test.parquet` and writes
`data/summaries/{base,tuned}.jsonl`, a line `{"id", "summary"}` a dialogue in the split's order.
"""

import json
import sys
import time
from pathlib import Path

from stages.common.cli import UserError, run
from stages.common.files import need, remove, replacing, writing
from stages.common.params import load

PROMPTS = Path("data/prompts/test.parquet")
BASE = Path("models/base")
ADAPTER = Path("models/adapter")
SUMMARIES = Path("data/summaries")
PARTIAL = SUMMARIES / ".partial"  # finished batches of a run that was cut off
FEW = 20  # dialogues


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] not in ("base", "tuned"):
        raise UserError("usage: python -m stages.generate base|tuned")
    which, params = sys.argv[1], load()
    need(PROMPTS, "run format_prompts first")

    import polars as pl

    from stages.common.checkpoints import fingerprint
    from stages.common.generation import summarize
    from stages.common.models import choose_hardware, load_base, load_tokenizer, load_tuned
    from stages.common.prepacked import prepack

    rows = pl.read_parquet(PROMPTS, columns=["id", "prompt"])
    hardware = choose_hardware(params.finetune.precision)
    print(f"generate: {len(rows)} summaries by {which} on {hardware}", flush=True)
    tokenizer = load_tokenizer(BASE, params.format_prompts.chat_template)
    model = load_base(BASE, params.finetune.quantization, hardware)
    if which == "tuned":
        model = load_tuned(model, ADAPTER)
    knobs, prompting = params.generate, params.format_prompts
    dumps = f"{knobs.model_dump_json()} {prompting.model_dump_json()}"
    settings = f"{dumps} {params.finetune.quantization}"
    inputs = [PROMPTS, *BASE.iterdir(), *(ADAPTER.iterdir() if which == "tuned" else ())]
    partial = PARTIAL / f"{which}-{fingerprint(f'{settings} {hardware}', inputs)}.jsonl"
    with writing(partial):
        PARTIAL.mkdir(parents=True, exist_ok=True)
    if partial.exists():
        print(f"generate: going on with {partial}", flush=True)
    prompts = rows["prompt"].to_list()
    started = time.monotonic()
    summaries = summarize(prepack(model), tokenizer, prompts, prompting, knobs, partial=partial)
    seconds = time.monotonic() - started
    if which == "tuned":
        refuse_constant(summaries, prompts)
    with (
        replacing(SUMMARIES / f"{which}.jsonl") as aside,
        open(aside, "w", encoding="utf-8") as out,
    ):
        out.writelines(
            json.dumps({"id": id_, "summary": summary}, ensure_ascii=False) + "\n"
            for id_, summary in zip(rows["id"], summaries, strict=True)
        )
    remove(partial)
    words = sum(len(summary.split()) for summary in summaries) / len(summaries)
    rate = len(summaries) / seconds
    print(f"generate: {words:.1f} words on average, {rate:.2f} summaries/s, {seconds:.0f} s")


def refuse_constant(summaries: list[str], prompts: list[str]) -> None:
    """A model that says the same of all has learnt nothing; of a few dialogues it may by chance."""
    if len(set(prompts)) >= FEW and len(set(summaries)) == 1:
        said = repr(summaries[0][:80]) if summaries[0] else "empty"
        what = f"all {len(summaries)} summaries by the tuned model are the same, {said}"
        raise UserError(f"{what}: train again with a lower finetune.learning_rate")


if __name__ == "__main__":
    run(main)
