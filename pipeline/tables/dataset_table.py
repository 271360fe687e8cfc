"""A data set's table: its methods, published beside reproduced."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.common import log
from pipeline.tables import entries, published, render, results
from pipeline.tables.entries import Choice, Row
from pipeline.tables.paper_table import OWN, QUOTED
from pipeline.tables.results import Line

SHOWN = ("published", "reproduced", "difference", "interval", "videos", "splits", "status")


def gathered(dataset: str, known: Sequence[Row], choice: Choice, root: Path) -> list[Line]:
    """A data set's table: paper after paper, the rows of its experiment, then what it prints beyond them."""
    pointed = {cell for row in known for cell in row.cells}
    rest = [cell for cell in published.cells() if cell.dataset == dataset and cell.metric in published.ACCURACIES]
    papers = {published.short(table.paper): key for key, table in published.tables().items()}
    found: list[Line] = []
    for paper in dict.fromkeys([*papers, *(row.paper for row in known)]):
        mine = [row for row in known if row.paper == paper and entries.applies(row, dataset)]
        found += itertools.chain.from_iterable(results.of_row(row, dataset, choice, root) for row in mine)
        found += quoted([cell for cell in rest if cell not in pointed and paper_of(cell) == paper], dataset)
    return found


def paper_of(cell: published.Cell) -> str:
    """The short name of the paper that prints a cell."""
    return published.short(published.tables()[cell.table].paper)


def quoted(cells: Sequence[published.Cell], dataset: str) -> Iterator[Line]:
    """Lines of values that no experiment's row points at."""
    for cell in cells:
        base = {"paper": paper_of(cell), "method": published.method(cell), "dataset": dataset}
        yield from (base | line for line in results.unrun([cell], QUOTED if cell.whose == "quoted" else OWN))


def compact(found: Sequence[Mapping[str, str]]) -> render.Text:
    """(header, rows, notes) to be read: of every method its mean, or the split that was asked; groups as columns."""
    means = {_method(line) for line in found if (line["split"], line["classes"]) == (results.MEAN, "all")}
    head = [line for line in found if line["classes"] == "all" and not _detail(line, means)]
    groups = list(dict.fromkeys(line["classes"] for line in found if line["classes"] != "all"))
    of_group = {(*_method(line), line["classes"]): line["reproduced"] for line in found}
    papers = ["paper"] if len({line["paper"] for line in head}) > 1 else []
    always = (*papers, "method", "reproduced", "status", *groups)
    header = [*papers, "method", "split", *SHOWN, *groups]
    used = [name for name in header if name in always or any(_shown(line, name) for line in head)]
    notes = list(dict.fromkeys(line["note"] for line in head if line["note"]))
    table = [
        [of_group.get((*_method(line), name), "") if name in groups else _shown(line, name, notes) for name in used]
        for line in head
    ]
    return used, table, notes


def _method(line: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(line[key] for key in ("paper", "method", "run", "metric"))


def _detail(line: Mapping[str, str], means: set[tuple[str, ...]]) -> bool:
    """A single split of a method whose mean is there, without a published value of its own."""
    return line["split"] != results.MEAN and not line["published"] and _method(line) in means


def _shown(line: Mapping[str, str], name: str, notes: Sequence[str] = ()) -> str:
    if name == "interval":
        return f"{line['low']}–{line['high']}" if line["low"] else ""
    if name == "method" and line["metric"] == "top5":
        return f"{line[name]} (top-5)"
    marked = name == "status" and line["note"] in notes
    return line[name] + (render.mark(1 + notes.index(line["note"])) if marked else "")


def write(
    out: Path, columns: Sequence[str], found: Sequence[Line], title: str, text: render.Text, remark: str = ""
) -> None:
    """The CSV, and beside it what is to be read."""
    render.write_csv(out, columns, found)
    render.write_text(out.with_suffix(".md"), render.markdown(title, text, remark))
    render.write_text(out.with_suffix(".tex"), render.latex(title, text, remark))
    log.say(f"{out}: {len(found)} lines")


def show(path: Path) -> str:
    """A data set's table as aligned text, compact, with its notes."""
    header, table, notes = compact(results.read(path))
    feet = [f"{render.mark(number)} {note}" for number, note in enumerate(notes, 1)]
    return "\n".join([render.aligned(header, table), *(render.aligned([foot], []) for foot in feet)])
