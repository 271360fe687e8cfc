"""What the five papers print: every cell of every results table, in published.tsv and published_tables.tsv.

A cell names its table, row and column as the paper does. An accuracy (metrics top1 and top5, in per cent) has a data
set and a split: a number, `mean` of three, or `test` for Kinetics' held-out test clips. What is no accuracy (sizes,
schedules, names of layers) has neither and the metric `fact`; a cell that the paper leaves empty has no line.
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
DATASET_WORDS = ("UCF-101 ", "HMDB-51 ", "Kinetics ")  # as columns begin that hold one data set's values


class Cell(NamedTuple):
    """One printed value; `whose` says if it is the paper's `own` system or one `quoted` from another group."""

    table: str
    row: str
    column: str
    dataset: str
    split: str
    metric: str
    whose: str
    value: str


class Table(NamedTuple):
    """One table of a paper: its identifier here, what it measures, its columns in order with ` | ` between them."""

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
    """The data sets that the papers have accuracies of."""
    return sorted({cell.dataset for cell in cells()} - {""})


def method(cell: Cell) -> str:
    """What a cell is of: its row, or what stands there for its name, and its column where that says more."""
    names = [other.value for other in cells() if other[:2] == cell[:2] and other.metric == "fact"]
    row, column = ", ".join(names) or cell.row, plain(cell.column)
    if _bare(column) in (cell.dataset, "accuracy", "value"):
        return row
    return column if _bare(cell.row) == cell.dataset else f"{row}, {column}"


def short(paper: str) -> str:
    """A paper's name without authors and year."""
    return paper.split(" (")[0]


def pointed_at(references: Iterable[Mapping[str, str]]) -> tuple[Cell, ...]:
    """The accuracies that an experiment's row regenerates.

    A reference names a table, a row and a column, which may lack its data set's name (`RGB` is `UCF-101 RGB`,
    `HMDB-51 RGB` and `Kinetics RGB`); without a column it is every column, one for each data set.
    """
    return tuple(cell for reference in references for cell in _pointed_at(reference))


def _pointed_at(reference: Mapping[str, str]) -> list[Cell]:
    table, row, column = reference["table"], reference["row"], reference.get("column")
    among = [cell for cell in cells() if cell.table == table and cell.metric in ACCURACIES]
    if not among:
        raise UserError(f"published.tsv has no accuracies of a table {table!r}: choose one of {', '.join(tables())}")
    named = [cell for cell in among if cell.row == row]
    if not named:
        raise UserError(f"{table} has no row {row!r}: choose one of {_choices(cell.row for cell in among)}")
    found = [cell for cell in named if column is None or column in (cell.column, plain(cell.column))]
    if not found:
        raise UserError(
            f"{table} has no column {column!r} in row {row!r}: choose one of {_choices(cell.column for cell in named)}"
        )
    _refuse_ambiguous(reference, found)
    return found


def _refuse_ambiguous(reference: Mapping[str, str], found: Sequence[Cell]) -> None:
    for dataset in {cell.dataset for cell in found}:
        columns = [cell.column for cell in found if cell.dataset == dataset]
        if len(columns) > 1:
            raise UserError(
                f"{reference['row']!r} of {reference['table']} has {len(columns)} values for {dataset}:"
                f" name the column, one of {_choices(columns)}"
            )


def plain(column: str) -> str:
    """A column's name without its data set's."""
    return next((column.removeprefix(word) for word in DATASET_WORDS if column.startswith(word)), column)


def _bare(name: str) -> str:
    return name.replace("-", "").lower()


def _choices(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in dict.fromkeys(names))
