"""Which figures a data set has, and what they are made of: they follow the rows that config.yaml chose.

`config` is config.yaml as a dict. Nothing here draws, and nothing here knows of Snakemake.
"""

from collections.abc import Mapping
from typing import Any

from pipeline import runs, tableplans
from pipeline.config import of_dataset

Config = Mapping[str, Any]

FIGURES = "results/figures"


def summaries(config: Config) -> list[str]:
    """The first page of every data set that has a table."""
    kept = [dataset for dataset in config["datasets"] if not of_dataset(config, dataset)["auxiliary"]]
    return [f"{FIGURES}/{dataset}/summary.html" for dataset in kept]


def figures(config: Config, dataset: str) -> list[str]:
    """Every figure and page of a data set, but for the first page, which is made when they are there."""
    return [*compared(dataset)]


def compared(dataset: str) -> list[str]:
    """Published beside reproduced."""
    return [f"{FIGURES}/{dataset}/compared.{suffix}" for suffix in ("html", "svg")]


def shown_runs(config: Config, dataset: str) -> list[str]:
    """The runs, fusions and systems behind the data set's rows, each once."""
    return list(dict.fromkeys(run for run, _, _ in tableplans.gathered_scores(config, dataset)))


def run_scores(config: Config, dataset: str, run: str) -> list[str]:
    """The score files of one of them, every split and seed that its rows show."""
    planned = tableplans.gathered_scores(config, dataset)
    return [runs.score_file(dataset, split, seed, name) for name, split, seed in planned if name == run]


def method(config: Config, run: str) -> str:
    """What the tables call a run: the method of the first row that shows it."""
    return next((row.method for row in tableplans.table_rows() if row.run == run), run)
