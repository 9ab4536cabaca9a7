"""The loss of training on a ranking: of two candidates, the better one shall be the likelier one.

It follows BRIO (Liu et al. 2022, https://arxiv.org/abs/2203.16804), with the margin in proportion to
the difference of the rewards.
"""

import torch

from stages.training.batch_splitting import Batch, predictions_of, select_rows
from stages.training.shared_prefix import Collator

MARGIN = 2.0  # nats per token between a candidate of reward 1 and one of reward 0
REFERENCE_WEIGHT = 0.3  # of the loss on the references, without which the model forgets to write


class RankingCollator(Collator):
    """A batch of one row per dialogue, with what is needed to rank its summaries.

    Adds `rewards` (rows, summaries), NaN for references and padding, and for each predicted token
    its `row` and its `summary`, the index of the summary within the row.
    """

    def __call__(self, dialogues: list[dict]) -> Batch:
        batch = super().__call__(dialogues)
        if "rewards" not in dialogues[0]:  # validation
            return batch
        # Segments count from 1; segment 0 is the prompt, where nothing is predicted.
        summary = [segment - 1 for d in dialogues for segment in d["segment"] if segment]
        rewards = torch.full((len(dialogues), max(summary) + 1), torch.nan)
        for row, dialogue in enumerate(dialogues):
            # The candidates come after the references.
            end = max(dialogue["segment"])
            rewards[row, end - len(dialogue["rewards"]) : end] = torch.tensor(dialogue["rewards"])
        return batch | {
            "summary": torch.tensor(summary),
            "row": batch["logits_to_keep"].nonzero()[:, 0],
            "rewards": rewards,
        }


def ranking_loss(
    logp: torch.Tensor, row: torch.Tensor, summary: torch.Tensor, rewards: torch.Tensor
) -> torch.Tensor:
    """The loss of each row (rows), in nats, from the log-probabilities of its predicted tokens.

    `logp`, `row` and `summary` have one entry per predicted token; see `RankingCollator`. The
    likelihood of a candidate is the mean over its tokens. For each pair of a dialogue's candidates,
    the better one's must be higher by `MARGIN` times the difference of their rewards.
    """
    rows, summaries = rewards.shape
    index = row * summaries + summary
    zeros = logp.new_zeros(rows * summaries)
    sums = zeros.index_add(0, index, logp).view(rows, summaries)
    counts = zeros.index_add(0, index, torch.ones_like(logp)).view(rows, summaries)
    is_reference = rewards.isnan()
    reference_loss = -(sums * is_reference).sum(1) / (counts * is_reference).sum(1).clamp(min=1)
    likelihood = sums / counts.clamp(min=1)
    # NaN, which is not above 0, where either one is a reference.
    difference = rewards[:, :, None] - rewards[:, None, :]
    better = difference > 0
    margin = MARGIN * difference.nan_to_num()
    violation = likelihood[:, None, :] - likelihood[:, :, None] + margin
    pairs = better.sum((1, 2)).clamp(min=1)
    return REFERENCE_WEIGHT * reference_loss + (violation.relu() * better).sum((1, 2)) / pairs


def select_ranking_rows(batch: Batch, rows: slice) -> Batch:
    """Some rows of a batch. A row stays complete: its candidates are ranked together."""
    chosen = select_rows(batch, rows)
    if "rewards" not in batch:  # validation
        return chosen
    predictions = predictions_of(batch, rows)
    return chosen | {
        "row": chosen["logits_to_keep"].nonzero()[:, 0],
        "summary": batch["summary"][predictions],
        "rewards": batch["rewards"][rows],
    }
