"""Repeated runs of a revision: DVC experiments that differ from it in the seed of training alone."""

import re

from tools.compare import changes
from tools.compare.dialogues import PATH
from tools.compare.revision import Revision, git, split

SEED = "finetune.seed"
# Where DVC keeps an experiment: the commit that it began from, then its name.
EXPERIMENT = re.compile(r"(\w{40}) refs/exps/\w\w/\w{38}/(.+)")


def runs_of(revision: Revision, found: list[tuple[Revision, dict]]) -> dict[object, Revision]:
    """The revision, first, and its repeats among the experiments that were found, by seed."""
    seed = changes.params(revision).get(SEED)
    runs = {seed: revision}
    if seed is None:
        return runs
    wanted = recipe(revision)
    for experiment, params in found:
        other = params.get(SEED)
        if other is None or other in runs or without_seed(params) != wanted[0]:
            continue
        if PATH in experiment.paths and recipe(experiment) == wanted and complete(experiment):
            runs[other] = experiment
    return runs


def experiments() -> list[tuple[Revision, dict[str, object]]]:
    """The DVC experiments of this clone and their params, without queued and failed ones."""
    listed = git("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps/") or b""
    found = []
    for line in listed.decode("utf-8", "replace").splitlines():
        if match := EXPERIMENT.fullmatch(line):
            sha, name = match.groups()
            paths = split(git("ls-tree", "-r", "-z", "--name-only", sha))
            experiment = Revision(name, sha, paths)
            found.append((experiment, changes.params(experiment)))
    return found


def complete(revision: Revision) -> bool:
    """Whether it ran to the end: an experiment of `finetune` alone has the scores it began with."""
    locked = changes.stages(revision)
    outs = {k: v for stage in locked.values() for k, v in changes.hashes(stage, "outs").items()}
    deps = [dep for stage in locked.values() for dep in changes.hashes(stage, "deps").items()]
    return all(outs.get(path, content) == content for path, content in deps) and not changes.stale(
        revision
    )


def without_seed(params: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in params.items() if key != SEED}


def recipe(revision: Revision) -> tuple[dict, dict]:
    """What decides a result besides the seed: params, commands, and deps that no stage makes."""
    locked = changes.stages(revision)
    made = changes.producers(locked)
    steps = {
        name: (
            stage.get("cmd"),
            {
                path: content
                for path, content in changes.hashes(stage, "deps").items()
                if not any(f"{path}/".startswith(f"{out}/") for out in made)
            },
        )
        for name, stage in locked.items()
    }
    return without_seed(changes.params(revision)), steps
