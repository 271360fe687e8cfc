"""What config.yaml asks of the results tables: each data set's rows, splits and seeds, and their score files."""

import functools
import itertools
import json
from pathlib import Path
from typing import Any

from pipeline.common.errors import UserError
from pipeline.common.files import short_hash
from pipeline.common.paths import EXPERIMENTS
from pipeline.config.settings import Config, of_dataset
from pipeline.tables import entries, published
from pipeline.tables.entries import Choice, TableEntry
from pipeline.tables.published import Cell
from pipeline.workflow import runs


def all_experiments() -> list[str]:
    """Every file of experiments/: the tables know whose rows they are, chosen or not."""
    return sorted(map(str, EXPERIMENTS.glob("*.yaml")))


def table_rows() -> list[TableEntry]:
    """The rows of every experiment."""
    return list(itertools.chain.from_iterable(map(_rows, all_experiments())))


def paper_tables() -> list[str]:
    """The papers' tables, by their identifiers."""
    return list(published.tables())


def table_files(config: Config) -> list[str]:
    """Every table: one a data set, but for those that have none, and the papers' own."""
    gathered = [dataset for dataset in config["datasets"] if not of_dataset(config, dataset).auxiliary]
    return [f"results/tables/{name}.csv" for name in (*gathered, *paper_tables())]


def check(config: Config) -> None:
    """Raise UserError for an experiment that is not there, or a pattern of tables.rows that fits no run."""
    there = [Path(path).stem for path in all_experiments()]
    for dataset in config["datasets"]:
        if unknown := [name for name in of_dataset(config, dataset).experiments if name not in there]:
            known = ", ".join(there)
            raise UserError(f"there is no experiments/{unknown[0]}.yaml, which experiments names: choose among {known}")
        choice(config, dataset)


def choice(config: Config, dataset: str) -> Choice:
    """What the config asks of a data set's tables; a pattern that no run fits is the user's mistake."""
    settings = of_dataset(config, dataset)
    patterns = settings.tables.rows
    chosen = Choice(
        settings.experiments, settings.splits, settings.tables.seeds,
        ["*"] if patterns == "all" else patterns, lacking(config, dataset), settings.groups,
        blocked(config, dataset),
    )  # fmt: skip
    entries.check_patterns(chosen, table_rows())
    return chosen


def blocked(config: Config, dataset: str) -> dict[str, str]:
    """Run -> why it cannot be made for a data set, of the experiments that the config names; not of one with scores."""
    chosen = of_dataset(config, dataset).experiments
    names = dict.fromkeys(row.run for row in table_rows() if row.run and row.experiment in chosen)
    reasons = {run: runs.obstacle(config, dataset, run) for run in names}
    return {run: why for run, why in reasons.items() if why and not scored(config, dataset, run)}


def scored(config: Config, dataset: str, run: str) -> bool:
    """Whether some score file of a run is there already, however it came there."""
    settings = of_dataset(config, dataset)
    places = itertools.product(settings.splits, settings.tables.seeds)
    return any(Path(runs.score_file(dataset, split, seed, run)).exists() for split, seed in places)


def lacking(config: Config, dataset: str) -> list[str]:
    """Other data sets that rows need first, and the data set has no pretraining nor leave to take released weights."""
    settings = of_dataset(config, dataset)
    if settings.tables.released or settings.pretraining:
        return []
    needed = dict.fromkeys(itertools.chain.from_iterable(row.needs for row in table_rows()))
    return [need for need in needed if not dataset.startswith(need)]


def gathered_scores(config: Config, dataset: str) -> list[tuple[str, int, int]]:
    """(run, split, seed) of every score file that a data set's table shows."""
    return list(entries.planned_scores(table_rows(), dataset, choice(config, dataset)))


def paper_scores(config: Config, table: str) -> list[tuple[str, str, int, int]]:
    """(data set, run, split, seed) of every score file that a paper's table shows."""
    found: dict[tuple[str, str, int, int], None] = {}
    for dataset in _configured(config, table):
        chosen = choice(config, dataset)
        pairs = ((row, cell) for row in table_rows() for cell in row.cells if cell.table == table)
        narrow = [entries.for_cell(row, cell, chosen) for row, cell in pairs if cell.dataset == dataset]
        found |= {(dataset, *place): None for place in entries.planned_scores(narrow, dataset, chosen)}
    return list(found)


def settings_of(config: Config, dataset: str) -> dict[str, Any]:
    """What decides a data set's table but for its code: its choices as JSON, what it quotes of papers, the rows."""
    quoting = {cell.table for cell in published.cells() if cell.dataset == dataset}
    quoted = [cell for cell in published.cells() if cell.table in quoting and cell.dataset in (dataset, "")]
    return _decisive(config, [dataset], quoted)


def paper_settings(config: Config, table: str) -> dict[str, Any]:
    """The same for one table of a paper."""
    return _decisive(config, _configured(config, table), [cell for cell in published.cells() if cell.table == table])


def _decisive(config: Config, datasets: list[str], quoted: list[Cell]) -> dict[str, Any]:
    """Another number that is printed elsewhere changes nothing here, so that its table alone is made anew."""
    there, tables = set(quoted), published.tables()
    known = [row._replace(cells=tuple(cell for cell in row.cells if cell in there)) for row in table_rows()]
    about = [tables[name] for name in dict.fromkeys(cell.table for cell in quoted)]
    papers = list(dict.fromkeys(table.paper for table in tables.values()))
    facts = short_hash(repr((quoted, about, papers, known)))
    return {"choices": json.dumps({name: choice(config, name)._asdict() for name in datasets}), "facts": facts}


def _configured(config: Config, table: str) -> list[str]:
    """The data sets of a paper's table that the config has."""
    printed = {cell.dataset for cell in published.cells() if cell.table == table}
    return [dataset for dataset in config["datasets"] if dataset in printed]


@functools.cache
def _rows(path: str) -> tuple[TableEntry, ...]:
    return tuple(entries.load(path))
