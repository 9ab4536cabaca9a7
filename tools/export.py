"""Merge the adapter into the base model and write one model that `transformers` loads alone.

    python -m tools.export my_model              # bf16
    python -m tools.export my_model --dtype fp32

The adapter is added to dense weights even where it was trained on quantised ones: added to these
it would be rounded to 4 bits itself. The folder holds safetensors, tokenizer, config and
generation config; servers such as vLLM and converters such as llama.cpp's take it as it is.
"""

import argparse
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
    from stages.model.loading import load_base, load_tokenizer, load_tuned

    dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[args.dtype]
    tokenizer = load_tokenizer(BASE, params.format_prompts.chat_template)
    # Merged in fp32, then rounded once: a small update would vanish in a sum of bf16 numbers.
    hardware = Hardware("cpu", torch.float32, "merged exactly")
    model = load_tuned(load_base(BASE, "none", hardware), ADAPTER).to(dtype)
    model.config.use_cache = True
    model.config.eos_token_id = tokenizer.eos_token_id
    model.config.pad_token_id = tokenizer.pad_token_id
    model.generation_config = generation_config(tokenizer, params.generate)
    with atomic_write(args.folder) as aside:
        model.save_pretrained(aside)
        tokenizer.save_pretrained(aside)
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


if __name__ == "__main__":
    run(main)
