"""Results tables from score files and published.tsv alone: a data set's methods, or one table of a paper as printed.

Both are written as CSV, one line a value with all that belongs to it, and beside it as Markdown and LaTeX to be read.
"""

import argparse
import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

from pipeline.common import cli
from pipeline.common.errors import UserError
from pipeline.common.paths import EXPERIMENTS
from pipeline.tables import entries, paper_table, published
from pipeline.tables.dataset_table import compact, gathered, show, write
from pipeline.tables.entries import Choice
from pipeline.tables.results import COLUMNS


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
    known = [row for path in a.experiments for row in entries.load(path)]
    chosen = choices(a.choices)
    if a.command == "dataset":
        found = gathered(a.name, known, chosen.get(a.name, Choice()), a.runs)
        whole = [dict.fromkeys(COLUMNS, "") | line for line in found]
        write(a.out, COLUMNS, whole, f"Results on {a.name}, accuracy in per cent", compact(whole))
        return
    everything = {dataset: Choice() for dataset in published.datasets()}
    found = paper_table.table(a.name, known, chosen or everything, a.runs, a.architectures)
    text = paper_table.title(a.name), paper_table.layout(a.name, found), paper_table.remark(a.name)
    write(a.out, paper_table.COLUMNS, found, *text)


if __name__ == "__main__":
    cli.run(main)
