"""generate: summaries of the test split by the base model and by the tuned one.

`python -m stages.generate base|tuned` reads `data/prompts/test.parquet` and writes
`data/summaries/{base,tuned}.jsonl`, a line `{"id", "summary"}` a dialogue in the split's order.
"""

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from stages.common.atomic_io import atomic_write, disk_errors, need
from stages.common.cli import UserError, run
from stages.common.launch import launch
from stages.params import FormatPrompts, Generate, Params, load

if TYPE_CHECKING:
    from stages.model.usage import Usage

PROMPTS = Path("data/prompts/test.parquet")
BASE = Path("models/base")
ADAPTER = Path("models/adapter")
SUMMARIES = Path("data/summaries")
PARTIAL = SUMMARIES / ".partial"  # finished batches of a run that was cut off
AT_ONCE = 4  # times the requests in flight, in a batch for a server


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] not in ("base", "tuned"):
        raise UserError("usage: python -m stages.generate base|tuned")
    which, params = sys.argv[1], load()
    server = params.generate.server if which == "tuned" else None
    launch(params.run.launch if not server else None)
    need(PROMPTS, "run format_prompts first")

    import polars as pl

    from stages.generation.outcome import print_result, refuse_constant, tell_cut
    from stages.model import batches, processes
    from stages.model.hardware import choose_hardware
    from stages.model.loading import load_tokenizer
    from stages.model.usage import adopt
    from stages.model.usage import read as read_usage

    rows = pl.read_parquet(PROMPTS, columns=["id", "conversation", "references"])
    processes.join()
    hardware = choose_hardware(params.model.precision)
    print(f"generate: {len(rows)} summaries by {which} on {server.url if server else hardware}")
    usage = read_usage(ADAPTER, BASE) if which == "tuned" else None
    params = adopt(usage, params) if usage else params
    tokenizer = load_tokenizer(BASE, params.format_prompts.chat_template)
    tokenizer.eos_token = usage.eos_token if usage else tokenizer.eos_token
    model = None if server else load_model(params, hardware, usage, params.run.fsdp)
    partial = partial_file(which, params, hardware)
    conversations, started = rows["conversation"].to_list(), time.monotonic()
    knobs = params.format_prompts, params.generate
    cut = Counter()
    how = {"partial": partial, "cut": cut, "frame": usage.rendered if usage else None}
    summaries = summarize(model, tokenizer, conversations, *knobs, **how)
    processes.leave_unless_first()
    seconds = time.monotonic() - started
    if which == "tuned":
        refuse_constant(summaries, conversations)
    write_summaries(SUMMARIES / f"{which}.jsonl", rows["id"].to_list(), summaries)
    batches.remove_files(partial)
    tell_cut(cut["summaries"], len(summaries), rows["references"], tokenizer, params)
    print_result(pl.Series(summaries), seconds)


def load_model(params: Params, hardware, usage: "Usage | None", fsdp: bool = False):
    """The base model, with the adapter where its `usage` is given; in shards if `fsdp`."""
    from stages.model.inference import load_for_inference

    adapter = ADAPTER if usage else None
    return load_for_inference(BASE, adapter, params.model.quantization, hardware, fsdp)


def summarize(
    model,
    tokenizer,
    conversations: list[str],
    prompting: FormatPrompts,
    knobs: Generate,
    progress: bool = True,
    partial: Path | None = None,
    frame: tuple[str, str] | None = None,
    cut: Counter | None = None,
) -> list[str]:
    """One summary a conversation, see `run_batches` for `progress` and `partial`, `tokenize_prompt`
    for `frame`. Without a model, `knobs.server` has it.

    `cut` gains how many summaries met `max_new_tokens` before their end, as "summaries".
    """
    from stages.model.base_config import check_context
    from stages.model.batches import run_batches
    from stages.model.sharding import is_sharded
    from stages.model.tokenization import tokenize_prompt

    prompts = [tokenize_prompt(tokenizer, text, prompting, frame) for text in conversations]
    size = knobs.batch_size
    if model is None:
        from stages.generation.server import check_settings

        check_settings(knobs)
        size = max(size, AT_ONCE * knobs.server.concurrency)
    else:
        limits = prompting.max_prompt_tokens, knobs.max_new_tokens
        check_context(model.config, *limits, "generate.max_new_tokens")
        model.eval()

    def work(rows: list[list[int]]) -> list[tuple[str, bool]]:
        return generate_batch(model, tokenizer, rows, knobs)

    how = {"partial": partial, "together": model is not None and is_sharded(model)}
    done = run_batches(work, prompts, size, knobs.seed, "generate", progress, **how)
    if cut is not None:
        cut["summaries"] += sum(not ended for _, ended in done)
    return [text for text, _ in done]


def generate_batch(
    model, tokenizer, prompts: list[list[int]], knobs: Generate
) -> list[tuple[str, bool]]:
    """Summaries of one batch of token id lists, each with whether it came to its end."""
    if model is None:
        from stages.generation.server import complete

        answers = complete(knobs.server, tokenizer, prompts, knobs)
        return [(tidy(text), ended) for text, ended in answers]

    from stages.model.decoding import generate_shared

    sampling = {"temperature": knobs.temperature, "top_p": knobs.top_p, "top_k": 0}
    beams = {"length_penalty": knobs.length_penalty, "early_stopping": True}
    output = generate_shared(
        model,
        prompts,
        tokenizer.pad_token_id,
        knobs.max_new_tokens,
        num_beams=knobs.num_beams,
        min_new_tokens=knobs.min_new_tokens or None,
        no_repeat_ngram_size=knobs.no_repeat_ngram_size,
        repetition_penalty=knobs.repetition_penalty,
        do_sample=knobs.do_sample,
        eos_token_id=tokenizer.eos_token_id,
        **(sampling if knobs.do_sample else {}),
        **(beams if knobs.num_beams > 1 else {}),
    )
    texts = tokenizer.batch_decode(output, skip_special_tokens=True)
    ended = [tokenizer.eos_token_id in ids for ids in output.tolist()]
    return list(zip(map(tidy, texts), ended, strict=True))


def tidy(text: str) -> str:
    """A summary as a model wrote it, with single spaces and without empty lines.

    Its last token may hold some bytes of a character, or a joiner before one that never came.
    """
    lines = (" ".join(line.split()) for line in text.rstrip("\ufffd\u200d").splitlines())
    return "\n".join(line for line in lines if line)


def partial_file(which: str, params: Params, hardware) -> Path:
    """The file of finished batches, named by all that decides the summaries."""
    from stages.common.resuming import fingerprint

    settings = f"{params.generate} {params.format_prompts} {params.model} {hardware}"
    inputs = [PROMPTS, *BASE.iterdir(), *(ADAPTER.iterdir() if which == "tuned" else ())]
    partial = PARTIAL / f"{which}-{fingerprint(settings, inputs)}.jsonl"
    with disk_errors(partial):
        PARTIAL.mkdir(parents=True, exist_ok=True)
    if list(PARTIAL.glob(f"{partial.name}*")):
        print(f"generate: resuming from {partial}")
    return partial


def write_summaries(path: Path, ids: list[str], summaries: list[str]) -> None:
    with atomic_write(path) as aside, open(aside, "w", encoding="utf-8") as out:
        out.writelines(
            json.dumps({"id": id_, "summary": summary}, ensure_ascii=False) + "\n"
            for id_, summary in zip(ids, summaries, strict=True)
        )


if __name__ == "__main__":
    run(main)
