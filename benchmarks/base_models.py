"""What the pipeline does with each family of base models, and the table of it in the docs.

    python -m benchmarks.base_models            # writes docs/base-models.md, some minutes
    python -m benchmarks.base_models gemma3 mpt # prints these alone

Each family is built with random weights and saved as a hub has it. Then it goes through the
functions of finetune and generate: the loss and its gradients are compared with transformers' own
on one reference at a time, the tokens with those of `model.generate` on one prompt at a time, and the merged adapter
with the one that was trained.
"""

import logging
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError
from peft import get_peft_model_state_dict, set_peft_model_state_dict

from benchmarks.families import families, tiny_config, tiny_model
from stages.common.cli import UserError
from stages.model import strategies
from stages.model.base_config import first_line, load_config
from stages.model.decoding import generate_shared
from stages.model.hardware import Hardware
from stages.model.inference import load_for_inference
from stages.model.loading import load_base, load_tuned
from stages.params import Params, load
from stages.training.adapter import save_weights
from stages.training.lora import load_lora
from stages.training.lora_product import use_one_product
from stages.training.shared_prefix import IGNORE_INDEX, build_row

PAGE = Path("docs/base-models.md")
FP32 = Hardware("cpu", torch.float32, "compared with transformers")
BF16 = Hardware("cpu", torch.bfloat16, "with weights laid out for it")
DIALOGUES = [(list(range(40, 70)), [[70, 71, 72, 1], [80, 81, 1]]), ([50, 51, 52], [[60, 61, 1]])]
PROMPTS = [[3, *range(20, 20 + n)] for n in (9, 30, 14, 1)]
NEW_TOKENS = 6
GREEDY = {"do_sample": False, "repetition_penalty": 1.0, "eos_token_id": 1}
BUGS = (
    AssertionError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RuntimeError,
)  # anyone's
GENERATION = {
    "generate_in_shared_rows": "shared rows",
    "generate_padded": "as transformers",
    "generate_alone": "one by one",
}


def main() -> None:
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    names = sys.argv[1:]
    rows = []
    for row in table(names or families()):
        print(" | ".join(row), flush=True)
        rows.append(row)
    if not names:
        PAGE.write_text(page(rows), encoding="utf-8")


def table(names: list[str]) -> Iterator[tuple[str, str, str]]:
    """Family, what training does with it, what generation does with it."""
    params = small_params()
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            yield name, *outcome(name, Path(folder) / "base", params)


def small_params() -> Params:
    raw = load().model_dump()
    raw["format_prompts"]["max_prompt_tokens"], raw["finetune"]["max_summary_tokens"] = 40, 8
    return Params.model_validate(raw)


def outcome(name: str, base: Path, params: Params) -> tuple[str, str]:
    try:
        if tiny_config(name).is_encoder_decoder:
            return "no: an encoder-decoder", ""
        tiny_model(name).save_pretrained(base)
    except (*BUGS, ImportError, StrictDataclassError) as error:
        return f"not built here: {type(error).__name__}", ""
    try:
        load_config(base)
        return train(base, params), generate(base)
    except UserError as error:
        return f"no: {str(error).replace(str(base), name).partition(': choose')[0]}", ""
    except BUGS as error:
        return f"FAILS: {type(error).__name__}: {first_line(error)}", ""


def train(base: Path, params: Params) -> str:
    """How the references are put; an `AssertionError` where loss, gradients or merged adapter differ."""
    torch.manual_seed(0)
    model = load_lora(base, params, FP32)
    use_one_product(model)
    weights = get_peft_model_state_dict(model, save_embedding_layers=False)
    torch.manual_seed(1)
    randomised = {key: torch.randn_like(value) * 0.05 for key, value in weights.items()}
    set_peft_model_state_dict(model, randomised)
    save_weights(model, base.parent / "adapter")
    merged = load_tuned(load_base(base, "none", FP32), base.parent / "adapter").eval()
    merged.config.use_cache = False
    pairs = [(prompt, summary) for prompt, summaries in DIALOGUES for summary in summaries]
    with torch.no_grad():
        total = sum(alone(merged, *pair) for pair in pairs).item()
    batch = model.rows.collator()([build_row(*dialogue) for dialogue in DIALOGUES])
    loss = model.eval()(**batch, num_items_in_batch=1).loss
    assert abs(loss.item() - total) < 1e-3 * total, f"loss {loss.item()}, alone {total}"
    ours, theirs = gradients(model, loss), gradients(model, sum(alone(model, *p) for p in pairs))
    off = (ours - theirs).norm() / theirs.norm()
    assert off < 1e-3, f"gradients are off by {off:.2g} of their norm"
    return "references share a row" if model.rows.mask else f"a row each: {model.rows.reason}"


def gradients(model, loss: torch.Tensor) -> torch.Tensor:
    """Of all that is trained, as one vector."""
    trained = [p for p in model.parameters() if p.requires_grad]
    found = torch.autograd.grad(loss, trained, allow_unused=True)
    pairs = zip(found, trained, strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in pairs])


def alone(model, prompt: list[int], summary: list[int]) -> torch.Tensor:
    """The summed loss of one reference, from the logits that transformers computes of one row."""
    ids = torch.tensor([prompt + summary])
    labels = torch.tensor([IGNORE_INDEX] * (len(prompt) - 1) + summary)
    logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    logits = logits.reshape(-1, logits.shape[-1])[:-1]
    return torch.nn.functional.cross_entropy(logits, labels, reduction="sum")


def generate(base: Path) -> str:
    """How sequences are generated; an `AssertionError` where they differ from `generate`'s.

    In bf16, where a tie may fall otherwise, they only have to come.
    """
    model = load_base(base, "none", FP32)
    ours = generate_shared(model, PROMPTS, 2, NEW_TOKENS, **GREEDY)
    for prompt, new in zip(PROMPTS, ours.tolist(), strict=True):
        ids = torch.tensor([prompt])
        options = GREEDY | {"max_new_tokens": NEW_TOKENS, "pad_token_id": 2}
        rows = model.generate(ids, attention_mask=torch.ones_like(ids), **options)
        theirs = rows[0, len(prompt) :].tolist()
        assert new == theirs + [2] * (len(new) - len(theirs)), f"{new}, alone {theirs}"
    generate_shared(load_for_inference(base, None, "none", BF16), PROMPTS, 2, NEW_TOKENS, **GREEDY)
    return GENERATION[strategies.chosen[model].__name__]


def page(rows: list[tuple[str, str, str]]) -> str:
    lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"""# Base models

`fetch.model` takes any decoder-only model that transformers can build: config, tokenizer and
safetensors, no code of its own. What a model can do is measured when it is loaded, on a few made-up
tokens; the table is what was found for each family, built tiny with random weights.

- **References share a row** where the attention mask keeps them apart. Elsewhere each has a row of
  its own: the same loss, but the prompt is computed for each reference, and finetune prints what
  that costs.
- **Generation** lets the beams of a prompt share one row of the KV cache, or works as transformers
  does. Either gives the tokens of one prompt alone.
- Of a model that also sees or hears, only the text part is loaded, trained and exported, where
  transformers has that part alone; else the text layers are trained, and the rest stays as it is.
- The table is of models, not of tokenizers: one needs a `tokenizer.json`, or files that transformers
  turns into one. Those that ByT5, BioGPT and CTRL come with are Python alone, and are refused.
- `finetune.lora.target_modules: all-linear` adapts every linear layer but the output embedding.
- A base that was saved quantised (bitsandbytes; others where their package is installed) is trained
  as it is, with `model.quantization: none`; `tools.export` merges into dense weights.

```bash
python -m benchmarks.base_models   # measures all again and writes this page
```

| family | training | generation |
|---|---|---|
{lines}
"""


if __name__ == "__main__":
    main()
