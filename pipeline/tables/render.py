"""Tables as text: aligned for a terminal, Markdown, LaTeX, CSV."""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.common.files import whole_file

Grid = Sequence[Sequence[str]]
Text = tuple[list[str], list[list[str]], list[str]]  # header, rows, notes

MARKDOWN = re.compile(r"([\\|*_`<>\[\]~#])")
LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "–": "--",
}  # fmt: skip
SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
MARK = re.compile(r"\x00(\d+)\x00")  # a footnote's mark within a cell, until it is drawn


def mark(number: int) -> str:
    """A footnote's mark, to be put into a cell."""
    return f"\0{number}\0"


def markdown(title: str, text: Text, remark: str = "") -> str:
    """A pipe table under its title; the notes are numbered as the marks in the cells are."""
    header, rows, notes = text
    cells = [[_markdown(cell) for cell in row] for row in (header, *rows)]
    rule = [":--"] + ["--:"] * (len(header) - 1)
    body = [f"| {' | '.join(row)} |" for row in (cells[0], rule, *cells[1:])]
    feet = [f"{str(n).translate(SUPERSCRIPT)} {_markdown(text)}  " for n, text in enumerate(notes, 1)]
    head = [f"**{_markdown(title)}**", "", *([_markdown(remark), ""] if remark else [])]
    return "\n".join([*head, *body, *([""] if feet else []), *feet]) + "\n"


def latex(title: str, text: Text, remark: str = "") -> str:
    """A table environment for LaTeX's booktabs; remark and notes stand below it in small print."""
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
    """Columns padded to their widest cell: the first to the left, the others to the right."""
    grid = [[_drawn(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    padded = (
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in grid
    )
    return "\n".join("  ".join(row).rstrip() for row in padded)


def write_csv(path: Path, columns: Sequence[str], lines: Sequence[Mapping[str, str]]) -> None:
    """Lines as a CSV; a cell that a line does not have is empty."""
    with whole_file(path) as scratch, open(scratch, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def write_text(path: Path, text: str) -> None:
    """A text, written whole."""
    with whole_file(path) as scratch:
        scratch.write_text(text, "utf-8")


def _markdown(text: str) -> str:
    return _drawn(MARKDOWN.sub(r"\\\1", " ".join(text.split())))


def _latex(text: str) -> str:
    plain = "".join(LATEX.get(letter, letter) for letter in " ".join(text.split()))
    return MARK.sub(r"\\textsuperscript{\1}", plain)


def _drawn(text: str) -> str:
    return MARK.sub(lambda found: found[1].translate(SUPERSCRIPT), text)
