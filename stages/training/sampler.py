"""The order of training: like lengths in a step, steps in any order."""

from collections.abc import Callable, Iterator

import torch
from torch.utils.data import Sampler

POOL = 50  # steps' dialogues are drawn at once and sorted by length


class EpochSampler(Sampler):
    """Dialogues of like length to a step, steps in any order; the seed and the epoch alone decide.

    It does not use torch's global random state: a run that resumes in a later epoch has another
    one than the first run had there. `LengthGroupedSampler` of `transformers` would leave each
    pool's steps in the order of their lengths.
    """

    def __init__(self, step: int, lengths: list[int], seed: int, epoch: Callable[[], int]):
        self.step, self.lengths, self.seed, self.epoch = step, torch.tensor(lengths), seed, epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed + self.epoch())
        steps = []
        for pool in torch.randperm(len(self), generator=generator).split(POOL * self.step):
            by_length = self.lengths[pool].argsort(stable=True)
            steps += pool[by_length].split(self.step)
        short = [steps.pop()] if len(steps[-1]) < self.step else []  # no step can come after it
        shuffled = [steps[i] for i in torch.randperm(len(steps), generator=generator)]
        return iter(torch.cat(shuffled + short).tolist())
