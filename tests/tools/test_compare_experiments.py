"""A DVC experiment is compared by its name."""

import pytest

from stages.common.cli import UserError
from tests.tools.test_compare import repository
from tools.compare.revision import commit

__all__ = ["repository"]  # the fixture


def test_an_experiment_is_known_by_its_name(repository):
    def keep(name: str, digit: str) -> None:
        reference = f"refs/exps/{digit * 2}/{digit * 38}/{name}"
        repository.run("git", "update-ref", reference, "HEAD")

    keep("brave-fox", "a")
    found = commit("brave-fox")
    assert found.commit == commit("main").commit and "params.yaml" in found.paths
    keep("brave-fox", "b")  # from another commit: which one is meant?
    for name in ("brave-fox", "brave-*", "nobody"):
        with pytest.raises(UserError, match="is no commit of this clone"):
            commit(name)
