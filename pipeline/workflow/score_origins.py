"""Which scores are computed here from a data set's own videos, and which were imported.

`config` is config.yaml as a dict.
"""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.config.recipe import Recipe
from pipeline.config.settings import Config
from pipeline.workflow import runs, table_targets, train_inputs


def is_imported(dataset: str, split: int, seed: int, run: str) -> bool:
    """Whether a run's scores were imported: the score file exists, but no weights."""
    scores = Path(runs.score_file(dataset, split, seed, run))
    return scores.exists() and not scores.with_name("weights.safetensors").exists()


def fused_parts(config: Config, dataset: str, run: str) -> list[str]:
    """The runs and systems whose scores a fusion fuses, also through other fusions; a run's only part is itself."""
    name, short_name = run.split(".")
    if short_name not in runs.experiment(config, dataset, name).fusions:
        return [run]
    parts = runs.fusion(config, dataset, run).scores
    return list(itertools.chain.from_iterable(fused_parts(config, dataset, part) for part in parts))


def recipe_or_none(config: Config, dataset: str, run: str) -> Recipe | None:
    """A run's recipe; None for a fusion and for a system without a network."""
    name, short_name = run.split(".")
    return runs.experiment(config, dataset, name).runs.get(short_name)


def runs_scored_here(config: Config, dataset: str, shown: Iterable[tuple[str, int, int]]) -> list[str]:
    """Runs, also those inside fusions, whose scores were computed here and not imported; of (run, split, seed)."""
    scored_here: dict[str, None] = {}
    for run, split, seed in shown:
        for part in fused_parts(config, dataset, run):
            if not (recipe_or_none(config, dataset, part) and is_imported(dataset, split, seed, part)):
                scored_here[part] = None
    return list(scored_here)


def quarantine_files(config: Config, dataset: str) -> list[str]:
    """The quarantine.tsv of every data set whose videos are read for a data set's table."""
    return _quarantine_files(config, [(dataset, *key) for key in table_targets.dataset_scores(config, dataset)])


def paper_quarantine_files(config: Config, table: str) -> list[str]:
    """The quarantine.tsv of every data set whose videos are read for a paper's table."""
    return _quarantine_files(config, table_targets.paper_scores(config, table))


def _quarantine_files(config: Config, shown: Sequence[tuple[str, str, int, int]]) -> list[str]:
    datasets: dict[str, None] = {}
    for dataset in dict.fromkeys(name for name, *_ in shown):
        keys = ((run, split, seed) for name, run, split, seed in shown if name == dataset)
        for run in runs_scored_here(config, dataset, keys):
            datasets |= dict.fromkeys(train_inputs.training_datasets(config, dataset, run))
    return [f"data/{dataset}/quarantine.tsv" for dataset in datasets]
