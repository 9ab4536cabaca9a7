"""The order of training: every dialogue once, like lengths in a step, no order among steps."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.training.sampler import EpochSampler

LENGTHS = torch.randint(20, 900, (400,), generator=torch.Generator().manual_seed(0)).tolist()


def order(step: int, lengths: list[int] = LENGTHS, seed: int = 0, epoch: int = 0) -> list[int]:
    return list(EpochSampler(step, lengths, seed, lambda: epoch))


@given(st.integers(1, 9), st.lists(st.integers(1, 900), min_size=1), st.integers(0, 2**32 - 1))
def test_every_dialogue_once_in_an_order_that_seed_and_epoch_decide(step, lengths, seed):
    torch.manual_seed(seed % 7)  # the global state must not matter
    first = order(step, lengths, seed)
    assert sorted(first) == list(range(len(lengths)))
    torch.rand(3)
    assert order(step, lengths, seed) == first


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = [order(4), order(4, epoch=1), order(4, seed=9)]
    assert orders[0] != orders[1] != orders[2] != orders[0]


def test_a_step_holds_like_lengths():
    lengths = [LENGTHS[i] for i in order(8)]
    spans = [max(step) - min(step) for step in zip(*[iter(lengths)] * 8, strict=True)]
    assert sum(spans) / len(spans) < 40  # of 880; in a random order about 690


def test_steps_are_not_in_the_order_of_their_lengths():
    for step in (1, 8):
        lengths = torch.tensor([float(LENGTHS[i]) for i in order(step)]).view(-1, step).mean(1)
        falls = (lengths.diff() < 0).float().mean()
        assert 0.3 < falls < 0.7


def test_a_last_step_that_is_short_stays_the_last():
    lengths = [5] * 4 + [9] * 7
    for seed in range(20):
        ended = [lengths[i] for i in order(4, lengths, seed)]
        assert sorted(ended[8:]) == [9, 9, 9]  # sorted by length: the longest are left over
