"""The results tables that config.yaml selects: their entries, splits and seeds, and the score files behind them.

`config` is config.yaml as a dict.
"""

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
from pipeline.workflow import runs, train_inputs


def experiment_files() -> list[str]:
    """The files in experiments/; tables quote all experiments, whether or not config.yaml selects them."""
    return sorted(map(str, EXPERIMENTS.glob("*.yaml")))


def table_entries() -> list[TableEntry]:
    """The table entries of all experiments."""
    return list(itertools.chain.from_iterable(map(_load_entries, experiment_files())))


def paper_tables() -> list[str]:
    """The identifiers of the papers' tables."""
    return list(published.tables())


def datasets_with_table(config: Config) -> list[str]:
    """All data sets but the auxiliary ones."""
    return [dataset for dataset in config["datasets"] if not of_dataset(config, dataset).auxiliary]


def table_files(config: Config) -> list[str]:
    """All tables: one per data set, except for auxiliary ones, and those of the papers."""
    return [f"results/tables/{name}.csv" for name in (*datasets_with_table(config), *paper_tables())]


def check(config: Config) -> None:
    """Raise UserError for an unknown experiment and for a pattern of tables.rows that matches no run."""
    names = [Path(path).stem for path in experiment_files()]
    for dataset in config["datasets"]:
        if unknown := [name for name in of_dataset(config, dataset).experiments if name not in names]:
            raise UserError(
                f"there is no experiments/{unknown[0]}.yaml, which experiments names: choose among {', '.join(names)}"
            )
        table_choice(config, dataset)


def table_choice(config: Config, dataset: str) -> Choice:
    """What config.yaml selects for a data set's tables; raises UserError for a pattern that matches no run."""
    settings = of_dataset(config, dataset)
    patterns = settings.tables.rows
    choice = Choice(
        settings.experiments, settings.splits, settings.tables.seeds,
        ["*"] if patterns == "all" else patterns, missing_datasets(config, dataset), settings.groups,
        blocking_reasons(config, dataset),
    )  # fmt: skip
    entries.check_patterns(choice, table_entries())
    return choice


def blocking_reasons(config: Config, dataset: str) -> dict[str, str]:
    """Run -> why it cannot be computed for a data set, for runs of the selected experiments that have no scores."""
    selected = of_dataset(config, dataset).experiments
    names = dict.fromkeys(entry.run for entry in table_entries() if entry.run and entry.experiment in selected)
    reasons = {run: train_inputs.blocking_reason(config, dataset, run) for run in names}
    return {run: reason for run, reason in reasons.items() if reason and not has_scores(config, dataset, run)}


def has_scores(config: Config, dataset: str, run: str) -> bool:
    """Whether a score file of a run exists, computed or imported."""
    settings = of_dataset(config, dataset)
    pairs = itertools.product(settings.splits, settings.tables.seeds)
    return any(Path(runs.score_file(dataset, split, seed, run)).exists() for split, seed in pairs)


def missing_datasets(config: Config, dataset: str) -> list[str]:
    """Data sets that entries must be trained on first but cannot, for lack of pretraining data or released weights."""
    settings = of_dataset(config, dataset)
    if settings.tables.released or settings.pretraining:
        return []
    needed = dict.fromkeys(itertools.chain.from_iterable(entry.needs for entry in table_entries()))
    return [need for need in needed if not dataset.startswith(need)]


def dataset_scores(config: Config, dataset: str) -> list[tuple[str, int, int]]:
    """(run, split, seed) of every score file that a data set's table shows."""
    return list(entries.planned_scores(table_entries(), dataset, table_choice(config, dataset)))


def paper_scores(config: Config, table: str) -> list[tuple[str, str, int, int]]:
    """(data set, run, split, seed) of every score file that a paper's table shows."""
    keys: dict[tuple[str, str, int, int], None] = {}
    for dataset in _datasets_of_table(config, table):
        choice = table_choice(config, dataset)
        pairs = ((entry, cell) for entry in table_entries() for cell in entry.cells if cell.table == table)
        narrowed = [entries.for_cell(entry, cell, choice) for entry, cell in pairs if cell.dataset == dataset]
        keys |= {(dataset, *key): None for key in entries.planned_scores(narrowed, dataset, choice)}
    return list(keys)


def dataset_table_settings(config: Config, dataset: str) -> dict[str, Any]:
    """The settings that decide a data set's table, without the code: choices as JSON and a hash of quoted facts."""
    tables = {cell.table for cell in published.cells() if cell.dataset == dataset}
    quoted = [cell for cell in published.cells() if cell.table in tables and cell.dataset in (dataset, "")]
    return _hashed_settings(config, [dataset], quoted)


def paper_table_settings(config: Config, table: str) -> dict[str, Any]:
    """The settings that decide a paper's table, without the code."""
    quoted = [cell for cell in published.cells() if cell.table == table]
    return _hashed_settings(config, _datasets_of_table(config, table), quoted)


def _hashed_settings(config: Config, datasets: list[str], quoted: list[Cell]) -> dict[str, Any]:
    """Only the quoted cells are hashed, so that another published number does not re-run this table."""
    quoted_cells, tables = set(quoted), published.tables()
    all_entries = [
        entry._replace(cells=tuple(cell for cell in entry.cells if cell in quoted_cells)) for entry in table_entries()
    ]
    quoted_tables = [tables[name] for name in dict.fromkeys(cell.table for cell in quoted)]
    papers = list(dict.fromkeys(table.paper for table in tables.values()))
    facts = short_hash(repr((quoted, quoted_tables, papers, all_entries)))
    return {"choices": json.dumps({name: table_choice(config, name)._asdict() for name in datasets}), "facts": facts}


def _datasets_of_table(config: Config, table: str) -> list[str]:
    """The data sets in config.yaml that a paper's table has numbers of."""
    printed = {cell.dataset for cell in published.cells() if cell.table == table}
    return [dataset for dataset in config["datasets"] if dataset in printed]


@functools.cache
def _load_entries(path: str) -> tuple[TableEntry, ...]:
    return tuple(entries.load(path))
