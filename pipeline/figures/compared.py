"""Published against reproduced: a data set's table as a page, and as a plot of what has been measured."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from matplotlib.axes import Axes

from pipeline import cli
from pipeline.figures import pages, results, style
from pipeline.lines import Line

LEGEND = "filled dot: reproduced here, with its 95 % interval;   open diamond: published"
COLUMNS = (
    "method", "published", "reproduced", "difference", "95 % interval", "videos", "splits", "seeds", "status", "note",
)  # fmt: skip
NUMBERS = COLUMNS[1:8]
ROWS = 34  # of a column of the plot, so that a page shows it whole


def draw(lines: Sequence[Line], title: str, out: Path) -> None:
    """A row a measured line: a filled dot with its interval, an open diamond where the papers have a value."""
    shown = [line for line in lines if line["reproduced"]]
    if not shown:
        style.message(out, title, "No row of the table has been measured yet; the table says why of each.")
        return
    places = style.columns(len(shown), ROWS)
    tallest = max(place.stop - place.start for place in places)
    width = max(style.WIDTH, len(places) * 7.5)
    made = style.figure(width, 1.5 + 0.27 * tallest)
    axes = made.subplots(1, len(places), squeeze=False, sharex=True)[0]
    for part, place in zip(axes, places, strict=True):
        _column(part, shown[place], tallest)
    made.suptitle(title, x=0.01, ha="left", weight="bold")
    made.supxlabel(f"accuracy, %      {LEGEND}", fontsize=10)
    style.save(made, out, title, described(shown))


def described(shown: Sequence[Line]) -> str:
    """The plot in words."""
    parts = (
        f"{results.name(line)}: {line['reproduced']} ({line['low']} to {line['high']})"
        + (f", published {line['published']}" if line["published"] else "")
        for line in shown
    )
    return f"Accuracy in per cent. {'; '.join(parts)}."


def body(lines: Sequence[Line]) -> Iterator[Sequence[str]]:
    """The table's rows, each paper under a heading of its own."""
    for paper, group in groupby(lines, key=lambda line: line["paper"]):
        yield (paper,)
        yield from (_cells(line) for line in group)


def _cells(line: Line) -> list[str]:
    interval = f"{line['low']} to {line['high']}" if line["low"] else ""
    middle = [line[name] for name in ("published", "reproduced", "difference")]
    return [results.name(line), *middle, interval, *(line[name] for name in ("videos", *COLUMNS[6:]))]


def _column(part: Axes, shown: Sequence[Line], tallest: int) -> None:
    for place, line in enumerate(shown):
        value, low, high = (float(line[name]) for name in ("reproduced", "low", "high"))
        error = [[max(0, value - low)], [max(0, high - value)]]
        part.errorbar(value, place, xerr=error, fmt="o", color=style.DARK, capsize=3, markersize=6, zorder=3)
        if line["published"]:
            part.plot(float(line["published"]), place, "D", color=style.ACCENT, mfc="white", mew=1.8, ms=8, zorder=4)
    part.set_yticks(range(len(shown)), [style.short(results.name(line)) for line in shown], fontsize=9)
    part.set_ylim(tallest - 0.5, -0.5)
    part.set_xlim(-1, 101)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("table", type=Path, help="results/tables/<data set>.csv")
    parser.add_argument("--plot", required=True, type=Path, help="an SVG")
    parser.add_argument("--page", required=True, type=Path, help="an HTML page")
    a = parser.parse_args(argv)
    lines = results.heads(results.read(a.table))
    title = f"{a.table.stem}: published against reproduced"
    draw(lines, title, a.plot)
    about = "Accuracy in per cent. The interval is that of the videos alone; the note says what differs from the paper."
    alt = "Published against reproduced; the table below holds the same numbers."
    table = pages.table(COLUMNS, body(lines), NUMBERS)
    pages.write(a.page, title, pages.paragraph(about), pages.picture(a.plot, alt), table)


if __name__ == "__main__":
    cli.run(main)
