"""Published against reproduced: a data set's table as a page, and as a plot of what has been measured."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from pipeline.common import cli
from pipeline.report import pages, results, style
from pipeline.tables.results import Line, read

COLUMNS = (
    "method", "published", "reproduced", "difference", "95 % interval", "videos", "splits", "seeds", "status", "note",
)  # fmt: skip
NUMBERS = COLUMNS[1:8]
ALWAYS = (0, 2, 8)  # places of the columns that are shown even where every row's cell is empty
DIAMOND: dict[str, Any] = {
    "marker": "D", "ls": "", "color": style.ACCENT, "mfc": "none", "mew": 1.8, "ms": 9, "zorder": 4,
}  # fmt: skip


def draw(lines: Sequence[Line], title: str, out: Path) -> None:
    """A row a measured line: a filled dot with its interval, an open diamond where the papers have a value."""
    shown = [line for line in lines if line["reproduced"]]
    if not shown:
        style.message(out, title, "No row of the table has been measured yet; the table says why of each.")
        return
    made, parts = style.panels(len(shown), 7.5, 0.27)
    for part, place in parts:
        _column(part, shown[place])
    first = parts[0][0]  # whose limits are those of all
    first.set_xlim(lowest(shown), 101)
    style.title(made, title)
    made.supxlabel("accuracy, %", fontsize=10)
    look: dict[str, Any] = {"color": style.DARK, "capsize": 3}
    dot = first.errorbar([], [], xerr=[], fmt="o", **look)
    keys: dict[str, Any] = {"reproduced, with 95 % interval": dot}
    if any(line["published"] for line in shown):
        keys["published"] = first.plot([], [], **DIAMOND)[0]
    made.legend(list(keys.values()), list(keys), loc="outside upper right", ncols=2)
    style.save(made, out, title, described(shown))


def lowest(shown: Sequence[Line]) -> float:
    """Where the scale begins: a little below the least value or interval, at a ten."""
    least = min(float(line[name]) for line in shown for name in ("low", "published") if line[name])
    return max(0.0, 10 * ((least - 2) // 10)) - 1


def described(shown: Sequence[Line]) -> str:
    """The plot in words."""
    parts = (
        f"{results.name(line)}: {line['reproduced']} ({line['low']} to {line['high']})"
        + (f", published {line['published']}" if line["published"] else "")
        for line in shown
    )
    return f"Accuracy in per cent. {'; '.join(parts)}."


def body(lines: Sequence[Line]) -> Iterator[str]:
    """The table, each paper under a heading of its own, and below it the notes that its last column numbers."""
    notes = list(dict.fromkeys(line["note"] for line in lines if line["note"]))
    rows = [(line["paper"], _cells(line, notes)) for line in lines]
    kept = [place for place in range(len(COLUMNS)) if place in ALWAYS or any(cells[place] for _, cells in rows)]
    table: list[Sequence[str]] = []
    for paper, group in groupby(rows, key=lambda row: row[0]):
        table.append((paper,))
        table += [[cells[place] for place in kept] for _, cells in group]
    yield pages.table([COLUMNS[place] for place in kept], table, NUMBERS)
    if notes:
        yield pages.heading("Notes")
        yield pages.numbered(notes)


def _cells(line: Line, notes: Sequence[str]) -> list[str]:
    interval = f"{line['low']} to {line['high']}" if line["low"] else ""
    middle = [line[name] for name in ("published", "reproduced", "difference")]
    end = [line[name] for name in ("videos", *COLUMNS[6:-1])]
    return [results.name(line), *middle, interval, *end, str(1 + notes.index(line["note"])) if line["note"] else ""]


def _column(part: Axes, shown: Sequence[Line]) -> None:
    for place, line in enumerate(shown):
        value, low, high = (float(line[name]) for name in ("reproduced", "low", "high"))
        error = [[max(0, value - low)], [max(0, high - value)]]
        part.errorbar(value, place, xerr=error, fmt="o", color=style.DARK, capsize=3, markersize=6, zorder=3)
        if line["published"]:
            part.plot(float(line["published"]), place, **DIAMOND)
    part.set_yticks(range(len(shown)), [style.short(results.name(line)) for line in shown], fontsize=9)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("table", type=Path, help="results/tables/<data set>.csv")
    parser.add_argument("--plot", required=True, type=Path, help="an SVG")
    parser.add_argument("--page", required=True, type=Path, help="an HTML page")
    a = parser.parse_args(argv)
    lines = results.heads(read(a.table))
    title = f"{a.table.stem}: published against reproduced"
    draw(lines, title, a.plot)
    about = (
        "Accuracy in per cent; difference is reproduced minus published, in points. The interval is that of the number"
        " of test videos alone. The number under note is that of the remark below the table."
    )
    alt = "Published against reproduced; the table below holds the same numbers."
    pages.write(a.page, title, pages.paragraph(about), pages.picture(a.plot, alt), *body(lines))


if __name__ == "__main__":
    cli.run(main)
