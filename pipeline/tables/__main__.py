"""Results tables from score files and published.tsv alone: a data set's methods, or one table of a paper as printed.

Each is written as CSV, a row for each value with everything that belongs to it, and as Markdown and LaTeX for readers.
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
from pipeline.tables.dataset_table import compact, dataset_results, show, write
from pipeline.tables.entries import Choice
from pipeline.tables.result_rows import COLUMNS


def parse_choices(text: str) -> dict[str, Choice]:
    """`--choices`: JSON of data set -> the fields of Choice that differ from its defaults."""
    try:
        return {dataset: Choice(**settings) for dataset, settings in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError) as error:
        known = ", ".join(Choice._fields)
        raise UserError(f"--choices cannot be read ({error}): give JSON of data set -> any of {known}") from error


def build_parser() -> argparse.ArgumentParser:
    """The commands dataset, paper and show."""
    parser = cli.parser(__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (("dataset", "a data set"), ("paper", "a table of published_tables.tsv")):
        one = commands.add_parser(name, help=f"write the table of {what}")
        one.add_argument("name", help=what)
        one.add_argument("--choices", default="{}", help="JSON: data set -> splits, seeds, rows, experiments, groups")
        one.add_argument("--experiments", nargs="+", type=Path, default=sorted(EXPERIMENTS.glob("*.yaml")))
        one.add_argument("--runs", type=Path, default=Path("results/runs"), help="<data set>/splitN/seedN/ are in it")
        one.add_argument("--architectures", type=Path, help="architectures.csv, for what papers print of networks")
        one.add_argument("--out", required=True, type=Path, help="the CSV; .md and .tex are written beside it")
    commands.add_parser("show", help="print a data set's table").add_argument("table", type=Path)
    return parser


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    args = build_parser().parse_args(argv)
    if args.command == "show":
        with contextlib.suppress(BrokenPipeError):  # the reader, such as head, has enough
            print(show(args.table), flush=True)
        return
    all_entries = [entry for path in args.experiments for entry in entries.load(path)]
    chosen = parse_choices(args.choices)
    if args.command == "dataset":
        rows = dataset_results(args.name, all_entries, chosen.get(args.name, Choice()), args.runs)
        rows = [dict.fromkeys(COLUMNS, "") | row for row in rows]
        write(args.out, COLUMNS, rows, f"Results on {args.name}, accuracy in per cent", compact(rows))
        return
    defaults = {dataset: Choice() for dataset in published.datasets()}
    rows = paper_table.paper_results(args.name, all_entries, chosen or defaults, args.runs, args.architectures)
    text = paper_table.title(args.name), paper_table.layout(args.name, rows), paper_table.remark(args.name)
    write(args.out, paper_table.COLUMNS, rows, *text)


if __name__ == "__main__":
    cli.run(main)
