"""Training on a ranking: of its own candidates, the better one shall be the likelier one.

References alone teach what one annotator happened to write; a ranking teaches which of the
summaries that the model is about to choose from come nearest to all of them (BRIO, Liu et al. 2022,
https://arxiv.org/abs/2203.16804).
"""

import gc
from pathlib import Path

import torch
from datasets import Dataset
from peft import PeftModel

from stages.common.batches import in_batches
from stages.common.candidates import draw, grade
from stages.common.checkpoints import seal, whole
from stages.common.files import writing
from stages.common.halving import Batch, part
from stages.common.models import load_base, load_tuned
from stages.common.params import Finetune
from stages.common.prepacked import prepack
from stages.common.rows import Collator, build_row, take_apart
from stages.common.trainer import ResumableTrainer
from stages.common.training import (
    Task,
    check_weights,
    load_frozen,
    run_to_end,
    save_adapter,
    training_arguments,
)

MARGIN = 2.0  # nats a token that the likelihood of a candidate of grade 1 shall be above one of 0
REFERENCES = 0.3  # weight of the references' loss, which keeps the model able to write
START = "start"
AT_ONCE = 128  # candidates that are drawn at once


class RankingCollator(Collator):
    """A batch of a row a dialogue, with what ranks its summaries.

    `grades` (rows, summaries) holds NaN for references and padding; `summary` (predicted tokens)
    says which of its row's summaries a token belongs to, `row` which row.
    """

    def __call__(self, dialogues: list[dict]) -> dict[str, torch.Tensor]:
        batch = super().__call__(dialogues)
        # Segments count from 1, and 0 predicts nothing.
        summary = [segment - 1 for d in dialogues for segment in d["segment"] if segment]
        grades = torch.full((len(dialogues), max(summary) + 1), torch.nan)
        for row, dialogue in enumerate(dialogues):
            end = max(dialogue["segment"])
            grades[row, end - len(dialogue["grades"]) : end] = torch.tensor(dialogue["grades"])
        return batch | {
            "summary": torch.tensor(summary),
            "row": batch["logits_to_keep"].nonzero()[:, 0],
            "grades": grades,
        }


def ranking_loss(
    logp: torch.Tensor, row: torch.Tensor, summary: torch.Tensor, grades: torch.Tensor
) -> torch.Tensor:
    """The loss of each row, from its tokens' log-probabilities; see `RankingCollator`.

    A candidate's likelihood is the mean over its tokens. For every two of a dialogue's candidates
    the better one's shall be higher by `MARGIN` times the difference of their grades.
    """
    rows, summaries = grades.shape
    place = row * summaries + summary
    zeros = logp.new_zeros(rows * summaries)
    sums = zeros.index_add(0, place, logp).view(rows, summaries)
    counts = zeros.index_add(0, place, torch.ones_like(logp)).view(rows, summaries)
    reference = grades.isnan()
    loss = -(sums * reference).sum(1) / (counts * reference).sum(1).clamp(min=1)
    likelihood = sums / counts.clamp(min=1)
    gap = grades[:, :, None] - grades[:, None, :]  # NaN where either is a reference: never above 0
    better = gap > 0
    missing = likelihood[:, None, :] - likelihood[:, :, None] + MARGIN * gap.nan_to_num()
    pairs = better.sum((1, 2)).clamp(min=1)
    return REFERENCES * loss + (missing.relu() * better).sum((1, 2)) / pairs


def ranked_halves(batch: Batch) -> tuple[Batch, Batch] | None:
    """Two batches of half the rows each; None of one row, whose candidates are ranked together."""
    middle = len(batch["grades"]) // 2
    if not middle:
        return None
    predicts, first = batch["logits_to_keep"].nonzero(), batch["row"] < middle
    return tuple(
        part(batch, predicts[tokens], tokens)
        | {
            "row": batch["row"][tokens] - rows.start,
            "summary": batch["summary"][tokens],
            "grades": batch["grades"][rows],
        }
        for tokens, rows in ((first, slice(0, middle)), (~first, slice(middle, None)))
    )


class RankingTrainer(ResumableTrainer):
    halves = staticmethod(ranked_halves)
    smaller = "finetune.ranking.candidates"

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The mean over the step's dialogues, each weighing as its tokens."""
        row, summary, grades = (inputs.pop(key) for key in ("row", "summary", "grades"))
        labels = inputs.pop("labels")
        inputs.pop("shift_labels")
        logits = model(**inputs).logits.view(len(labels), -1)
        logp = -torch.nn.functional.cross_entropy(logits.float(), labels, reduction="none")
        tokens = torch.bincount(row, minlength=len(grades))
        return (ranking_loss(logp, row, summary, grades) * tokens).sum() / num_items_in_batch


def save_start(model: PeftModel, folder: Path) -> None:
    """Keep the adapter that the training in `folder` goes on from, unless it is there."""
    start = folder / START
    if not whole(start):
        with writing(folder):
            save_adapter(model, start)
            seal(start)


def train_on_ranking(
    task: Task, knobs: Finetune, tokenizer, folder: Path
) -> tuple[ResumableTrainer, dict[str, float]]:
    """Go on from the adapter that `save_start` kept in `folder`.

    Returns a trainer with the new one, which evaluates as those before it did, and figures of the
    training. A later process goes on where an earlier one was cut off.
    """
    gc.collect()  # models hang in cycles
    rows, grade_ = graded(task, knobs, tokenizer, folder)
    base = load_frozen(knobs, task.hardware, task.base)
    model = PeftModel.from_pretrained(base, str(folder / START), is_trainable=True)
    ranking = knobs.model_copy(
        update={"learning_rate": knobs.ranking.learning_rate, "epochs": 1, "evals_per_epoch": 1}
    )
    arguments = training_arguments(ranking, task.hardware, folder, len(rows))
    # Its best weights are the last: the loss on references, which it raises, cannot choose.
    arguments.eval_strategy, arguments.load_best_model_at_end = "no", False
    trainer = RankingTrainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        data_collator=RankingCollator(task.collator.padding["input_ids"]),
        patience=knobs.patience,
        checkpoint_minutes=knobs.checkpoint_minutes,
    )
    run = run_to_end(trainer, folder)
    check_weights(model)
    figures = {
        "candidates": knobs.ranking.candidates * len(rows),
        "grade": round(grade_, 6),
        "loss": round(run.losses("loss")[-1][1], 6),
        "steps": run.state.global_step,
        "seconds": round(run.seconds, 1),
    }
    return task.trainer(model, ranking, folder), figures


def graded(task: Task, knobs: Finetune, tokenizer, folder: Path) -> tuple[Dataset, float]:
    """Rows of some training dialogues with references, candidates and grades; the mean grade."""
    generator = torch.Generator().manual_seed(knobs.seed)
    order = torch.randperm(len(task.train), generator=generator).tolist()
    chosen = order[: max(1, round(len(order) * knobs.ranking.dialogues))]
    parts = [take_apart(row) for row in task.train.select(chosen)]
    prompts = [prompt for prompt, _ in parts]
    lengths = torch.tensor([float(len(ids)) for _, summaries in parts for ids in summaries])
    room = int(lengths.quantile(0.95))  # of the references, nearly all end by then
    copies, eos = knobs.ranking.candidates, tokenizer.eos_token_id
    base = load_base(task.base, knobs.quantization, task.hardware)
    model = prepack(load_tuned(base, folder / START)).eval()

    def make(prompts: list[list[int]]) -> list[list[list[int]]]:
        return draw(model, prompts, copies, room, eos)

    print(f"finetune: drawing {copies} candidates for {len(prompts)} dialogues", flush=True)
    size, partial = max(1, AT_ONCE // copies), folder / "candidates.jsonl"
    drawn = in_batches(make, prompts, size, knobs.seed, "finetune", partial=partial)

    def text(ids: list[int]) -> str:
        return " ".join(tokenizer.decode(ids, skip_special_tokens=True).split())

    rows = []
    for (prompt, summaries), candidates in zip(parts, drawn, strict=True):
        references = [text(ids) for ids in summaries]
        grades = [grade(text(ids), references) for ids in candidates]
        row = build_row(prompt, summaries + candidates)
        size = {"length": len(row["input_ids"]), "references": len(summaries)}
        rows.append({**row, **size, "grades": grades})
    mean = sum(sum(row["grades"]) for row in rows) / (copies * len(rows))
    print(f"finetune: they come to a grade of {mean:.3f} on average", flush=True)
    return Dataset.from_list(rows), mean
