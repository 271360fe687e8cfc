"""Figures of a run's scores: its confusion matrix, its accuracy by class, and its most confused pairs of classes.

The videos of all score files are counted together: those of the splits and of the seeds that a table's row shows.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from pipeline.common import cli, log
from pipeline.common.errors import UserError
from pipeline.formats import scores
from pipeline.report import style
from pipeline.score.evaluate import (
    Measure,
    Report,
    class_accuracies,
    confused_pairs,
    evaluate,
    wilson_interval,
)

LABELLED = 24  # the most classes of a matrix that shows every name and count
PART = 16  # classes of the labelled part of a larger matrix
PAIRS = 20  # the most pairs that are shown


def sum_confusion(paths: Sequence[Path]) -> tuple[list[str], np.ndarray]:
    """The classes, and the sum of the files' confusion matrices (K, K): rows are labels, columns predictions."""
    reports = [evaluate(scores.read(path)) for path in paths]
    classes = reports[0].classes
    for path, report in zip(paths, reports, strict=True):
        if report.classes != classes:
            raise UserError(f"{path} has other classes than {paths[0]}: draw figures of one data set's scores")
    return classes, np.sum([report.confusion for report in reports], axis=0)


def most_mistaken(confusion: np.ndarray, count: int) -> np.ndarray:
    """The `count` classes with the most mistakes, as label or as prediction, in the classes' order."""
    wrong = confusion * (1 - np.eye(len(confusion), dtype=int))
    return np.sort(np.argsort(-(wrong.sum(0) + wrong.sum(1)), kind="stable")[:count])


def draw_confusion(classes: Sequence[str], confusion: np.ndarray, title: str, out: Path) -> None:
    """Plot the whole matrix; of more than LABELLED classes also the part with the most mistakes, with names."""
    labelled = len(classes) <= LABELLED
    chosen = most_mistaken(confusion, LABELLED if labelled else PART)
    side = 2.6 + 0.36 * len(chosen)
    figure = style.figure(side if labelled else 2.2 * side, side)
    axes = figure.subplots(1, 1 if labelled else 2, squeeze=False)[0]
    if not labelled:
        _matrix(axes[0], confusion)
        axes[0].set_title(f"all {len(classes)} classes, in the data set's order")
        axes[1].set_title(f"the {len(chosen)} with most mistakes: videos")
    _matrix(axes[-1], confusion, chosen, [classes[number] for number in chosen])
    style.title(figure, f"{title}: what is taken for what")
    right, videos = int(confusion.trace()), int(confusion.sum())
    diagonal = f"Confusion matrix: {right} of {videos} videos are on the diagonal."
    style.save(figure, out, title, f"{diagonal} {_name_pairs(classes, confusion)}")


def draw_classes(classes: Sequence[str], confusion: np.ndarray, title: str, out: Path) -> None:
    """Plot a bar for each class from the best to the worst, with its 95 % interval and its number of videos."""
    accuracies = class_accuracies(confusion)
    order = [label for label in np.argsort(-accuracies, kind="stable") if not np.isnan(accuracies[label])]
    half, too_many = style.BARS // 2, len(order) > style.BARS
    shown = [*order[:half], *order[-half:]] if too_many else order
    if not shown:
        style.message(out, title, "No video has been scored.")
        return
    figure, panels = style.panels(len(shown), 5.0, 0.25)
    for axes, rows in panels:
        _bars(axes, classes, confusion, shown[rows])
    selection = f", the {half} best and {half} worst of {len(order)} classes" if too_many else ""
    style.title(figure, f"{title}: accuracy by class{selection}")
    figure.supxlabel("videos of the class that are right, %, with 95 % interval", fontsize=10)
    ends = ", ".join(f"{classes[n]} {100 * accuracies[n]:.0f} %" for n in (*shown[:3], *shown[-3:]))
    style.save(figure, out, title, f"Accuracy by class from best to worst; the first and last three: {ends}.")


def draw_pairs(classes: Sequence[str], confusion: np.ndarray, title: str, out: Path) -> None:
    """Plot a bar for each of the most confused pairs, as a share of the videos of the labelled class."""
    confused = _pairs(classes, confusion)
    if not confused:
        style.message(out, f"{title}: most confused pairs", "No video is taken for another class.")
        return
    shown = confused[:PAIRS]
    figure = style.figure(height=1.4 + 0.3 * len(shown))
    axes = figure.subplots()
    axes.barh(range(len(shown)), [100 * times / count for _, _, times, count in shown], color=style.LIGHT,
              edgecolor=style.DARK, hatch="///")  # fmt: skip
    for y, (_, _, times, count) in enumerate(shown):
        axes.annotate(f"{times} of {count}", (100 * times / count, y), (4, 0), textcoords="offset points",
                      va="center", fontsize=9)  # fmt: skip
    names = [f"{style.shorten(own, 26)}  →  {style.shorten(taken, 26)}" for own, taken, _, _ in shown]
    axes.set_yticks(range(len(shown)), names, fontsize=9)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, min(112, 1.15 * max(100 * times / count for _, _, times, count in shown)))
    axes.set_xlabel("videos of the own class that are taken for the other, %")
    style.title(figure, f"{title}: most confused pairs, {len(shown)} of {len(confused)}")
    style.save(figure, out, title, _name_pairs(classes, confusion))


def _matrix(axes: Axes, confusion: np.ndarray, chosen: np.ndarray | None = None, names: Sequence[str] = ()) -> None:
    """Plot the shares of each row as greys; with `names` also the counts in the cells."""
    shares = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    cells = np.arange(len(confusion)) if chosen is None else chosen
    axes.imshow(shares[np.ix_(cells, cells)] ** 0.5, cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
    axes.grid(False)
    axes.set_xlabel("taken for")
    axes.set_ylabel("own class")
    if not names:
        return
    labels = [style.shorten(name, 22) for name in names]
    axes.set_xticks(range(len(names)), labels, rotation=90, fontsize=9)
    axes.set_yticks(range(len(names)), labels, fontsize=9)
    for row, own in enumerate(cells):
        for column, other in enumerate(cells):
            if confusion[own, other]:
                colour = "white" if shares[own, other] > 0.3 else "black"
                axes.text(column, row, str(confusion[own, other]), ha="center", va="center", fontsize=8, color=colour)


def _bars(axes: Axes, classes: Sequence[str], confusion: np.ndarray, labels: Sequence[int]) -> None:
    for y, label in enumerate(labels):
        right, count = int(confusion[label, label]), int(confusion[label].sum())
        share, (low, high) = right / count, wilson_interval(right, count)
        axes.barh(y, 100 * share, color=style.LIGHT, edgecolor=style.DARK)
        axes.plot([100 * low, 100 * high], [y, y], color=style.DARK, marker="|", markersize=7)
        axes.annotate(f"{right}/{count}", (104, y), va="center", fontsize=8, annotation_clip=False)
    axes.set_yticks(range(len(labels)), [style.shorten(classes[label], 26) for label in labels], fontsize=9)
    axes.set_xlim(0, 115)
    axes.set_xticks(range(0, 101, 20))
    axes.grid(axis="y", visible=False)


def _pairs(classes: Sequence[str], confusion: np.ndarray) -> list[tuple[str, str, int, int]]:
    nothing = Measure(0, 0, 0)
    return confused_pairs(Report(list(classes), 0, 0, nothing, nothing, 1, nothing, confusion))


def _name_pairs(classes: Sequence[str], confusion: np.ndarray) -> str:
    confused = _pairs(classes, confusion)[:5]
    text = "; ".join(f"{own} taken for {other} in {times} of {count}" for own, other, times, count in confused)
    return f"Most confused: {text}." if text else "No video is taken for another class."


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("scores", nargs="+", type=Path, help="score files of one run, one a split and seed")
    parser.add_argument("--title", required=True, help="what the run is called")
    for name in ("confusion", "classes", "pairs"):
        parser.add_argument(f"--{name}", required=True, type=Path, help="an SVG")
    args = parser.parse_args(argv)
    classes, confusion = sum_confusion(args.scores)
    draw_confusion(classes, confusion, args.title, args.confusion)
    draw_classes(classes, confusion, args.title, args.classes)
    draw_pairs(classes, confusion, args.title, args.pairs)
    log.say(f"{args.title}: {confusion.trace()} of {confusion.sum()} videos right, {len(args.scores)} score files")


if __name__ == "__main__":
    cli.run(main)
