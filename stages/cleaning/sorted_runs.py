"""Numbers that clean remembers for each row: sorted, and on disk where they are many.

Short arrays are in memory. Longer ones are temporary files without a name, mapped into memory: the
system keeps of them what it has space for, and removes them however the process ends.
"""

import tempfile
from pathlib import Path

import numpy as np

SHORT = 2**22  # numbers in memory at most, of each array; a merge holds a few times as many
PIECE = 2**20  # numbers of the older array that are merged at a time


class Appended:
    """An array on disk that grows at its end."""

    def __init__(self, dtype: type, folder: Path | None):
        self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self.array = np.empty(0, dtype)

    def extend(self, values: np.ndarray) -> None:
        if len(values):
            self.file.write(np.ascontiguousarray(values, self.array.dtype))
            self.file.flush()
            self.array = np.memmap(self.file, self.array.dtype, "r")

    def close(self) -> np.ndarray:
        """The array, which needs the open file no longer."""
        self.file.close()
        return self.array


class Runs:
    """Pairs of an unsigned 64-bit key and a value, or keys alone, in few runs sorted by key, each
    longer than the next. Of equal keys the earlier pair comes first."""

    def __init__(self, folder: Path | None, *dtypes: type):
        """`dtypes` is the type of the values, if there are any. The files are in `folder`, or where
        the system has its temporary files if that is None."""
        self.folder, self.dtypes = folder, (np.uint64, *dtypes)
        self.runs: list[list[np.ndarray]] = []  # keys, and values

    def add(self, *columns: np.ndarray) -> None:
        order = np.argsort(columns[0], kind="stable")
        self.add_run([column[order] for column in columns])

    def add_run(self, run: list[np.ndarray]) -> None:
        """Add what is sorted already."""
        while self.runs and len(self.runs[-1][0]) <= len(run[0]):
            run = self.merged(self.runs.pop(), run)
        if len(run[0]):
            self.runs.append(run)

    def merged(self, older: list[np.ndarray], newer: list[np.ndarray]) -> list[np.ndarray]:
        if len(older[0]) + len(newer[0]) <= SHORT:
            return merge(older, newer)
        columns = [Appended(dtype, self.folder) for dtype in self.dtypes]
        # The parts between these keys are merged one after the other.
        keys = np.unique(np.concatenate([older[0][PIECE::PIECE], newer[0][PIECE::PIECE]]))
        edges = [[0, *run[0].searchsorted(keys), len(run[0])] for run in (older, newer)]
        for a, b, c, d in zip(edges[0], edges[0][1:], edges[1], edges[1][1:], strict=False):
            parts = [column[a:b] for column in older], [column[c:d] for column in newer]
            for column, values in zip(columns, merge(*parts), strict=True):
                column.extend(values)
        return [column.close() for column in columns]

    def hold(self, keys: np.ndarray) -> np.ndarray:
        """Whether there is a pair with each of the keys."""
        found = np.zeros(len(keys), dtype=bool)
        order = np.argsort(keys)  # for in order they are found faster
        wanted = keys[order]
        for run, *_ in self.runs:
            found[order] |= run[run.searchsorted(wanted).clip(max=len(run) - 1)] == wanted
        return found

    def find(self, keys: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """For each run where the pairs of each key begin and end, and the values of the run."""
        return [
            (run.searchsorted(keys, "left"), run.searchsorted(keys, "right"), values)
            for run, values in self.runs
        ]


def merge(older: list[np.ndarray], newer: list[np.ndarray]) -> list[np.ndarray]:
    both = [np.concatenate(columns) for columns in zip(older, newer, strict=True)]
    if len(both) == 1:
        return [np.sort(both[0], kind="stable")]  # which merges what is in order
    order = np.argsort(both[0], kind="stable")
    return [column[order] for column in both]
