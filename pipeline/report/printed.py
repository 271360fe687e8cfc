"""A picture of a paper's table in the paper's own layout, with published / reproduced in each cell."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from pipeline.common import cli, log
from pipeline.common.errors import UserError
from pipeline.report import style
from pipeline.tables import paper_table
from pipeline.tables.render import SUPERSCRIPT, TextTable, superscripts
from pipeline.tables.result_rows import read_rows

LETTER, LINE = 0.094, 0.30  # inches of a letter's width and of a line's height
HEADING = 18  # letters of a line of a column's name
FOOTNOTE = 110  # letters of a line of a footnote


def draw(text: TextTable, title: str, remark: str, out: Path) -> None:
    """Draw the rows and columns as text between rules, with the remark and the footnotes below."""
    header, rows, notes = text
    heads = [textwrap.fill(name, HEADING) for name in header]
    cells = [[superscripts(cell) for cell in row] for row in rows]
    columns = list(zip(heads, *cells, strict=True))
    widths = [
        LETTER * (2 + max(len(line) for cell in column for line in cell.splitlines() or [""])) for column in columns
    ]
    marks = (str(number).translate(SUPERSCRIPT) for number in range(1, len(notes) + 1))
    feet = [remark, *(f"{mark} {note}" for mark, note in zip(marks, notes, strict=False))]
    below = [line for foot in feet for line in textwrap.wrap(foot, FOOTNOTE)]
    top = LINE * max(name.count("\n") + 1 for name in heads)
    figure = style.figure(sum(widths), 0.6 + top + LINE * (len(cells) + 0.75 * len(below) + 0.5))
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    _write_cells(figure.subplots(), heads, cells, widths, top, below)
    style.save(figure, out, title, description(header, cells))


def description(header: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """The table in words."""
    rows = (", ".join(f"{name} {cell}" for name, cell in zip(header[1:], row[1:], strict=True)) for row in cells)
    return "; ".join(f"{row[0]}: {words}" for row, words in zip(cells, rows, strict=True))


def _write_cells(
    axes: Axes, heads: Sequence[str], cells: Sequence[Sequence[str]], widths: Sequence[float], top: float,
    below: Sequence[str],
) -> None:  # fmt: skip
    """Write the cells at positions in inches, y pointing down."""
    bottom = top + LINE * len(cells)
    axes.set(xlim=(0, sum(widths)), ylim=(bottom + LINE * (0.75 * len(below) + 0.5), 0))
    axes.axis("off")
    for y, width in ((0, 1.2), (top, 0.8), (bottom, 1.2)):
        axes.plot([0, sum(widths)], [y, y], color="black", linewidth=width, clip_on=False)
    for column in range(len(widths)):
        end = sum(widths[: column + 1]) - LETTER
        x, side = (LETTER / 2, "left") if column == 0 else (end, "right")
        axes.text(x, top / 2, heads[column], ha=side, va="center", weight="bold")
        for number, row in enumerate(cells):
            axes.text(x, top + LINE * (number + 0.5), row[column], ha=side, va="center")
    for number, line in enumerate(below, 1):
        axes.text(0, bottom + LINE * 0.75 * number, line, va="center", fontsize=9)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("table", type=Path, help="results/tables/<a paper's table>.csv")
    parser.add_argument("--out", required=True, type=Path, help="the SVG or PNG to write")
    args = parser.parse_args(argv)
    rows = read_rows(args.table, paper_table.COLUMNS, "a table of a paper")
    if not rows:
        raise UserError(
            f"{args.table} has no rows, but a table of a paper has one for each printed cell: make it again"
        )
    name = rows[0]["table"]
    draw(paper_table.layout(name, rows), paper_table.title(name), paper_table.remark(name), args.out)
    log.say(f"{args.out}: {len(rows)} values")


if __name__ == "__main__":
    cli.run(main)
