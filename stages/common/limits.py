"""Limits in tokens: when one needs a warning, and one that fits nearly all texts."""

import math

FEW = 0.05  # share of texts that a limit may drop or cut without a warning


def too_many(above: int, texts: int) -> bool:
    return above > FEW * texts


def fitting_limit(sizes: list[int]) -> int:
    """The smallest limit that all sizes but a share of `FEW` are within."""
    return sorted(sizes)[math.ceil((1 - FEW) * len(sizes)) - 1]
