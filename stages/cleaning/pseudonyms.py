"""Speakers and ids that hold a number or an address: labels that nobody can turn back.

A hash would not do: who tries every phone number finds the one that was hashed, and a key in params
is no secret. So a speaker is called by the kind of what was found, and an id by the row's place.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

import polars as pl

from stages.cleaning.redaction import redact_column
from stages.params import Clean, Redaction

DIGEST = r"^[0-9a-f-]{16,}$"  # or a UUID, if a letter is in it: of no person


def redact_speakers(turns: pl.DataFrame, redaction: Redaction, counts: Counter) -> pl.DataFrame:
    """`speaker` redacted; two of a conversation that would be called alike are numbered.

    `turns` has `speaker`, and `row` where it holds more than one conversation. The numbers follow
    the order in which the speakers come.
    """
    names = turns["speaker"].unique(maintain_order=True)
    labels, found = redact_column(names, redaction)
    if not found:
        return turns
    counts += found
    changed = names.ne_missing(labels)
    known = pl.DataFrame({"speaker": names, "label": labels}).filter(changed)
    row = ["row"] if "row" in turns.columns else []
    # Each redacted speaker of each conversation, in order, with its number among those called alike.
    speakers = turns.select(*row, "speaker").unique(maintain_order=True)
    speakers = speakers.join(known, on="speaker", how="inner", maintain_order="left")
    alike = [*row, "label"]
    number = pl.int_range(1, pl.len() + 1).over(alike).cast(pl.String)
    several = pl.len().over(alike) > 1
    speakers = speakers.with_columns(
        label=pl.when(several).then(pl.col("label") + " " + number).otherwise("label")
    )
    joined = turns.join(speakers, on=[*row, "speaker"], how="left", maintain_order="left")
    return joined.with_columns(speaker=pl.coalesce("label", "speaker")).drop("label")


def redact_ids(
    frames: Iterable[pl.DataFrame], split: str, params: Clean, counts: Counter
) -> Iterator[pl.DataFrame]:
    """Frames of a split, one after the other, whose `id` is redacted.

    An id that holds something personal becomes the row's place, `train-12`.
    """
    start = 0
    for frame in frames:
        ids = frame["id"]
        digest = ids.str.contains(DIGEST) & ids.str.contains("[a-f]")
        texts = pl.select(pl.when(~digest).then(ids)).to_series()
        redacted, found = redact_column(texts, params.redaction) if params.redact else (texts, None)
        if found:
            places = pl.Series([f"{split}-{start + i + 1}" for i in range(len(ids))])
            frame = frame.with_columns(places.zip_with(texts.ne_missing(redacted), ids).alias("id"))
            counts += found
        yield frame
        start += len(ids)
