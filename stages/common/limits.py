"""Limits in tokens: how many texts may be above one unsaid, and one that fits nearly all."""

import math

FEW = 0.05  # share of texts that a limit may drop or cut


def too_many(above: int, texts: int) -> bool:
    return above > FEW * texts


def fitting_limit(sizes: list[int]) -> int:
    """The smallest limit that all but a share `FEW` of the sizes are within."""
    return sorted(sizes)[math.ceil((1 - FEW) * len(sizes)) - 1]
