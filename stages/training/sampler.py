"""The order of training: dialogues of like length in a step, the steps in random order."""

from collections.abc import Callable, Iterator

import torch
from torch.utils.data import Sampler

MEGABATCH = 50  # steps whose dialogues are sampled together and sorted by length


class EpochSampler(Sampler):
    """Indices of the dialogues, `step` of like length after one another, the steps shuffled.

    Only the seed and the epoch decide the order. The global random state does not: after a resume
    it differs from that of an uninterrupted run. `LengthGroupedSampler` of `transformers` would
    leave the steps of a megabatch sorted by length.
    """

    def __init__(self, step: int, lengths: list[int], seed: int, epoch: Callable[[], int]):
        self.step, self.lengths, self.seed, self.epoch = step, torch.tensor(lengths), seed, epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed + self.epoch())
        steps = []
        shuffled = torch.randperm(len(self), generator=generator)
        for megabatch in shuffled.split(MEGABATCH * self.step):
            by_length = self.lengths[megabatch].argsort(stable=True)
            steps += megabatch[by_length].split(self.step)
        # An incomplete step must be the last: the batches after it would be shifted.
        incomplete = [steps.pop()] if len(steps[-1]) < self.step else []
        order = [steps[i] for i in torch.randperm(len(steps), generator=generator)]
        return iter(torch.cat(order + incomplete).tolist())
