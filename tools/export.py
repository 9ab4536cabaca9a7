"""Merge the adapter into the base model and write one model that `transformers` loads alone.

    python -m tools.export my_model              # bf16
    python -m tools.export my_model --dtype fp32

The adapter is added to dense weights even where it was trained on quantised ones: added to these
it would be rounded to 4 bits itself. The folder holds safetensors, tokenizer, config and
generation config; servers such as vLLM and converters such as llama.cpp's take it as it is.
`summarizer.json` and a README say how the model wants to be asked.
"""

import argparse
import json
from pathlib import Path

from stages.common.atomic_io import atomic_write, need
from stages.common.cli import UserError, run
from stages.params import Generate, load

BASE = Path("models/base")
ADAPTER = Path("models/adapter")
SAMPLING = ("do_sample", "temperature", "top_p")
SEARCH = ("max_new_tokens", "num_beams", "no_repeat_ngram_size", "repetition_penalty")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.export", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", type=Path, help="where the merged model goes")
    parser.add_argument("--dtype", choices=["bf16", "fp32"], default="bf16")
    parser.add_argument("--force", action="store_true", help="replace the folder if it exists")
    args = parser.parse_args()
    params = load()
    need(BASE, "run `make repro` first")
    need(ADAPTER, "run `make repro` first")
    if args.folder.exists() and not args.force:
        raise UserError(f"{args.folder} exists: give another name, or --force to replace it")

    import torch

    from stages.model.hardware import Hardware
    from stages.model.loading import load_dense, load_tokenizer, load_tuned
    from stages.model.usage import FILE, adopt
    from stages.model.usage import read as read_usage

    dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[args.dtype]
    usage = read_usage(ADAPTER, BASE)
    params = adopt(usage, params)
    tokenizer = load_tokenizer(BASE, params.format_prompts.chat_template)
    tokenizer.eos_token = usage.eos_token
    # Merged in fp32, then rounded once: a small update would vanish in a sum of bf16 numbers.
    hardware = Hardware("cpu", torch.float32, "merged exactly")
    model = load_tuned(load_dense(BASE, hardware), ADAPTER).to(dtype)
    model.config.use_cache = True
    model.config.eos_token_id = tokenizer.eos_token_id
    model.config.pad_token_id = tokenizer.pad_token_id
    model.generation_config = generation_config(tokenizer, params.generate)
    with atomic_write(args.folder) as aside:
        model.save_pretrained(aside)
        tokenizer.save_pretrained(aside)
        (aside / FILE).write_text(usage.text(), encoding="utf-8")
        (aside / "README.md").write_text(readme(usage), encoding="utf-8")
    size = sum(file.stat().st_size for file in args.folder.iterdir()) / 1e6
    print(f"export: {args.folder}, {size:,.0f} MB in {args.dtype}")


def generation_config(tokenizer, knobs: Generate):
    """What `generate` uses, so that the exported model answers alike without being told."""
    from transformers import GenerationConfig

    keys = SEARCH + (SAMPLING if knobs.do_sample else ())
    return GenerationConfig(
        **{key: getattr(knobs, key) for key in keys},
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def readme(usage) -> str:
    """How to build a prompt for the exported model, wherever it runs."""
    before, after = (json.dumps(text, ensure_ascii=False) for text in usage.rendered)
    bos = "none, the text above has it" if usage.prompt.chat_template else "the tokenizer's own"
    return f"""# Conversation summarizer

A causal language model that continues a prompt with the summary of a conversation.

1. Clean the conversation as in training: `cleaning` in `summarizer.json` says what is removed or
   replaced. The project that trained the model does it: `python -m tools.summarize FILE`.
2. Write a turn a line, `speaker: text`; a turn without a speaker is its text alone.
3. The prompt is `before`, the conversation, `after`, as `frame` in `summarizer.json` has them:
   - before: `{before}`
   - after: `{after}`
   - beginning-of-sequence token: {bos}.
4. A prompt has at most {usage.prompt.max_prompt_tokens} tokens; of a longer conversation the middle is cut.
5. Stop at `{usage.eos_token}`. `generation_config.json` has the settings of the search.
"""


if __name__ == "__main__":
    run(main)
