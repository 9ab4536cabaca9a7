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

from stages.common.atomic_io import disk_errors
from stages.common.resuming import is_complete, seal
from stages.common.words import choose_words
from stages.model.batches import run_batches
from stages.model.hardware import Hardware
from stages.model.loading import load_base, load_tuned
from stages.model.prepacked import prepack
from stages.params import Params
from stages.training.adapter import save_weights
from stages.training.batch_splitting import Batch, take
from stages.training.candidates import draw, grade
from stages.training.checks import check_weights
from stages.training.lora import load_frozen
from stages.training.shared_prefix import Collator, build_row, split_row
from stages.training.trainer import ResumableTrainer, training_arguments

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
        if "grades" not in dialogues[0]:  # of validation
            return batch
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


def split_ranked(batch: Batch) -> tuple[Batch, Batch]:
    """Two batches of half the rows each; a row's candidates are ranked together and stay so."""
    middle = len(batch["grades"]) // 2
    first = batch["row"] < middle
    return tuple(
        take(batch, rows, tokens)
        | {
            "row": batch["row"][tokens] - rows.start,
            "summary": batch["summary"][tokens],
            "grades": batch["grades"][rows],
        }
        for tokens, rows in ((first, slice(0, middle)), (~first, slice(middle, None)))
    )


class RankingTrainer(ResumableTrainer):
    """Trains on ranked rows, and evaluates on rows of references alone as its parent does."""

    split_batch = staticmethod(split_ranked)
    smaller = "finetune.ranking.candidates"

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The mean over the step's dialogues, each weighing as its tokens."""
        if "grades" not in inputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        row, summary, grades = (inputs.pop(key) for key in ("row", "summary", "grades"))
        labels = inputs.pop("labels")
        inputs.pop("shift_labels")
        logits = model(**inputs).logits.view(len(labels), -1)
        logp = -torch.nn.functional.cross_entropy(logits.float(), labels, reduction="none")
        tokens = torch.bincount(row, minlength=len(grades))
        return (ranking_loss(logp, row, summary, grades) * tokens).sum() / num_items_in_batch


def save_start(model: PeftModel, folder: Path) -> None:
    """Keep the adapter that `train` in `folder` begins with, unless it is there."""
    start = folder / START
    if not is_complete(start):
        with disk_errors(folder):
            save_weights(model, start)
            seal(start)


def train(
    references: Dataset,
    validation: Dataset,
    tokenizer,
    params: Params,
    hardware: Hardware,
    base: Path,
    folder: Path,
) -> RankingTrainer:
    """Train the adapter that `save_start` kept in `folder`, or resume; the trainer has the result.

    `references` are the rows of the training split.
    """
    gc.collect()  # models hang in cycles
    knobs = params.finetune
    rows = graded(references, tokenizer, params, hardware, base, folder)
    model = PeftModel.from_pretrained(
        load_frozen(base, params, hardware), str(folder / START), is_trainable=True
    )
    changes = {"learning_rate": knobs.ranking.learning_rate, "num_train_epochs": 1}
    once = params.model_copy(
        update={"finetune": knobs.model_copy(update=changes | {"evals_per_epoch": 1})}
    )
    arguments = training_arguments(once, hardware, folder, len(rows))
    # Its best weights are the last: the loss on references, which it raises, cannot choose.
    arguments.eval_strategy, arguments.load_best_model_at_end = "no", False
    trainer = RankingTrainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        eval_dataset=validation,
        data_collator=RankingCollator(tokenizer.pad_token_id),
        patience=knobs.patience,
        checkpoint_minutes=params.run.checkpoint_minutes,
    )
    trainer.train_to_end()
    check_weights(model)
    return trainer


def graded(
    references: Dataset, tokenizer, params: Params, hardware: Hardware, base: Path, folder: Path
) -> Dataset:
    """Rows of some training dialogues with references, candidates and the candidates' grades."""
    knobs = params.finetune
    generator = torch.Generator().manual_seed(knobs.seed)
    order = torch.randperm(len(references), generator=generator).tolist()
    chosen = order[: max(1, round(len(order) * knobs.ranking.dialogues))]
    parts = [split_row(row) for row in references.select(chosen)]
    lengths = torch.tensor([float(len(ids)) for _, summaries in parts for ids in summaries])
    longest = int(lengths.quantile(0.95))  # nearly all references end by then
    copies, eos = knobs.ranking.candidates, tokenizer.eos_token_id
    model = load_tuned(load_base(base, params.model.quantization, hardware), folder / START)
    model = prepack(model).eval()

    def work(prompts: list[list[int]]) -> list[list[list[int]]]:
        return draw(model, prompts, copies, longest, eos)

    print(f"finetune: drawing {copies} candidates for {len(parts)} dialogues", flush=True)
    drawn = run_batches(
        work,
        [prompt for prompt, _ in parts],
        max(1, AT_ONCE // copies),
        knobs.seed,
        "finetune",
        partial=folder / "candidates.jsonl",
    )

    def text(ids: list[int]) -> str:
        return " ".join(tokenizer.decode(ids, skip_special_tokens=True).split())

    wanted = [[text(ids) for ids in summaries] for _, summaries in parts]
    words, _ = choose_words("auto", [reference for texts in wanted for reference in texts])
    rows = []
    for (prompt, summaries), texts, candidates in zip(parts, wanted, drawn, strict=True):
        grades = [grade(text(ids), texts, words) for ids in candidates]
        row = build_row(prompt, summaries + candidates)
        size = {"length": len(row["input_ids"]), "references": len(summaries)}
        rows.append({**row, **size, "grades": grades})
    return Dataset.from_list(rows)
