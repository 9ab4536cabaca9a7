"""What a change did to the metrics, as the Markdown comment of its pull request.

    python -m tools.compare main            # the working tree against main
    python -m tools.compare main my-branch  # two commits

Reads Git alone: neither DVC's cache nor a remote nor history is needed. Run from the project's
folder. What it cannot see, it says.
"""

import argparse

from stages.common.cli import run
from tools.compare.bleu import bleu_section
from tools.compare.faithfulness import faithfulness_section
from tools.compare.markdown import code
from tools.compare.ratings import ratings_section
from tools.compare.revision import Revision, commit, working_tree
from tools.compare.runs import experiments, recipe, runs_of
from tools.compare.sections import metrics_section, params_section, stages_section


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.compare", description=__doc__.splitlines()[0]
    )
    parser.add_argument("base", help="branch, tag, commit or DVC experiment to compare with")
    parser.add_argument("head", nargs="?", help="another one; left out: the working tree")
    args = parser.parse_args()
    base = commit(args.base)
    print(comment(base, commit(args.head) if args.head else working_tree()))


def comment(base: Revision, head: Revision) -> str:
    """The whole comment."""
    notes = []
    # Of two trainings of one recipe the repeats are the same, and tell nothing of their difference.
    found = [] if recipe(base) == recipe(head) else experiments()
    old, new = (list(runs_of(side, found).values()) for side in (base, head))
    sections = [
        bleu_section(old, new, notes),
        faithfulness_section(old, new, notes),
        ratings_section(base, head, notes),
        metrics_section(base, head, notes),
        params_section(base, head),
        stages_section(base, head, notes),
    ]
    lines = ["## What this changes", "", f"From {code(str(base))} to {code(str(head))}."]
    if not any(sections):
        lines += ["", "No change: metrics, params and stages are the same."]
    for section in sections:
        lines += ["", *section] if section else []
    if notes:
        lines += ["", "### Not seen", "", *(f"- {note}" for note in notes)]
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
