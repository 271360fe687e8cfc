"""Tables as text: aligned for a terminal, in Markdown, in LaTeX and as CSV."""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.common.files import whole_file

Grid = Sequence[Sequence[str]]
TextTable = tuple[list[str], list[list[str]], list[str]]  # header, rows, notes

MARKDOWN = re.compile(r"([\\|*_`<>\[\]~#])")
LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "–": "--",
}  # fmt: skip
SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
MARK = re.compile(r"\x00(\d+)\x00")  # the mark of a footnote within a cell, before it is rendered


def footnote_mark(number: int) -> str:
    """The mark of a footnote, to be appended to a cell and rendered as a superscript."""
    return f"\0{number}\0"


def markdown(title: str, text: TextTable, remark: str = "") -> str:
    """A pipe table below its title, with the notes as footnotes, numbered like the marks in the cells."""
    header, rows, notes = text
    cells = [[_markdown(cell) for cell in row] for row in (header, *rows)]
    rule = [":--"] + ["--:"] * (len(header) - 1)
    body = [f"| {' | '.join(row)} |" for row in (cells[0], rule, *cells[1:])]
    feet = [f"{str(n).translate(SUPERSCRIPT)} {_markdown(text)}  " for n, text in enumerate(notes, 1)]
    head = [f"**{_markdown(title)}**", "", *([_markdown(remark), ""] if remark else [])]
    return "\n".join([*head, *body, *([""] if feet else []), *feet]) + "\n"


def latex(title: str, text: TextTable, remark: str = "") -> str:
    """A LaTeX table environment with booktabs rules; remark and notes stand below it in small print."""
    header, rows, notes = text
    body = [" & ".join(map(_latex, row)) + r" \\" for row in (header, *rows)]
    feet = [_latex(remark)] if remark else []
    feet += [rf"\par\textsuperscript{{{number}}} {_latex(note)}" for number, note in enumerate(notes, 1)]
    small = [r"\begin{flushleft}\footnotesize", *feet, r"\end{flushleft}"] if feet else []
    return "\n".join([
        r"\begin{table}", r"\centering", rf"\caption{{{_latex(title)}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}", r"\toprule", body[0], r"\midrule", *body[1:],
        r"\bottomrule", r"\end{tabular}", *small, r"\end{table}",
    ]) + "\n"  # fmt: skip


def aligned(header: Sequence[str], rows: Grid) -> str:
    """Columns padded to their widest cell: the first aligned to the left, the others to the right."""
    grid = [[superscripts(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    padded = (
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in grid
    )
    return "\n".join("  ".join(row).rstrip() for row in padded)


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """Write rows as a CSV; a column that a row lacks is empty."""
    with whole_file(path) as scratch, open(scratch, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with whole_file(path) as scratch:
        scratch.write_text(text, "utf-8")


def _markdown(text: str) -> str:
    return superscripts(MARKDOWN.sub(r"\\\1", " ".join(text.split())))


def _latex(text: str) -> str:
    plain = "".join(LATEX.get(letter, letter) for letter in " ".join(text.split()))
    return MARK.sub(r"\\textsuperscript{\1}", plain)


def superscripts(text: str) -> str:
    """A text with its footnote marks as superscript digits."""
    return MARK.sub(lambda mark: mark[1].translate(SUPERSCRIPT), text)
