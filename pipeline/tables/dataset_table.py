"""The results table of a data set: the methods of all papers, published beside reproduced."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.common import log
from pipeline.tables import entries, published, render, results
from pipeline.tables.entries import Choice, TableEntry
from pipeline.tables.paper_table import OWN, QUOTED
from pipeline.tables.result_rows import (
    ResultRow,
    group_accuracies,
    group_names,
    method_key,
    method_rows,
    read_results,
)

SHOWN = ("published", "reproduced", "difference", "interval", "videos", "splits", "status")


def dataset_results(dataset: str, all_entries: Sequence[TableEntry], choice: Choice, root: Path) -> list[ResultRow]:
    """The rows of a data set's table: of each paper the entries of its experiment, then its other published values."""
    regenerated = {cell for entry in all_entries for cell in entry.cells}
    accuracies = [cell for cell in published.cells() if cell.dataset == dataset and cell.metric in published.ACCURACIES]
    papers = [published.short(table.paper) for table in published.tables().values()]
    rows: list[ResultRow] = []
    for paper in dict.fromkeys([*papers, *(entry.paper for entry in all_entries)]):
        of_paper = [entry for entry in all_entries if entry.paper == paper and entries.applies(entry, dataset)]
        rows += itertools.chain.from_iterable(results.entry_results(entry, dataset, choice, root) for entry in of_paper)
        rows += unclaimed([c for c in accuracies if c not in regenerated and paper_of(c) == paper], dataset)
    return rows


def paper_of(cell: published.Cell) -> str:
    """The short name of the paper that prints a cell."""
    return published.short(published.tables()[cell.table].paper)


def unclaimed(cells: Sequence[published.Cell], dataset: str) -> Iterator[ResultRow]:
    """Rows of the published values that no experiment regenerates."""
    for cell in cells:
        base = {"paper": paper_of(cell), "method": published.method(cell), "dataset": dataset}
        reason = QUOTED if cell.whose == "quoted" else OWN
        yield from (base | row for row in results.published_rows([cell], reason))


def compact(rows: Sequence[ResultRow]) -> render.TextTable:
    """The table to be read: of each method its mean, or the split that was requested, with its groups as columns."""
    shown, groups, accuracies = method_rows(rows), group_names(rows), group_accuracies(rows)
    papers = ["paper"] if len({row["paper"] for row in shown}) > 1 else []
    always = (*papers, "method", "reproduced", "status", *groups)
    columns = [*papers, "method", "split", *SHOWN, *groups]
    header = [name for name in columns if name in always or any(_cell(row, name) for row in shown)]
    notes = list(dict.fromkeys(row["note"] for row in shown if row["note"]))
    table = [
        [accuracies.get((*method_key(row), name), "") if name in groups else _cell(row, name, notes) for name in header]
        for row in shown
    ]
    return header, table, notes


def _cell(row: ResultRow, name: str, notes: Sequence[str] = ()) -> str:
    if name == "interval":
        return f"{row['low']}–{row['high']}" if row["low"] else ""
    if name == "method" and row["metric"] == "top5":
        return f"{row[name]} (top-5)"
    has_note = name == "status" and row["note"] in notes
    return row[name] + (render.footnote_mark(1 + notes.index(row["note"])) if has_note else "")


def write(
    out: Path, columns: Sequence[str], rows: Sequence[ResultRow], title: str, text: render.TextTable, remark: str = ""
) -> None:
    """Write the CSV of `rows`, and `text` as Markdown and LaTeX beside it."""
    render.write_csv(out, columns, rows)
    render.write_text(out.with_suffix(".md"), render.markdown(title, text, remark))
    render.write_text(out.with_suffix(".tex"), render.latex(title, text, remark))
    log.say(f"{out}: {len(rows)} rows")


def show(path: Path) -> str:
    """The compact table of results/tables/<data set>.csv as aligned text, with its notes."""
    header, table, notes = compact(read_results(path))
    feet = [f"{render.footnote_mark(number)} {note}" for number, note in enumerate(notes, 1)]
    return "\n".join([render.aligned(header, table), *(render.aligned([foot], []) for foot in feet)])
