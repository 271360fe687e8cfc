"""Results tables from score files and published.tsv alone: a data set's methods, or one table of a paper as printed.

Both are written as CSV, one line a value with all that belongs to it, and beside it as Markdown and LaTeX to be read.
"""

import argparse
import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline import (
    cli,
    lines,
    log,
    papertables,
    published,
    render,
    rows,
)
from pipeline.errors import UserError
from pipeline.lines import COLUMNS, Line
from pipeline.papertables import OWN, QUOTED
from pipeline.rows import Choice, Row

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
SHOWN = ("published", "reproduced", "difference", "interval", "videos", "splits", "status")


def gathered(dataset: str, known: Sequence[Row], choice: Choice, root: Path) -> list[Line]:
    """A data set's table: paper after paper, the rows of its experiment, then what it prints beyond them."""
    pointed = {cell for row in known for cell in row.cells}
    rest = [cell for cell in published.cells() if cell.dataset == dataset and cell.metric in published.ACCURACIES]
    papers = {published.short(table.paper): key for key, table in published.tables().items()}
    found: list[Line] = []
    for paper in dict.fromkeys([*papers, *(row.paper for row in known)]):
        mine = [row for row in known if row.paper == paper and rows.applies(row, dataset)]
        found += itertools.chain.from_iterable(lines.of_row(row, dataset, choice, root) for row in mine)
        found += quoted([cell for cell in rest if cell not in pointed and paper_of(cell) == paper], dataset)
    return found


def paper_of(cell: published.Cell) -> str:
    """The short name of the paper that prints a cell."""
    return published.short(published.tables()[cell.table].paper)


def quoted(cells: Sequence[published.Cell], dataset: str) -> Iterator[Line]:
    """Lines of values that no experiment's row points at."""
    for cell in cells:
        base = {"paper": paper_of(cell), "method": published.method(cell), "dataset": dataset}
        yield from (base | line for line in lines.unrun([cell], QUOTED if cell.whose == "quoted" else OWN))


def compact(found: Sequence[Mapping[str, str]]) -> render.Text:
    """(header, rows, notes) to be read: of every method its mean, or the split that was asked; groups as columns."""
    means = {_method(line) for line in found if (line["split"], line["classes"]) == (lines.MEAN, "all")}
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
    return line["split"] != lines.MEAN and not line["published"] and _method(line) in means


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
    header, table, notes = compact(lines.read(path))
    feet = [f"{render.mark(number)} {note}" for number, note in enumerate(notes, 1)]
    return "\n".join([render.aligned(header, table), *(render.aligned([foot], []) for foot in feet)])


def choices(text: str) -> dict[str, Choice]:
    """`--choices`: JSON of data set -> what differs from Choice's defaults."""
    try:
        return {dataset: Choice(**settings) for dataset, settings in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError) as error:
        known = ", ".join(Choice._fields)
        raise UserError(f"--choices cannot be read ({error}): give JSON of data set -> any of {known}") from error


def parser() -> argparse.ArgumentParser:
    """The commands dataset, paper and show."""
    made = cli.parser(__doc__)
    commands = made.add_subparsers(dest="command", required=True)
    for name, what in (("dataset", "a data set"), ("paper", "a table of published_tables.tsv")):
        one = commands.add_parser(name, help=f"write the table of {what}")
        one.add_argument("name", help=what)
        one.add_argument("--choices", default="{}", help="JSON: data set -> splits, seeds, rows, experiments, groups")
        one.add_argument("--experiments", nargs="+", type=Path, default=sorted(EXPERIMENTS.glob("*.yaml")))
        one.add_argument("--runs", type=Path, default=Path("results/runs"), help="<data set>/splitN/seedN/ are in it")
        one.add_argument("--architectures", type=Path, help="architectures.csv, for what papers print of networks")
        one.add_argument("--out", required=True, type=Path, help="the CSV; .md and .tex are written beside it")
    commands.add_parser("show", help="print a data set's table").add_argument("table", type=Path)
    return made


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    a = parser().parse_args(argv)
    if a.command == "show":
        with contextlib.suppress(BrokenPipeError):  # the reader, such as head, has enough
            print(show(a.table), flush=True)
        return
    known = [row for path in a.experiments for row in rows.load(path)]
    chosen = choices(a.choices)
    if a.command == "dataset":
        found = gathered(a.name, known, chosen.get(a.name, Choice()), a.runs)
        whole = [dict.fromkeys(COLUMNS, "") | line for line in found]
        write(a.out, COLUMNS, whole, f"Results on {a.name}, accuracy in per cent", compact(whole))
        return
    everything = {dataset: Choice() for dataset in published.datasets()}
    found = papertables.table(a.name, known, chosen or everything, a.runs, a.architectures)
    text = papertables.title(a.name), papertables.layout(a.name, found), papertables.remark(a.name)
    write(a.out, papertables.COLUMNS, found, *text)


if __name__ == "__main__":
    cli.run(main)
