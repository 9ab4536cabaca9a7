"""Whether two revisions have taken one test: only then do their scores tell of their models."""

from tools.compare import changes
from tools.compare.dialogues import read_counts
from tools.compare.revision import Revision

TEST_SPLIT = "data/clean/test.parquet"
SIGNATURE = "score.bleu_signature"


def other_data(before: Revision, after: Revision) -> bool:
    """Whether their test splits differ. Numbered ids recur in any file, so equal ids tell nothing."""
    one, other = (data_of(revision) for revision in (before, after))
    return bool(one and other and one != other)


def other_references(before: Revision, after: Revision) -> bool:
    """Whether the references differ, by which BLEU counts. Cleaning may change conversations alone:
    then the constant sentence has the same counts as before in each dialogue."""
    if not other_data(before, after):
        return False
    one, other = (read_counts(revision).get("constant", {}) for revision in (before, after))
    return not (common := one.keys() & other.keys()) or any(
        one[id_] != other[id_] for id_ in common
    )


def data_of(revision: Revision) -> str | None:
    """The hash of the test split that was scored; None where dvc.lock has none."""
    stages = changes.stages(revision).values()
    return next((h for s in stages if (h := changes.hashes(s, "deps").get(TEST_SPLIT))), None)


def other_bleu(before: Revision, after: Revision) -> bool:
    """Whether BLEU was counted otherwise, such as with another tokenizer."""
    one, other = (changes.metrics(revision).get(SIGNATURE) for revision in (before, after))
    return bool(one and other and one != other)
