"""Merge the adapter into the base model and write one model that `transformers` loads alone.

    python -m tools.export my_model              # bf16
    python -m tools.export my_model --dtype fp32

The adapter is added to dense weights even where it was trained on quantised ones: added to these
it would be rounded to 4 bits itself. The folder holds safetensors, tokenizer, config and
generation config, as transformers 4.57 and 5, vLLM and llama.cpp's converter read them.
`summarizer.json` and a README say how the model wants to be asked.
"""

import argparse
import shutil
from pathlib import Path

from stages.common.atomic_io import atomic_write, need, write_json
from stages.common.cli import UserError, run
from stages.params import load

BASE = Path("models/base")
ADAPTER = Path("models/adapter")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.export", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", type=Path, help="where the merged model goes")
    parser.add_argument("--dtype", choices=["bf16", "fp32"], default="bf16")
    parser.add_argument("--force", action="store_true", help="replace an earlier export")
    args = parser.parse_args()
    params = load()
    need(BASE, "run `make repro` first")
    need(ADAPTER, "run `make repro` first")
    check_place(args.folder, args.force)

    import torch

    from stages.model.loading import load_tokenizer
    from stages.model.usage import FILE, adopt
    from stages.model.usage import read as read_usage
    from tools.export.generation import generation_config
    from tools.export.in_memory import merge_in_memory
    from tools.export.readme import readme
    from tools.export.sharded import merge_sharded

    dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[args.dtype]
    usage = read_usage(ADAPTER, BASE)
    params = adopt(usage, params)
    tokenizer = load_tokenizer(BASE, params.format_prompts.chat_template)
    tokenizer.eos_token = usage.eos_token
    with atomic_write(args.folder) as aside:
        aside.mkdir()
        config = merge_sharded(BASE, ADAPTER, dtype, aside)
        how = "a shard at a time" if config else "in memory"
        config = config or merge_in_memory(BASE, ADAPTER, dtype, aside)
        save_config(config, tokenizer, aside)
        save_tokenizer(tokenizer, aside)
        generation = generation_config(BASE, tokenizer, params.generate)
        write_json(aside / "generation_config.json", generation)
        (aside / FILE).write_text(usage.text(), encoding="utf-8")
        (aside / "README.md").write_text(readme(usage, ADAPTER), encoding="utf-8")
    size = sum(file.stat().st_size for file in args.folder.iterdir()) / 1e6
    print(f"export: {args.folder}, {size:,.0f} MB in {args.dtype}, merged {how}")


def check_place(folder: Path, force: bool) -> None:
    """Raise a `UserError` where the folder exists, unless `force` is to replace an earlier export."""
    earlier = all((folder / name).is_file() for name in ("config.json", "summarizer.json"))
    empty = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not (earlier or empty):
        raise UserError(f"{folder} exists and is no exported model: give another name")
    if folder.exists() and not force:
        raise UserError(f"{folder} exists: give another name, or --force to replace it")


def save_config(config, tokenizer, folder: Path) -> None:
    from tools.export.readers import read_json, readable_config

    config.use_cache = True
    config.eos_token_id, config.pad_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id
    config.save_pretrained(folder)
    file, own = folder / "config.json", read_json(BASE / "config.json")
    tied = bool(config.tie_word_embeddings)
    write_json(file, readable_config(read_json(file), own, config.attribute_map, tied))


def save_tokenizer(tokenizer, folder: Path) -> None:
    from tools.export.readers import read_json, readable_tokenizer_config

    tokenizer.save_pretrained(folder)
    file, fast = folder / "tokenizer_config.json", folder / "tokenizer.json"
    if fast.exists():
        write_json(file, readable_tokenizer_config(read_json(file), read_json(fast)))
    # llama.cpp takes the scores of a SentencePiece vocabulary from it.
    if (BASE / "tokenizer.model").exists():
        shutil.copyfile(BASE / "tokenizer.model", folder / "tokenizer.model")


if __name__ == "__main__":
    run(main)
