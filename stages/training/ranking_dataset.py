"""The data of training on a ranking: dialogues with candidates and the candidates' rewards."""

from pathlib import Path

import torch
from datasets import Dataset

from stages.common.words import choose_words
from stages.model.batches import run_batches
from stages.model.hardware import Hardware
from stages.model.inference import load_for_inference
from stages.params import Params
from stages.training.candidates import reward, sample_candidates
from stages.training.dataset import build_rows, to_row
from stages.training.shared_prefix import split_row

CANDIDATES_PER_BATCH = 128
LONGEST = 0.95  # quantile of the references' lengths at which a candidate is cut


def sample_ranking_dataset(
    references: Dataset,
    tokenizer,
    params: Params,
    hardware: Hardware,
    base: Path,
    adapter: Path,
    partial: Path,
) -> Dataset:
    """Rows of a share of the dialogues, with references, candidates and the candidates' `rewards`.

    The `adapter` on `base` samples the candidates. Finished ones are stored in `partial`, and a
    later call resumes after them.
    """
    knobs = params.finetune
    generator = torch.Generator().manual_seed(knobs.seed)
    order = torch.randperm(len(references), generator=generator).tolist()
    chosen = order[: max(1, round(len(order) * knobs.ranking.dialogues))]
    parts = [split_row(row) for row in references.select(chosen)]
    lengths = torch.tensor([float(len(ids)) for _, summaries in parts for ids in summaries])
    max_new_tokens = int(lengths.quantile(LONGEST))
    count, eos_token_id = knobs.ranking.candidates, tokenizer.eos_token_id
    fsdp = params.run.fsdp
    model = load_for_inference(base, adapter, params.model.quantization, hardware, fsdp)

    def sample(prompts: list[list[int]]) -> list[list[list[int]]]:
        return sample_candidates(model, prompts, count, max_new_tokens, eos_token_id)

    print(f"finetune: sampling {count} candidates for {len(parts)} dialogues", flush=True)
    sampled = run_batches(
        sample,
        [prompt for prompt, _ in parts],
        max(1, CANDIDATES_PER_BATCH // count),
        knobs.seed,
        "finetune",
        partial=partial,
        together=fsdp,
    )

    def text(ids: list[int]) -> str:
        return " ".join(tokenizer.decode(ids, skip_special_tokens=True).split())

    targets = [[text(ids) for ids in summaries] for _, summaries in parts]
    words, _ = choose_words("auto", [target for texts in targets for target in texts])
    rows = []
    for (prompt, summaries), texts, candidates in zip(parts, targets, sampled, strict=True):
        rewards = [reward(text(ids), texts, words) for ids in candidates]
        row = to_row(prompt, summaries + candidates)
        rows.append(row | {"references": len(summaries), "rewards": rewards})
    return Dataset.from_list(rows).with_transform(build_rows)
