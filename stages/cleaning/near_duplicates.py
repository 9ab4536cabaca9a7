"""Dialogues that say nearly what one in another split says: MinHash finds them, Jaccard decides.

Similarity is that of the sets of shingles, whatever the case and punctuation: three words each, or
five characters where most of a dialogue is in a script without spaces between words. Signatures in bands (Broder, 1997; Leskovec et al., Mining of Massive Datasets, 3.4) sieve out the few dialogues
that may be near one of the index, and the exact similarity is computed for these alone. The index holds
the splits that results are measured on, on disk where they are large; nothing is held of what is asked.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from rensa import RMinHash, RMinHashDigestMatrix, RMinHashLSH

from stages.cleaning.sorted_runs import Appended, Runs
from stages.common.languages import LETTERS, UNSPACED

PERMUTATIONS = 64
RECALL = 0.999  # of the sieve, at the threshold itself
COMPARED = 1000  # dialogues of the index at most that one is compared with
IN_MEMORY = 300_000  # dialogues that rensa holds, 1.7 KB each; the others are on disk, slower
END = "\x00"  # after a dialogue: its last words open shingles too, and a single word makes one


class Index:
    """What it holds of each dialogue is on disk where it is much, in `folder`."""

    def __init__(self, threshold: float, folder: Path | None = None):
        self.threshold = threshold
        self.sieve = Sieve(threshold, folder)
        self.documents = Appended(np.uint64, folder)  # sorted shingles of each
        self.ends = Appended(np.int64, folder)  # of each
        self.owners = Runs(folder, np.int32)  # the documents that each shingle is of

    def add(self, turns: pl.Series) -> None:
        """Index a column of list<struct<speaker, text>>."""
        flat, offsets = shingle(turns)
        self.sieve.add(sign(flat, offsets))
        first, start = len(self.ends.array), len(self.documents.array)
        new = [np.unique(flat[a:b]) for a, b in pairwise(offsets)]
        lengths = np.array([len(shingles) for shingles in new], np.int64)
        shingles = np.concatenate([flat[:0], *new])
        self.documents.extend(shingles)
        self.ends.extend(start + np.cumsum(lengths))
        owners = np.repeat(np.arange(first, first + len(new), dtype=np.int32), lengths)
        self.owners.add(shingles, owners)

    def near(self, turns: pl.Series) -> pl.Series:
        """Whether each dialogue is as similar as the threshold, or more, to one of the index."""
        flat, offsets = shingle(turns)
        flags = self.sieve.flags(sign(flat, offsets))
        for row in np.flatnonzero(flags):
            flags[row] = self.similar(np.unique(flat[offsets[row] : offsets[row + 1]]))
        return pl.Series(flags, dtype=pl.Boolean)

    def similar(self, shingles: np.ndarray) -> bool:
        # A similar document holds one of any this many shingles; the rarest are in few others.
        needed = len(shingles) - int(np.ceil(self.threshold * len(shingles))) + 1
        runs = self.owners.find(shingles)
        counts = sum(ends - starts for starts, ends, _ in runs)
        rarest = np.argsort(counts, kind="stable")[:needed]
        found = [owners[starts[i] : ends[i]] for i in rarest for starts, ends, owners in runs]
        for owner in list(dict.fromkeys(np.concatenate(found).tolist()))[:COMPARED]:
            other = self.document(owner)
            shared = len(np.intersect1d(shingles, other, assume_unique=True))
            if shared >= self.threshold * (len(shingles) + len(other) - shared):
                return True
        return False

    def document(self, number: int) -> np.ndarray:
        start = self.ends.array[number - 1] if number else 0
        return self.documents.array[start : self.ends.array[number]]


class Sieve:
    """Which signatures have a band in common with one that was added."""

    def __init__(self, threshold: float, folder: Path | None):
        self.bands = bands(threshold)
        self.first = RMinHashLSH(threshold, PERMUTATIONS, self.bands)
        self.count = 0  # of signatures in `first`
        self.others = Runs(folder)

    def add(self, signatures: RMinHashDigestMatrix) -> None:
        if self.others.runs or self.count + signatures.len() > IN_MEMORY:
            self.others.add(self.hashes(signatures).ravel())
            return
        # rensa's flags say "more than one", for it takes what is asked to be in the index already.
        for key in (2 * self.count, 2 * self.count + signatures.len()):
            self.first.insert_matrix(signatures, key)
        self.count += signatures.len()

    def flags(self, signatures: RMinHashDigestMatrix) -> np.ndarray:
        flags = np.array(self.first.query_duplicate_flags_matrix(signatures), dtype=bool)
        if self.others.runs:
            hashes = self.hashes(signatures)
            flags |= self.others.hold(hashes.ravel()).reshape(hashes.shape).any(axis=1)
        return flags

    def hashes(self, signatures: RMinHashDigestMatrix) -> np.ndarray:
        """64 bits of each band of each signature."""
        shape = signatures.len(), self.bands, PERMUTATIONS // self.bands
        rows = np.array(signatures.to_rows(), np.uint64).reshape(shape)
        mixed = np.arange(self.bands, dtype=np.uint64) + np.zeros((len(rows), 1), np.uint64)
        for value in np.moveaxis(rows, 2, 0):
            mixed = (mixed ^ value) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(32)
        return mixed


def bands(threshold: float) -> int:
    """The fewest bands, and so the fewest false candidates, whose recall is `RECALL`."""
    for rows in (8, 4, 2):
        count = PERMUTATIONS // rows
        if 1 - (1 - threshold**rows) ** count >= RECALL:
            return count
    return PERMUTATIONS


def shingle(turns: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of the shingles of all dialogues, and where each one's begin (dialogues + 1)."""
    texts = turns.list.eval(pl.element().struct.field("text")).list.join(" ")
    plain = texts.str.to_lowercase().str.replace_all(r"[^\w\s]+", "").str.strip_chars()
    padded, wide = plain + f" {END} {END}", unspaced(plain)
    if len(wide):
        padded = padded.scatter(wide, apart(plain.gather(wide)) + f" {END}" * 4)
    words = padded.str.split(" ")
    hashes = np.append(words.explode().hash().to_numpy(), np.zeros(4, np.uint64))
    # In place, for the arrays are large.
    mixed = hashes[:-4] * np.uint64(0x9E3779B97F4A7C15)
    mixed += hashes[1:-3]
    mixed *= np.uint64(0xC2B2AE3D27D4EB4F)
    mixed += hashes[2:-2]
    lengths = words.list.len().to_numpy().astype(np.int64)
    ends = np.cumsum(lengths)
    kept = np.ones(len(mixed), dtype=bool)
    kept[ends - 1] = kept[ends - 2] = False
    counts = lengths - 2
    if len(wide):
        rows = wide.to_numpy()
        longer = mixed * np.uint64(0x165667B19E3779F9) + hashes[3:-1]
        longer = longer * np.uint64(0x27D4EB2F165667C5) + hashes[4:]
        of_wide = np.repeat(np.isin(np.arange(len(lengths)), rows), lengths)
        mixed = np.where(of_wide, longer, mixed)
        kept[ends[rows] - 3] = kept[ends[rows] - 4] = False
        counts[rows] -= 2
    return mixed[kept], np.concatenate([[0], np.cumsum(counts)])


def unspaced(texts: pl.Series) -> pl.Series:
    """Numbers of the texts of which most letters are in scripts without spaces between words."""
    # Such letters take three bytes.
    at = (texts.str.len_bytes() > 1.5 * texts.str.len_chars()).arg_true()
    some = texts.gather(at)
    letters, wide = (some.str.count_matches(LETTERS[name]) for name in ("all", "unspaced"))
    return at.filter(2 * wide > letters)


def apart(texts: pl.Series) -> pl.Series:
    """Texts with spaces around every character of such a script."""
    return (
        texts.str.replace_all(f"([{UNSPACED}])", " $1 ")
        .str.replace_all(r"\s+", " ")
        .str.strip_chars()
    )


def sign(flat: np.ndarray, offsets: np.ndarray) -> RMinHashDigestMatrix:
    return RMinHash.digest_matrix_from_flat_token_hashes(
        flat, offsets.astype(np.uint64), PERMUTATIONS, 42
    )
