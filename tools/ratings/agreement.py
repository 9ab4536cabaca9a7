"""Krippendorff's alpha for nominal values: 1 is full agreement, 0 what chance would give.

Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability".
"""

from collections import Counter
from collections.abc import Hashable, Iterable


def alpha(units: Iterable[Iterable[Hashable | None]]) -> float | None:
    """`units` has the values that raters gave each thing, None where one gave none.

    Things with fewer than two values tell nothing of agreement and are left out. None where nothing
    can be told: no such thing is left, or all values are the same.
    """
    counts = [Counter(value for value in unit if value is not None) for unit in units]
    counts = [unit for unit in counts if unit.total() > 1]
    totals = sum(counts, Counter())
    n = totals.total()
    expected = n * n - sum(count * count for count in totals.values())
    if not expected:
        return None
    observed = sum(
        (unit.total() ** 2 - sum(count * count for count in unit.values())) / (unit.total() - 1)
        for unit in counts
    )
    return 1 - (n - 1) * observed / expected
