"""What the five papers print: every cell of every results table, in published.tsv and published_tables.tsv.

A cell names its table, row and column as the paper does. An accuracy (metrics top1 and top5, in per cent) has a data
set and a split: a number, `mean` of three, or `test` for Kinetics' held-out test clips. A value that is not an accuracy
(a size, a schedule, the name of a layer) has neither, and the metric `fact`; a cell that the paper leaves empty is left
out.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv

CELLS = Path(__file__).with_name("published.tsv")
TABLES = Path(__file__).with_name("published_tables.tsv")
ACCURACIES = ("top1", "top5")
DATASET_PREFIXES = ("UCF-101 ", "HMDB-51 ", "Kinetics ")  # of the names of columns that hold one data set's values


class Cell(NamedTuple):
    """One printed value; `whose` is `own` for the paper's own system and `quoted` for another group's."""

    table: str
    row: str
    column: str
    dataset: str
    split: str
    metric: str
    whose: str
    value: str


class Table(NamedTuple):
    """One table of a paper: its identifier here, what it measures, its columns in order, separated by ` | `."""

    table: str
    paper: str
    title: str
    metric: str
    protocol: str
    columns: str
    notes: str


@functools.cache
def cells() -> tuple[Cell, ...]:
    """Every cell, in the papers' order."""
    return tuple(Cell(**row) for row in read_tsv(CELLS, Cell._fields))


@functools.cache
def tables() -> dict[str, Table]:
    """Every table by its identifier, in the papers' order."""
    return {row["table"]: Table(**row) for row in read_tsv(TABLES, Table._fields)}


def datasets() -> list[str]:
    """The data sets that the papers report accuracies on."""
    return sorted({cell.dataset for cell in cells()} - {""})


def method(cell: Cell) -> str:
    """The method that a cell belongs to: its row, or the facts in that row, and its column where that adds to it."""
    names = [other.value for other in cells() if other[:2] == cell[:2] and other.metric == "fact"]
    row, column = ", ".join(names) or cell.row, plain(cell.column)
    if _bare(column) in (cell.dataset, "accuracy", "value"):
        return row
    return column if _bare(cell.row) == cell.dataset else f"{row}, {column}"


def short(paper: str) -> str:
    """A paper's name without authors and year."""
    return paper.split(" (")[0]


def referenced_cells(references: Iterable[Mapping[str, str]]) -> tuple[Cell, ...]:
    """The accuracies that the `published` references of an experiment's row name.

    A reference gives a table, a row and a column, which may leave out the name of its data set (`RGB` stands for
    `UCF-101 RGB`, `HMDB-51 RGB` and `Kinetics RGB`); without a column it names every column, one for each data set.
    """
    return tuple(cell for reference in references for cell in _referenced_cells(reference))


def _referenced_cells(reference: Mapping[str, str]) -> list[Cell]:
    table, row, column = reference["table"], reference["row"], reference.get("column")
    accuracies = [cell for cell in cells() if cell.table == table and cell.metric in ACCURACIES]
    if not accuracies:
        raise UserError(f"published.tsv has no accuracies of a table {table!r}: choose one of {', '.join(tables())}")
    of_row = [cell for cell in accuracies if cell.row == row]
    if not of_row:
        raise UserError(f"{table} has no row {row!r}: choose one of {_choices(cell.row for cell in accuracies)}")
    matching = [cell for cell in of_row if column is None or column in (cell.column, plain(cell.column))]
    if not matching:
        raise UserError(
            f"{table} has no column {column!r} in row {row!r}: choose one of {_choices(cell.column for cell in of_row)}"
        )
    _refuse_ambiguous(reference, matching)
    return matching


def _refuse_ambiguous(reference: Mapping[str, str], matching: Sequence[Cell]) -> None:
    for dataset in {cell.dataset for cell in matching}:
        columns = [cell.column for cell in matching if cell.dataset == dataset]
        if len(columns) > 1:
            raise UserError(
                f"{reference['row']!r} of {reference['table']} has {len(columns)} values for {dataset}:"
                f" name the column, one of {_choices(columns)}"
            )


def plain(column: str) -> str:
    """The name of a column without that of its data set."""
    return next((column.removeprefix(prefix) for prefix in DATASET_PREFIXES if column.startswith(prefix)), column)


def _bare(name: str) -> str:
    return name.replace("-", "").lower()


def _choices(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in dict.fromkeys(names))
