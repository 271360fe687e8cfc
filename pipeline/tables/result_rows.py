"""Rows of the results tables in results/tables/: their columns, reading them, and the rows that stand for a method."""

import csv
from collections.abc import Sequence
from pathlib import Path

from pipeline.common.errors import UserError

COLUMNS = (
    "paper", "method", "dataset", "split", "classes", "metric", "published", "reproduced", "difference", "low", "high",
    "videos", "splits", "seeds", "std", "protocol", "run", "tables", "status", "note",
)  # fmt: skip
MEAN = "mean"  # in the column `split`: the mean of the splits
ALL_CLASSES = "all"  # in the column `classes`: not a group of them

ResultRow = dict[str, str]


def read_results(path: Path | str) -> list[ResultRow]:
    """The rows of results/tables/<data set>.csv."""
    return read_rows(path, COLUMNS, "the results table of a data set")


def read_rows(path: Path | str, columns: Sequence[str], what: str) -> list[ResultRow]:
    """The rows of a CSV; a file without one of `columns` is a UserError that says `what` it should be."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as {what} ({error}): make it first") from error
    if absent := [name for name in columns if name not in (reader.fieldnames or [])]:
        raise UserError(f"{path} has no column {absent[0]}, so it is not {what}: make it again")
    return rows


def method_rows(rows: Sequence[ResultRow]) -> list[ResultRow]:
    """Of each method the mean over its splits; single splits where a paper prints them or there is no mean."""
    of_all_classes = [row for row in rows if row["classes"] == ALL_CLASSES]
    with_mean = {method_key(row) for row in of_all_classes if row["split"] == MEAN}
    return [
        row for row in of_all_classes if row["split"] == MEAN or row["published"] or method_key(row) not in with_mean
    ]


def method_key(row: ResultRow) -> tuple[str, ...]:
    """What the rows of one method have in common."""
    return tuple(row[name] for name in ("paper", "method", "run", "metric"))


def row_title(row: ResultRow) -> str:
    """The method, with its split unless that is the mean, and its metric unless that is top-1 accuracy."""
    split = "" if row["split"] == MEAN else f", {'split ' if row['split'].isdigit() else ''}{row['split']}"
    return row["method"] + split + (" (top-5)" if row["metric"] == "top5" else "")


def group_names(rows: Sequence[ResultRow]) -> list[str]:
    """The groups of classes that the table has rows for."""
    return list(dict.fromkeys(row["classes"] for row in rows if row["classes"] != ALL_CLASSES))


def group_accuracies(rows: Sequence[ResultRow]) -> dict[tuple[str, ...], str]:
    """(*method_key, group) -> the accuracy over the classes of the group."""
    return {(*method_key(row), row["classes"]): row["reproduced"] for row in rows if row["classes"] != ALL_CLASSES}
