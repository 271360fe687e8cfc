"""The entries of the results tables that experiments/*.yaml declare, and the score files that they need."""

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.errors import UserError
from pipeline.config.recipes import read_document
from pipeline.tables.published import Cell, datasets, referenced_cells, short

KINETICS_TEST = 2  # the split of Kinetics that tests on the held-out test clips


class Choice(NamedTuple):
    """What config.yaml asks of one data set's tables; `rows` are patterns of experiment.run.

    `lacking` names data sets that entries must be trained on first, where the data set has neither them nor released
    weights; `blocked` gives the reason for each run that cannot be made.
    """

    experiments: Sequence[str] = ()  # none: all of them
    splits: Sequence[int] = (1, 2, 3)
    seeds: Sequence[int] = (0,)
    rows: Sequence[str] = ("*",)
    lacking: Sequence[str] = ()
    groups: Mapping[str, Sequence[str]] = {}
    blocked: Mapping[str, str] = {}


class TableEntry(NamedTuple):
    """One method of a paper: the run behind it (`experiment.run`, or nothing) and the cells it regenerates."""

    experiment: str
    paper: str
    method: str
    run: str = ""
    splits: tuple[int, ...] = ()  # none: every split of the data set
    datasets: tuple[str, ...] = ()  # none: every one
    needs: tuple[str, ...] = ()
    demo: bool = True
    note: str = ""
    cells: tuple[Cell, ...] = ()


class MissingReason(NamedTuple):
    """Why an entry has no scores: a status of the tables and a sentence.

    `needed` is false where config.yaml leaves the entry out, which a table without published values need not mention.
    """

    status: str
    note: str
    needed: bool = False


def load(path: Path | str) -> list[TableEntry]:
    """The entries under `rows` of one file of experiments/."""
    document = read_document(path)
    return [parse_entry(Path(path).stem, document["paper"], row) for row in document["rows"]]


def parse_entry(experiment: str, paper: str, row: Mapping[str, Any]) -> TableEntry:
    """The entry of one item of an experiment's `rows`; the published cells that it names must exist."""
    run = f"{experiment}.{row['run']}" if "run" in row else ""
    return TableEntry(
        experiment, short(paper), row["method"], run, tuple(row.get("splits", ())),
        tuple(row.get("datasets", ())), tuple(as_list(row.get("needs", ()))), row.get("demo", True),
        row.get("note", ""), referenced_cells(as_list(row.get("published", ()))),
    )  # fmt: skip


def as_list(value: Any) -> list[Any]:
    """A single value or a list of them, as a list."""
    return [value] if isinstance(value, str | Mapping) else list(value)


def applies(entry: TableEntry, dataset: str) -> bool:
    """Whether a data set has the entry: the papers' own if `datasets` says so, any other unless `demo` is false."""
    return (not entry.datasets or dataset in entry.datasets) if dataset in datasets() else entry.demo


def requested_splits(entry: TableEntry, choice: Choice) -> list[int]:
    """The splits that both the entry's protocol and config.yaml ask for."""
    return [split for split in choice.splits if not entry.splits or split in entry.splits]


def why_missing(entry: TableEntry, choice: Choice) -> MissingReason | None:
    """Why config.yaml asks for no scores of an entry; None where it asks for them."""
    if not entry.run:
        return MissingReason("published only", entry.note or "no run regenerates it")
    if choice.experiments and entry.experiment not in choice.experiments:
        return MissingReason("not run", f"{entry.experiment} is not among config.yaml's experiments")
    if not any(fnmatch.fnmatchcase(entry.run, pattern) for pattern in choice.rows):
        return MissingReason("not run", f"{entry.run} is not among tables.rows")
    if lacking := [name for name in entry.needs if name in choice.lacking]:
        way_out = "add it to config.yaml and name it as the data set's pretraining"
        return MissingReason(f"needs {lacking[0]}", f"trains on {lacking[0]} first: {way_out}", True)
    if entry.run in choice.blocked:
        return MissingReason("not run", choice.blocked[entry.run], True)
    if not requested_splits(entry, choice):
        return MissingReason("not run", f"its split {entry.splits[0]} is not among the data set's splits", True)
    return None


def planned_scores(all_entries: Sequence[TableEntry], dataset: str, choice: Choice) -> Iterator[tuple[str, int, int]]:
    """(run, split, seed) of every score file that a data set's entries need, each once."""
    wanted = [entry for entry in all_entries if applies(entry, dataset) and not why_missing(entry, choice)]
    triples = (
        (entry.run, split, seed)
        for entry in wanted
        for split in requested_splits(entry, choice)
        for seed in choice.seeds
    )
    yield from dict.fromkeys(triples)


def for_cell(entry: TableEntry, cell: Cell, choice: Choice) -> TableEntry:
    """The entry for a single cell: on that cell's split alone, where it has one that config.yaml asks for."""
    split = KINETICS_TEST if cell.split == "test" else int(cell.split) if cell.split.isdigit() else 0
    return entry._replace(cells=(cell,), splits=(split,) if split in requested_splits(entry, choice) else entry.splits)


def check_patterns(choice: Choice, all_entries: Sequence[TableEntry]) -> None:
    """Raise a UserError for a pattern of tables.rows that matches no run of any experiment."""
    runs = sorted({entry.run for entry in all_entries if entry.run})
    for pattern in choice.rows:
        if not fnmatch.filter(runs, pattern):
            raise UserError(f"tables.rows has {pattern!r}, which fits no run: choose among {', '.join(runs)}")
