"""Published against reproduced: the results table of a data set as a page, and its measured rows as a plot."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from pipeline.common import cli
from pipeline.report import pages, style
from pipeline.tables.result_rows import ResultRow, method_rows, read_results, row_title

COLUMNS = (
    "method", "published", "reproduced", "difference", "95 % interval", "videos", "splits", "seeds", "status", "note",
)  # fmt: skip
NUMBERS = COLUMNS[1:8]
ALWAYS_SHOWN = ("method", "reproduced", "status")  # also where the column is empty
DIAMOND: dict[str, Any] = {
    "marker": "D", "ls": "", "color": style.ACCENT, "mfc": "none", "mew": 1.8, "ms": 9, "zorder": 4,
}  # fmt: skip


def draw(rows: Sequence[ResultRow], title: str, out: Path) -> None:
    """Plot each measured row as a dot with its interval, and an open diamond where a paper has a value."""
    measured = [row for row in rows if row["reproduced"]]
    if not measured:
        style.message(out, title, "No row of the table has been measured yet; the table says why of each.")
        return
    figure, panels = style.panels(len(measured), 7.5, 0.27)
    for axes, rows_of_panel in panels:
        _plot(axes, measured[rows_of_panel])
    first = panels[0][0]  # the panels share their limits
    first.set_xlim(lower_limit(measured), 101)
    style.title(figure, title)
    figure.supxlabel("accuracy, %", fontsize=10)
    look: dict[str, Any] = {"color": style.DARK, "capsize": 3}
    legend: dict[str, Any] = {"reproduced, with 95 % interval": first.errorbar([], [], xerr=[], fmt="o", **look)}
    if any(row["published"] for row in measured):
        legend["published"] = first.plot([], [], **DIAMOND)[0]
    figure.legend(list(legend.values()), list(legend), loc="outside upper right", ncols=2)
    style.save(figure, out, title, description(measured))


def lower_limit(rows: Sequence[ResultRow]) -> float:
    """The lower limit of the accuracy axis: just below a multiple of ten below every value and interval."""
    lowest = min(float(row[name]) for row in rows for name in ("low", "published") if row[name])
    return max(0.0, 10 * ((lowest - 2) // 10)) - 1


def description(rows: Sequence[ResultRow]) -> str:
    """The plot in words."""
    parts = (
        f"{row_title(row)}: {row['reproduced']} ({row['low']} to {row['high']})"
        + (f", published {row['published']}" if row["published"] else "")
        for row in rows
    )
    return f"Accuracy in per cent. {'; '.join(parts)}."


def body(rows: Sequence[ResultRow]) -> Iterator[str]:
    """The table with a heading for each paper, then the notes that its last column refers to by number."""
    notes = list(dict.fromkeys(row["note"] for row in rows if row["note"]))
    cells = [(row["paper"], dict(zip(COLUMNS, _cells(row, notes), strict=True))) for row in rows]
    shown = [name for name in COLUMNS if name in ALWAYS_SHOWN or any(row[name] for _, row in cells)]
    table: list[Sequence[str]] = []
    for paper, of_paper in groupby(cells, key=lambda pair: pair[0]):
        table.append((paper,))
        table += [[row[name] for name in shown] for _, row in of_paper]
    yield pages.table(shown, table, NUMBERS)
    if notes:
        yield pages.heading("Notes")
        yield pages.numbered_list(notes)


def _cells(row: ResultRow, notes: Sequence[str]) -> list[str]:
    interval = f"{row['low']} to {row['high']}" if row["low"] else ""
    accuracies = [row[name] for name in ("published", "reproduced", "difference")]
    rest = [row[name] for name in COLUMNS[5:-1]]
    return [row_title(row), *accuracies, interval, *rest, str(1 + notes.index(row["note"])) if row["note"] else ""]


def _plot(axes: Axes, rows: Sequence[ResultRow]) -> None:
    for y, row in enumerate(rows):
        value, low, high = (float(row[name]) for name in ("reproduced", "low", "high"))
        error = [[max(0, value - low)], [max(0, high - value)]]
        axes.errorbar(value, y, xerr=error, fmt="o", color=style.DARK, capsize=3, markersize=6, zorder=3)
        if row["published"]:
            axes.plot(float(row["published"]), y, **DIAMOND)
    axes.set_yticks(range(len(rows)), [style.shorten(row_title(row)) for row in rows], fontsize=9)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("table", type=Path, help="results/tables/<data set>.csv")
    parser.add_argument("--plot", required=True, type=Path, help="an SVG")
    parser.add_argument("--page", required=True, type=Path, help="an HTML page")
    args = parser.parse_args(argv)
    rows = method_rows(read_results(args.table))
    title = f"{args.table.stem}: published against reproduced"
    draw(rows, title, args.plot)
    explanation = (
        "Accuracy in per cent; difference is reproduced minus published, in points. The interval is that of the number"
        " of test videos alone. The number under note is that of the remark below the table."
    )
    alt = "Published against reproduced; the table below holds the same numbers."
    pages.write(args.page, title, pages.paragraph(explanation), pages.picture(args.plot, alt), *body(rows))


if __name__ == "__main__":
    cli.run(main)
