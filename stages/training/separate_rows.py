"""One reference a row, for base models in which the references of a dialogue cannot share one.

The prompt is computed again for each reference. The loss is that of shared rows, and so is the
order of the predicted tokens.
"""

import torch

from stages.training.shared_prefix import IGNORE_INDEX, PAD_TO_MULTIPLE_OF, split_row


class SeparateCollator:
    """Dialogues as a batch with a row for each reference, padded on the right.

    Returns `input_ids`, `attention_mask`, 1 where there is no padding, and `logits_to_keep`, True
    where a token is predicted, all (references, length); `labels` and `shift_labels` (predicted
    tokens).
    """

    def __call__(self, dialogues: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        parts = [split_row(dialogue) for dialogue in dialogues]
        rows = [(prompt, summary) for prompt, summaries in parts for summary in summaries]
        longest = max(len(prompt) + len(summary) - 1 for prompt, summary in rows)
        width = -(-longest // PAD_TO_MULTIPLE_OF) * PAD_TO_MULTIPLE_OF
        shape = len(rows), width
        # Padding is a row's first token, as in `shared_prefix`.
        ids = torch.tensor([[prompt[0]] * width for prompt, _ in rows])
        mask = torch.zeros(shape, dtype=torch.long)
        labels = torch.full(shape, IGNORE_INDEX)
        for i, (prompt, summary) in enumerate(rows):
            end = len(prompt) + len(summary) - 1
            ids[i, :end] = torch.tensor(prompt + summary[:-1])
            mask[i, :end] = 1
            labels[i, len(prompt) - 1 : end] = torch.tensor(summary)
        predicted = labels != IGNORE_INDEX
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "labels": labels[predicted],
            "shift_labels": labels[predicted],
            "logits_to_keep": predicted,
        }


def token_cost(dialogues: list[dict[str, list[int]]]) -> float:
    """How many times the tokens of shared rows the separate ones have."""
    parts = [split_row(dialogue) for dialogue in dialogues]
    separate = sum(
        (len(p) - 1) * len(summaries) + sum(map(len, summaries)) for p, summaries in parts
    )
    return separate / sum(len(dialogue["input_ids"]) for dialogue in dialogues)
