"""A paper's table as it is printed, published / reproduced in each cell, as a picture for a page to show."""

import csv
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from pipeline.common import cli, log
from pipeline.common.errors import UserError
from pipeline.report import style
from pipeline.tables import paper_table
from pipeline.tables.render import SUPERSCRIPT, Text
from pipeline.tables.results import Line

LETTER, LINE = 0.094, 0.30  # inches that a letter and a line take
HEADING = 18  # letters of a column's name before it goes on in a line below
FOOT = 110  # letters of a footnote's line


def read(path: Path) -> list[Line]:
    """The lines of results/tables/<a paper's table>.csv; another file is a UserError."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            found = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a paper's table ({error}): make it first") from error
    if not found or set(found[0]) != set(paper_table.COLUMNS):
        raise UserError(f"{path} is no table of a paper: give one of published_tables.tsv, made by the workflow")
    return found


def plain(cell: str) -> str:
    """A cell with its footnote's mark as a small figure."""
    return re.sub("\0(\\d+)\0", lambda mark: mark[1].translate(SUPERSCRIPT), cell)


def draw(text: Text, title: str, remark: str, out: Path) -> None:
    """Rows and columns as text between rules, footnotes below."""
    header, rows, notes = text
    heads = [textwrap.fill(name, HEADING) for name in header]
    cells = [[plain(cell) for cell in row] for row in rows]
    columns = list(zip(heads, *cells, strict=True))
    widths = [
        LETTER * (2 + max(len(line) for cell in column for line in cell.splitlines() or [""])) for column in columns
    ]
    marks = (str(number).translate(SUPERSCRIPT) for number in range(1, len(notes) + 1))
    feet = [remark, *(f"{mark} {note}" for mark, note in zip(marks, notes, strict=False))]
    below = [line for foot in feet for line in textwrap.wrap(foot, FOOT)]
    top = LINE * max(name.count("\n") + 1 for name in heads)
    made = style.figure(sum(widths), 0.6 + top + LINE * (len(cells) + 0.75 * len(below) + 0.5))
    made.suptitle(title, x=0.01, ha="left", weight="bold")
    _fill(made.subplots(), heads, cells, widths, top, below)
    style.save(made, out, title, described(header, cells))


def described(header: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """The table in words."""
    rows = (", ".join(f"{name} {cell}" for name, cell in zip(header[1:], row[1:], strict=True)) for row in cells)
    return "; ".join(f"{row[0]}: {words}" for row, words in zip(cells, rows, strict=True))


def _fill(
    axes: Axes, heads: Sequence[str], cells: Sequence[Sequence[str]], widths: Sequence[float], top: float,
    below: Sequence[str],
) -> None:  # fmt: skip
    """Text at places in inches, y downwards."""
    bottom = top + LINE * len(cells)
    axes.set(xlim=(0, sum(widths)), ylim=(bottom + LINE * (0.75 * len(below) + 0.5), 0))
    axes.axis("off")
    for y, width in ((0, 1.2), (top, 0.8), (bottom, 1.2)):
        axes.plot([0, sum(widths)], [y, y], color="black", linewidth=width, clip_on=False)
    for number in range(len(widths)):
        end = sum(widths[: number + 1]) - LETTER
        x, side = (LETTER / 2, "left") if number == 0 else (end, "right")
        axes.text(x, top / 2, heads[number], ha=side, va="center", weight="bold")
        for place, row in enumerate(cells):
            axes.text(x, top + LINE * (place + 0.5), row[number], ha=side, va="center")
    for place, line in enumerate(below):
        axes.text(0, bottom + LINE * 0.75 * (place + 1), line, va="center", fontsize=9)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("table", type=Path, help="results/tables/<a paper's table>.csv")
    parser.add_argument("--out", required=True, type=Path, help="the SVG or PNG to write")
    a = parser.parse_args(argv)
    found = read(a.table)
    name = found[0]["table"]
    draw(paper_table.layout(name, found), paper_table.title(name), paper_table.remark(name), a.out)
    log.say(f"{a.out}: {len(found)} values")


if __name__ == "__main__":
    cli.run(main)
