"""After training on references, an adapter learns which of its own candidates are better."""

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.common.cli import UserError
from stages.model.hardware import Hardware
from stages.params import Params, Ranking
from stages.training.batch_splitting import split_batch
from stages.training.checks import check_support
from stages.training.ranking_loss import (
    MARGIN,
    REFERENCE_WEIGHT,
    RankingCollator,
    ranking_loss,
    select_ranking_rows,
)
from stages.training.shared_prefix import build_row
from tests.helpers.faults import (
    few_candidates_per_batch,
    no_memory_in_training,
    signal_at,
    stopped_after_batches,
    thirty_epochs_of_ranking,
)
from tests.helpers.project import Project, tiny_params

ADAPTER = "models/adapter/adapter_model.safetensors"


@st.composite
def rewarded_rows(draw):
    """Log-probabilities and lengths of each row's summaries, with rewards; None for a reference."""
    number = st.floats(-9, 0, width=32)
    rewards = st.one_of(st.none(), st.sampled_from([0.0, 0.2, 0.5, 1.0]))
    summary = st.tuples(st.lists(number, min_size=1, max_size=4), rewards)
    return draw(st.lists(st.lists(summary, min_size=1, max_size=4), min_size=1, max_size=3))


def plain_loss(summaries) -> float:
    """The loss of one row, as its docstring has it, in loops."""
    references = [x for tokens, reward in summaries if reward is None for x in tokens]
    ranked = [(sum(t) / len(t), reward) for t, reward in summaries if reward is not None]
    pairs = [(a, b) for a in ranked for b in ranked if a[1] > b[1]]
    missing = [max(0.0, b[0] - a[0] + MARGIN * (a[1] - b[1])) for a, b in pairs]
    loss = -sum(references) / len(references) if references else 0.0
    return REFERENCE_WEIGHT * loss + (sum(missing) / len(missing) if missing else 0.0)


@given(rewarded_rows())
def test_the_loss_is_that_of_a_plain_loop(rows):
    rewards = torch.full((len(rows), 4), torch.nan)
    tokens = []
    for row, summaries in enumerate(rows):
        for k, (logps, reward) in enumerate(summaries):
            rewards[row, k] = math.nan if reward is None else reward
            tokens += [(logp, row, k) for logp in logps]
    logp, row, summary = (torch.tensor(column) for column in zip(*tokens, strict=True))
    found = ranking_loss(logp, row, summary, rewards)
    assert found.tolist() == pytest.approx([plain_loss(s) for s in rows], rel=1e-4, abs=1e-5)


def test_the_gradient_makes_the_better_likelier_until_the_margin_is_kept():
    row, summary = torch.tensor([0, 0, 0]), torch.tensor([0, 1, 2])
    rewards = torch.tensor([[math.nan, 0.3, 0.8]])
    logp = torch.tensor([-1.0, -2.0, -2.0], requires_grad=True)
    ranking_loss(logp, row, summary, rewards).sum().backward()
    assert logp.grad.tolist() == pytest.approx([-REFERENCE_WEIGHT, 1.0, -1.0])
    kept = torch.tensor([-1.0, -3.1, -2.0], requires_grad=True)  # 0.5 of reward is 1 nat
    ranking_loss(kept, row, summary, rewards).sum().backward()
    assert kept.grad.tolist() == pytest.approx([-REFERENCE_WEIGHT, 0.0, 0.0])


def test_a_batch_says_whose_each_token_is():
    rows = [
        build_row([5, 6, 7], [[8, 1], [9, 9, 1], [4, 1]]) | {"rewards": [0.25, 0.5]},
        build_row([5, 6, 7, 8, 9], [[8, 1], [7, 1]]) | {"rewards": [0.75]},
    ]
    batch = RankingCollator()(rows)
    assert batch["labels"].tolist() == [8, 1, 9, 9, 1, 4, 1, 8, 1, 7, 1]
    assert batch["row"].tolist() == [0] * 7 + [1] * 4
    assert batch["summary"].tolist() == [0, 0, 1, 1, 1, 2, 2, 0, 0, 1, 1]
    rewards = [[None if math.isnan(x) else x for x in row] for row in batch["rewards"].tolist()]
    assert rewards == [[None, 0.25, 0.5], [None, 0.75, None]]


def finetune(forks, root, status: int = 0, faults=(), **params) -> str:
    keys = {key if key.startswith("model.") else f"finetune.{key}": key for key in params}
    Project(root).params(**{name: params[key] for name, key in keys.items()})
    ended = forks.run(root, "finetune", faults=[few_candidates_per_batch(), *faults])
    assert ended.status == status, ended.said
    return ended.said


def metrics(root) -> dict:
    return json.loads((root / "metrics/finetune.json").read_text())


@pytest.fixture
def root(prepared):
    changes = {"per_device_train_batch_size": 3, "learning_rate": 0.01}
    prepared.params(**{f"finetune.{key}": value for key, value in changes.items()})
    prepared.params(**{"model.precision": "fp32"})
    return prepared.root


RANKED = {
    "ranking.candidates": 3,
    "ranking.dialogues": 0.75,
    "ranking.learning_rate": 0.01,
}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"model.quantization": "nf4"},
        {"gradient_accumulation_steps": 2},
        {"activation_checkpointing": True},
    ],
    ids=str,
)
def test_ranking_goes_on_from_what_the_references_taught(forks, root, params):
    finetune(forks, root, **params)
    before, unranked = (root / ADAPTER).read_bytes(), metrics(root)
    said = finetune(forks, root, **RANKED)
    assert "sampling 3 candidates for 9 dialogues" in said and "Traceback" not in said
    after = metrics(root)
    assert after["ranking"]["candidates"] == 27 and 0 <= after["ranking"]["reward"] <= 1
    assert after["ranking"]["steps"] == math.ceil(3 / params.get("gradient_accumulation_steps", 1))
    assert after["steps"] == unranked["steps"] and after["train_loss"] == unranked["train_loss"]
    assert after["validation_loss"] == unranked["validation_loss"]
    assert after["ranking"]["validation_loss"] != after["validation_loss"]
    assert after["trainable_parameters"] == unranked["trainable_parameters"]
    curve = (root / "metrics/plots/validation_loss.csv").read_text().splitlines()
    last = after["steps"] + after["ranking"]["steps"]
    assert curve[-1] == f"{last},{after['ranking']['validation_loss']:.6f}"
    assert (root / ADAPTER).read_bytes() != before
    assert (
        "a ranking of 27 of its own candidates" in (root / "models/adapter/README.md").read_text()
    )
    assert not list((root / "models/checkpoints").iterdir())
    assert forks.run(root, "generate@tuned").status == 0


def test_cut_off_anywhere_it_ends_in_the_same_adapter(forks, root):
    finetune(forks, root, **RANKED)
    expected = (root / ADAPTER).read_bytes()
    finetune(forks, root, status=9, faults=[stopped_after_batches(count=2)])
    (partial,) = (root / "models/checkpoints").glob("*/candidates.jsonl")
    assert len(partial.read_text().splitlines()) == 2  # of three batches
    said = finetune(forks, root, status=143, faults=[signal_at(step=1, ranking=True)])
    assert "interrupted at step 2 of 3: a checkpoint is kept" in said.splitlines()[-1]
    assert len(partial.read_text().splitlines()) == 3
    said = finetune(forks, root)
    assert "resuming from" in said and "checkpoint-2" in said
    assert (root / ADAPTER).read_bytes() == expected
    assert not list((root / "models/checkpoints").iterdir())


def test_a_batch_too_large_for_memory_is_split_by_its_rows(forks, root):
    finetune(forks, root, **RANKED)
    expected = metrics(root)["ranking"]
    said = finetune(forks, root, faults=[no_memory_in_training(rows=1, ranked=True)])
    assert "do not fit in memory: split" in said
    halved = metrics(root)["ranking"]
    assert halved["steps"] == expected["steps"]
    for loss in ("loss", "validation_loss"):
        assert halved[loss] == pytest.approx(expected[loss], rel=1e-4)
    said = finetune(forks, root, status=1, faults=[no_memory_in_training(rows=0, ranked=True)])
    assert "lower finetune.ranking.candidates" in said.splitlines()[-1]
    assert "Traceback" not in said


@given(st.integers(2, 5), st.integers(0, 2**31))
def test_halves_of_a_batch_hold_its_tokens_summaries_and_rewards(rows, seed):
    random = torch.Generator().manual_seed(seed)

    def ids(most: int) -> list[int]:
        length = int(torch.randint(1, most, (1,), generator=random))
        return torch.randint(2, 99, (length,), generator=random).tolist()

    dialogues = [
        build_row(ids(9), [ids(5) for _ in range(4)])
        | {"rewards": torch.rand(3, generator=random).tolist()}
        for _ in range(rows)
    ]
    batch, middle = RankingCollator()(dialogues), rows // 2
    expected = [RankingCollator()(some) for some in (dialogues[:middle], dialogues[middle:])]
    for half, alone in zip(split_batch(batch, select_ranking_rows), expected, strict=True):
        for key in ("labels", "row", "summary"):
            assert half[key].tolist() == alone[key].tolist()
        assert half["rewards"].nan_to_num().tolist() == alone["rewards"].nan_to_num().tolist()
        width = half["input_ids"].shape[1]
        assert half["input_ids"].tolist() == alone["input_ids"][:, :width].tolist()


def test_a_tpu_is_refused():
    params, tpu = Params.model_validate(tiny_params()), Hardware("xla", torch.bfloat16, "")
    check_support(params, tpu)
    ranking = Ranking(candidates=4, dialogues=1, learning_rate=1)
    knobs = params.finetune.model_copy(update={"ranking": ranking})
    with pytest.raises(UserError, match=r"finetune\.ranking\.candidates"):
        check_support(params.model_copy(update={"finetune": knobs}), tpu)


def test_training_raises_the_better_candidates(forks, root):
    said = finetune(forks, root, faults=[thirty_epochs_of_ranking()], **RANKED)
    losses = [float(x) for x in said.partition("LOSSES ")[2].splitlines()[0].split()]
    assert losses[-1] < losses[0] / 2
