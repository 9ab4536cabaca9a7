"""The plots of `dvc.yaml` as pictures, each beside its table in `metrics/plots`."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stages.common.atomic_io import atomic_write, need

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METRICS = Path("metrics")
PLOTS = METRICS / "plots"


def draw() -> None:
    """The plots of `dvc.yaml` as pictures: `loss.png`, `bleu_by_length.png` and so on."""
    with picture("loss", "Loss", "step") as axes:
        for name, style in (("train", "-"), ("validation", "o-")):
            curve = read_columns(PLOTS / f"{name}_loss.csv")
            axes.plot(curve["step"], curve["loss"], style, label=name)
    lengths, unit = read_lengths(PLOTS / "bleu_by_length.csv")
    with picture("bleu_by_length", "BLEU by length", f"{unit} in the conversation") as axes:
        sizes = lengths.pop("length")
        for name, scores in lengths.items():
            axes.plot(sizes, scores, "o-", label=name.replace("_", " "))
    lengths, unit = read_lengths(PLOTS / "summary_length.csv")
    title = f"{unit.capitalize()} in the summary"
    with picture("summary_length", title, f"{unit} in the references") as axes:
        wanted = lengths.pop("reference")
        for name, made in lengths.items():
            axes.plot(wanted, made, "o", alpha=0.6, label=name)
        axes.axline((wanted[0], wanted[0]), slope=1, color="grey", linewidth=0.8, label="as long")
    bars = read_rows(PLOTS / "faithfulness.csv")
    with picture("faithfulness", "Percent held by the conversation", "") as axes:
        draw_bars(axes, bars, ("tuned", "base", "references"))
    if trials := read_trials(METRICS / "sweep.csv"):
        with picture("sweep", "Sweep: validation loss", "trial") as axes:
            axes.plot(trials["trial"], trials["validation_loss"], "o", label="trial")
            axes.plot(trials["trial"], trials["best"], "-", label="best so far")


def draw_bars(axes: "Axes", rows: list[dict[str, str]], systems: tuple[str, ...]) -> None:
    """A group of bars a measure; a measure without a value has none."""
    width = 0.8 / len(systems)
    for i, system in enumerate(systems):
        places = [n + i * width for n, row in enumerate(rows) if row[system]]
        values = [float(row[system]) for row in rows if row[system]]
        axes.bar(places, values, width, label=system)
    middle = width * (len(systems) - 1) / 2
    names = [row["measure"].removesuffix("_precision") for row in rows]
    axes.set_xticks([n + middle for n in range(len(rows))], names)


@contextmanager
def picture(name: str, title: str, x_label: str) -> Iterator["Axes"]:
    """Axes to draw on; saved as `metrics/plots/{name}.png`, the same bytes for the same data."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.6), layout="constrained")
    yield axes
    axes.set(title=title, xlabel=x_label, ylim=(0, None))
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    with atomic_write(PLOTS / f"{name}.png") as aside:
        figure.savefig(aside, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)


def read_columns(path: Path) -> dict[str, list[float]]:
    rows = read_rows(path)
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def read_lengths(path: Path) -> tuple[dict[str, list[float]], str]:
    """The columns of a table of lengths, and their unit: words or characters."""
    rows = read_rows(path)
    return {k: [float(row[k]) for row in rows] for k in rows[0] if k != "unit"}, rows[0]["unit"]


def read_rows(path: Path) -> list[dict[str, str]]:
    with open(need(path, "run `make repro` first"), encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_trials(path: Path) -> dict[str, list[float]]:
    """Number, loss and best loss so far of a sweep's trials; empty where there was no sweep."""
    if not path.exists():
        return {}
    with open(path, encoding="utf-8") as file:
        # A trial that failed before its first evaluation has no loss.
        rows = [row for row in csv.DictReader(file) if row["validation_loss"] and row["best"]]
    names = ("trial", "validation_loss", "best")
    return {name: [float(row[name]) for row in rows] for name in names} if rows else {}
