"""Batches of random dialogues for the QLoRA benchmark: the pipeline's and the plain recipe's."""

import itertools
import random
from collections.abc import Iterator

PROMPT, REFERENCES, REFERENCE = (80, 400), 3, (20, 60)  # about as long as TweetSumm's, in tokens


def dialogues(vocabulary: int) -> Iterator[tuple[list[int], list[list[int]]]]:
    """Prompts with their references, random ids, the same ones in every run."""
    draw = random.Random(0)

    def ids(bounds: tuple[int, int]) -> list[int]:
        return draw.choices(range(3, vocabulary), k=draw.randint(*bounds))

    while True:
        yield ids(PROMPT), [ids(REFERENCE) for _ in range(REFERENCES)]


def our_batches(
    step_tokens: int, vocabulary: int, packed: bool, mask=None
) -> Iterator[tuple[dict, int]]:
    """The pipeline's batches, of as many dialogues as fit; and the useful tokens in each.

    `mask` is that of the pipeline's `Collator`; None: a dense one.
    """
    import torch

    from stages.training.shared_prefix import Collator, build_row

    collate, rows = Collator(step_tokens if packed else 0, mask or torch.bool), []
    for prompt, references in dialogues(vocabulary):
        row = build_row(prompt, references)
        if fits([*rows, row], step_tokens, packed):
            rows.append(row)
            continue
        yield collate(rows), sum(len(row["input_ids"]) for row in rows)
        rows = [row]


def plain_batches(step_tokens: int, vocabulary: int) -> Iterator[tuple[dict, int]]:
    """Shuffled rows `prompt reference`, padded; a prompt's tokens are shared by its rows."""
    rows: list[dict] = []
    source = dialogues(vocabulary)
    while True:
        pool = [
            {
                "input_ids": prompt + reference,
                "prompt": len(prompt),
                "useful": len(prompt) / len(references) + len(reference),
            }
            for prompt, references in itertools.islice(source, 200)
            for reference in references
        ]
        random.Random(0).shuffle(pool)
        for row in pool:
            if fits([*rows, row], step_tokens):
                rows.append(row)
                continue
            yield pad(rows), round(sum(row["useful"] for row in rows))
            rows = [row]


def fits(rows: list[dict], step_tokens: int, packed: bool = False) -> bool:
    lengths = [len(row["input_ids"]) for row in rows]
    return (sum(lengths) if packed else len(rows) * max(lengths)) <= step_tokens


def pad(rows: list[dict]) -> dict:
    import torch

    width = max(len(row["input_ids"]) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for i, row in enumerate(rows):
        length, start = len(row["input_ids"]), row["prompt"]
        ids[i, :length] = torch.tensor(row["input_ids"])
        mask[i, :length] = 1
        labels[i, start:length] = ids[i, start:length]
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}
