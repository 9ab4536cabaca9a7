"""Mean and spread of the scores over trainings that differ in their seed alone.

    dvc exp run --queue -S finetune.seed=43,44,45 && dvc queue start
    python -m tools.seeds

The trainings are those of the working tree, or of the commit that is named, and of the DVC
experiments in this clone with the same data, code and params. Prints a Markdown table.
"""

import argparse
import json
import statistics

from stages.common.cli import UserError, run
from tools.compare.changes import parse
from tools.compare.markdown import table
from tools.compare.revision import Revision, commit, working_tree
from tools.compare.runs import experiments, runs_of


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.seeds", description=__doc__.splitlines()[0]
    )
    parser.add_argument("revision", nargs="?", help="a commit; left out: the working tree")
    args = parser.parse_args()
    revision = commit(args.revision) if args.revision else working_tree()
    runs = runs_of(revision, experiments())
    print("\n".join(summary(runs)))


def summary(runs: dict[object, Revision]) -> list[str]:
    """A row a metric of the tuned model: mean, standard deviation, and the score of each seed."""
    found = {seed: tuned_scores(revision) for seed, revision in runs.items()}
    seeds = sorted(found, key=str)
    rows = []
    for metric in dict.fromkeys(key for scores in found.values() for key in scores):
        values = [found[seed].get(metric) for seed in seeds]
        defined = [value for value in values if value is not None]
        if not defined:
            continue
        spread = f"{statistics.stdev(defined):.2f}" if len(defined) > 1 else ""
        each = ["" if value is None else f"{value:.2f}" for value in values]
        rows.append([metric, f"{statistics.mean(defined):.2f}", spread, *each])
    lines = table(["tuned", "mean", "standard deviation", *(f"seed {s}" for s in seeds)], rows)
    if len(seeds) < 2:
        lines += ["", "One training: `dvc exp run -S finetune.seed=43` adds another."]
    return lines


def tuned_scores(revision: Revision) -> dict[str, float | None]:
    scores = parse(revision, "metrics/score.json", json.loads).get("tuned")
    if not isinstance(scores, dict):
        raise UserError(f"{revision} has no score yet: `make repro` makes it")
    return {
        metric: value
        for metric, value in scores.items()
        if value is None or isinstance(value, int | float)
    }


if __name__ == "__main__":
    run(main)
