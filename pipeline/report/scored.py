"""What a run gets right and wrong: its confusion matrix, accuracy by class, and the pairs it confuses most.

Videos of all the score files given are counted together: the splits that a table's row shows, and its seeds.
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
    evaluate,
    interval,
    pairs,
    per_class,
)

LABELLED = 24  # classes up to which a matrix has every name and count
PART = 16  # classes of the part that has names and counts where not all have
PAIRS = 20


def counted(paths: Sequence[Path]) -> tuple[list[str], np.ndarray]:
    """Classes, and the sum of the files' confusion matrices (K, K): rows own class, columns the best-scored one."""
    reports = [evaluate(scores.read(path)) for path in paths]
    classes = reports[0].classes
    for path, report in zip(paths, reports, strict=True):
        if report.classes != classes:
            raise UserError(f"{path} has other classes than {paths[0]}: draw figures of one data set's scores")
    return classes, np.sum([report.confusion for report in reports], axis=0)


def worst(confusion: np.ndarray, count: int) -> np.ndarray:
    """The `count` classes with most mistakes, made on them or for them, in the classes' order."""
    wrong = confusion * (1 - np.eye(len(confusion), dtype=int))
    return np.sort(np.argsort(-(wrong.sum(0) + wrong.sum(1)), kind="stable")[:count])


def draw_confusion(classes: Sequence[str], confusion: np.ndarray, title: str, out: Path) -> None:
    """The whole matrix; of more classes than can be named also the part with most mistakes, named."""
    whole = len(classes) <= LABELLED
    chosen = worst(confusion, LABELLED if whole else PART)
    side = 2.6 + 0.36 * len(chosen)
    made = style.figure(side if whole else 2.2 * side, side)
    axes = made.subplots(1, 1 if whole else 2, squeeze=False)[0]
    if not whole:
        _matrix(axes[0], confusion)
        axes[0].set_title(f"all {len(classes)} classes, in the data set's order")
        axes[1].set_title(f"the {len(chosen)} with most mistakes: videos")
    _matrix(axes[-1], confusion, chosen, [classes[number] for number in chosen])
    style.title(made, f"{title}: what is taken for what")
    right, videos = int(confusion.trace()), int(confusion.sum())
    style.save(
        made,
        out,
        title,
        f"Confusion matrix: {right} of {videos} videos are on the diagonal. {_worst(classes, confusion)}",
    )


def draw_classes(classes: Sequence[str], confusion: np.ndarray, title: str, out: Path) -> None:
    """A bar a class from the best to the worst, its 95 % interval and its count of videos."""
    shares = per_class(confusion)
    order = [number for number in np.argsort(-shares, kind="stable") if not np.isnan(shares[number])]
    some = len(order) > style.BARS
    kept = [*order[: style.BARS // 2], *order[-style.BARS // 2 :]] if some else order
    if not kept:
        style.message(out, title, "No video has been scored.")
        return
    made, parts = style.panels(len(kept), 5.0, 0.25)
    for part, place in parts:
        _bars(part, classes, confusion, kept[place])
    which = f", the {style.BARS // 2} best and {style.BARS // 2} worst of {len(order)} classes" if some else ""
    style.title(made, f"{title}: accuracy by class{which}")
    made.supxlabel("videos of the class that are right, %, with 95 % interval", fontsize=10)
    best = ", ".join(f"{classes[n]} {100 * shares[n]:.0f} %" for n in (*kept[:3], *kept[-3:]))
    style.save(made, out, title, f"Accuracy by class from best to worst; the first and last three: {best}.")


def draw_pairs(classes: Sequence[str], confusion: np.ndarray, title: str, out: Path) -> None:
    """A bar for each of the most confused pairs, as a share of the own class's videos."""
    found = _pairs(classes, confusion)
    if not found:
        style.message(out, f"{title}: most confused pairs", "No video is taken for another class.")
        return
    shown = found[:PAIRS]
    made = style.figure(height=1.4 + 0.3 * len(shown))
    axes = made.subplots()
    axes.barh(range(len(shown)), [100 * times / count for _, _, times, count in shown], color=style.LIGHT,
              edgecolor=style.DARK, hatch="///")  # fmt: skip
    for place, (_, _, times, count) in enumerate(shown):
        axes.annotate(f"{times} of {count}", (100 * times / count, place), (4, 0), textcoords="offset points",
                      va="center", fontsize=9)  # fmt: skip
    names = [f"{style.short(own, 26)}  →  {style.short(taken, 26)}" for own, taken, _, _ in shown]
    axes.set_yticks(range(len(shown)), names, fontsize=9)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, min(112, 1.15 * max(100 * times / count for _, _, times, count in shown)))
    axes.set_xlabel("videos of the own class that are taken for the other, %")
    style.title(made, f"{title}: most confused pairs, {len(shown)} of {len(found)}")
    style.save(made, out, title, _worst(classes, confusion))


def _matrix(part: Axes, confusion: np.ndarray, chosen: np.ndarray | None = None, names: Sequence[str] = ()) -> None:
    """Shares of each own class's videos as greys; with `names` the counts stand in the cells."""
    shares = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    cells = np.arange(len(confusion)) if chosen is None else chosen
    part.imshow(shares[np.ix_(cells, cells)] ** 0.5, cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
    part.grid(False)
    part.set_xlabel("taken for")
    part.set_ylabel("own class")
    if not names:
        return
    labels = [style.short(name, 22) for name in names]
    part.set_xticks(range(len(names)), labels, rotation=90, fontsize=9)
    part.set_yticks(range(len(names)), labels, fontsize=9)
    for row, own in enumerate(cells):
        for column, other in enumerate(cells):
            if confusion[own, other]:
                colour = "white" if shares[own, other] > 0.3 else "black"
                part.text(column, row, str(confusion[own, other]), ha="center", va="center", fontsize=8, color=colour)


def _bars(part: Axes, classes: Sequence[str], confusion: np.ndarray, kept: Sequence[int]) -> None:
    for place, number in enumerate(kept):
        right, count = int(confusion[number, number]), int(confusion[number].sum())
        share, (low, high) = right / count, interval(right, count)
        part.barh(place, 100 * share, color=style.LIGHT, edgecolor=style.DARK)
        part.plot([100 * low, 100 * high], [place, place], color=style.DARK, marker="|", markersize=7)
        part.annotate(f"{right}/{count}", (104, place), va="center", fontsize=8, annotation_clip=False)
    part.set_yticks(range(len(kept)), [style.short(classes[number], 26) for number in kept], fontsize=9)
    part.set_xlim(0, 115)
    part.set_xticks(range(0, 101, 20))
    part.grid(axis="y", visible=False)


def _pairs(classes: Sequence[str], confusion: np.ndarray) -> list[tuple[str, str, int, int]]:
    nothing = Measure(0, 0, 0)
    return pairs(Report(list(classes), 0, 0, nothing, nothing, 1, nothing, confusion))


def _worst(classes: Sequence[str], confusion: np.ndarray) -> str:
    found = _pairs(classes, confusion)[:5]
    named = "; ".join(f"{own} taken for {other} in {times} of {count}" for own, other, times, count in found)
    return f"Most confused: {named}." if named else "No video is taken for another class."


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("scores", nargs="+", type=Path, help="score files of one run, one a split and seed")
    parser.add_argument("--title", required=True, help="what the run is called")
    for name in ("confusion", "classes", "pairs"):
        parser.add_argument(f"--{name}", required=True, type=Path, help="an SVG")
    a = parser.parse_args(argv)
    classes, confusion = counted(a.scores)
    draw_confusion(classes, confusion, a.title, a.confusion)
    draw_classes(classes, confusion, a.title, a.classes)
    draw_pairs(classes, confusion, a.title, a.pairs)
    log.say(f"{a.title}: {confusion.trace()} of {confusion.sum()} videos right, {len(a.scores)} score files")


if __name__ == "__main__":
    cli.run(main)
