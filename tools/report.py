"""Draw `metrics/plots/*.csv` as one PNG for README and pull requests.

python -m tools.report
"""

import csv
from pathlib import Path

from stages.common.cli import run
from stages.common.files import need, replacing

PLOTS = Path("metrics/plots")
PICTURE = PLOTS / "report.png"


def main() -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (loss, bleu) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for name, style in (("train", "-"), ("validation", "o-")):
        table = read(PLOTS / f"{name}_loss.csv")
        loss.plot(table["step"], table["loss"], style, label=name)
    loss.set(title="Loss", xlabel="step", ylim=(0, None))
    table = read(PLOTS / "bleu_by_length.csv")
    words = table.pop("words")
    for name, scores in table.items():
        bleu.plot(words, scores, "o-", label=name.replace("_", " "))
    bleu.set(
        title="BLEU by conversation length", xlabel="words in the conversation", ylim=(0, None)
    )
    for axes in (loss, bleu):
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    with replacing(PICTURE) as aside:
        figure.savefig(aside, format="png", dpi=110, metadata={"Software": None})
    print(f"report: {PICTURE}")


def read(path: Path) -> dict[str, list[float]]:
    with open(need(path, "run `make repro` first"), encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


if __name__ == "__main__":
    run(main)
