"""Read exported models with another version of transformers; run in an environment of its own.

    python transformers_4.py FOLDER …

Writes `read.safetensors` to each folder: logits for the ids in `asked.json`, the new ids that
`generate` gives without arguments, and the ids of each text.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    assert transformers.__version__.startswith("4."), transformers.__version__
    for folder in map(Path, sys.argv[1:]):
        save_file(
            read(folder, json.loads((folder / "asked.json").read_text())),
            folder / "read.safetensors",
        )


def read(folder: Path, asked: dict) -> dict[str, torch.Tensor]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.tensor([asked["ids"]])
    with torch.inference_mode():
        found = {"logits": model(ids).logits, "generated": model.generate(ids)[:, ids.shape[1] :]}
    if asked.get("texts"):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        for number, text in enumerate(asked["texts"]):
            found[f"text {number}"] = torch.tensor(tokenizer(text).input_ids)
    return {name: tensor.contiguous() for name, tensor in found.items()}


if __name__ == "__main__":
    main()
