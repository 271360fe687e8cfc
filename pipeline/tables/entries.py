"""The rows that experiments give the results tables, and which score files they take, without reading a score."""

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.errors import UserError
from pipeline.config.settings import check_schema, load_yaml
from pipeline.tables.published import Cell, datasets, pointed_at, short

KINETICS_TEST = 2  # the split of Kinetics that tests on the held-out test clips


class Choice(NamedTuple):
    """What config.yaml asks of one data set: experiments, splits, seeds, patterns of experiment.run to show.

    `lacking` names other data sets that rows need first, and the data set has neither them nor released weights;
    `blocked` says of runs that cannot be made why.
    """

    experiments: Sequence[str] = ()  # none: all of them
    splits: Sequence[int] = (1, 2, 3)
    seeds: Sequence[int] = (0,)
    rows: Sequence[str] = ("*",)
    lacking: Sequence[str] = ()
    groups: Mapping[str, Sequence[str]] = {}
    blocked: Mapping[str, str] = {}


class Row(NamedTuple):
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


class Missing(NamedTuple):
    """Why a row has no scores: a status of the tables and a sentence; not `needed` where the config left it out."""

    status: str
    note: str
    needed: bool = False


def load(path: Path | str) -> list[Row]:
    """The rows of one file of experiments/."""
    document = load_yaml(path)
    check_schema(document, "experiment", str(path))
    return [row(Path(path).stem, document["paper"], entry) for entry in document["rows"]]


def row(experiment: str, paper: str, entry: Mapping[str, Any]) -> Row:
    """One entry of an experiment's `rows`; what it points at must exist."""
    run = f"{experiment}.{entry['run']}" if "run" in entry else ""
    return Row(
        experiment, short(paper), entry["method"], run, tuple(entry.get("splits", ())),
        tuple(entry.get("datasets", ())), tuple(listed(entry.get("needs", ()))), entry.get("demo", True),
        entry.get("note", ""), pointed_at(listed(entry.get("published", ()))),
    )  # fmt: skip


def listed(value: Any) -> list[Any]:
    """One thing or several, as a list."""
    return [value] if isinstance(value, str | Mapping) else list(value)


def applies(row: Row, dataset: str) -> bool:
    """Whether a data set has the row: one of the papers' if `datasets` says so, any other unless `demo` is false."""
    return (not row.datasets or dataset in row.datasets) if dataset in datasets() else row.demo


def asked(row: Row, choice: Choice) -> list[int]:
    """The splits that the row's protocol and config.yaml both ask for."""
    return [split for split in choice.splits if not row.splits or split in row.splits]


def missing(row: Row, choice: Choice) -> Missing | None:
    """Why config.yaml asks for no scores of a row; None where it does."""
    if not row.run:
        return Missing("published only", row.note or "no run regenerates it")
    if choice.experiments and row.experiment not in choice.experiments:
        return Missing("not run", f"{row.experiment} is not among config.yaml's experiments")
    if not any(fnmatch.fnmatchcase(row.run, pattern) for pattern in choice.rows):
        return Missing("not run", f"{row.run} is not among tables.rows")
    if lacking := [name for name in row.needs if name in choice.lacking]:
        way_out = "add it to config.yaml and name it as the data set's pretraining"
        return Missing(f"needs {lacking[0]}", f"trains on {lacking[0]} first: {way_out}", True)
    if row.run in choice.blocked:
        return Missing("not run", choice.blocked[row.run], True)
    if not asked(row, choice):
        return Missing("not run", f"its split {row.splits[0]} is not among the data set's splits", True)
    return None


def planned(rows: Sequence[Row], dataset: str, choice: Choice) -> Iterator[tuple[str, int, int]]:
    """(run, split, seed) of every score file that a data set's rows take, each once."""
    wanted = [row for row in rows if applies(row, dataset) and not missing(row, choice)]
    triples = ((row.run, split, seed) for row in wanted for split in asked(row, choice) for seed in choice.seeds)
    yield from dict.fromkeys(triples)


def narrowed(row: Row, cell: Cell, choice: Choice) -> Row:
    """The row for one of its cells: on that cell's split alone, where it has one that config.yaml asks for."""
    split = KINETICS_TEST if cell.split == "test" else int(cell.split) if cell.split.isdigit() else 0
    return row._replace(cells=(cell,), splits=(split,) if split in asked(row, choice) else row.splits)


def refuse_unknown_patterns(choice: Choice, rows: Sequence[Row]) -> None:
    """A pattern of tables.rows that fits no run of any experiment is a mistyped one."""
    runs = sorted({row.run for row in rows if row.run})
    for pattern in choice.rows:
        if not fnmatch.filter(runs, pattern):
            raise UserError(f"tables.rows has {pattern!r}, which fits no run: choose among {', '.join(runs)}")
