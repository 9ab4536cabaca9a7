"""Repeated runs of a revision: DVC experiments that differ from it in the seed of training alone."""

import re

from tools.compare import changes
from tools.compare.dialogues import PATH
from tools.compare.revision import Revision, git, split

SEED = "finetune.seed"
# Where DVC keeps an experiment: the commit that it began from, then its name.
EXPERIMENT = re.compile(r"(\w{40}) refs/exps/\w\w/\w{38}/(.+)")


def runs_of(revision: Revision) -> dict[object, Revision]:
    """The revision and its repeats, by seed. Only the revision where it names no seed."""
    seed = changes.params(revision).get(SEED)
    found = {seed: revision}
    if seed is None:
        return found
    wanted = recipe(revision)
    for experiment in experiments():
        other = changes.params(experiment)
        if PATH not in experiment.paths or other.get(SEED) in (None, *found):
            continue
        if without_seed(other) == wanted[0] and recipe(experiment) == wanted:
            found[other[SEED]] = experiment
    return found


def experiments() -> list[Revision]:
    """The DVC experiments of this clone, without queued and failed ones."""
    listed = git("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps/") or b""
    found = []
    for line in listed.decode("utf-8", "replace").splitlines():
        if match := EXPERIMENT.fullmatch(line):
            sha, name = match.groups()
            paths = split(git("ls-tree", "-r", "-z", "--name-only", sha))
            found.append(Revision(name, sha, paths))
    return found


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
