"""Which scores are made of a data set's own videos here, and which came from elsewhere.

`config` is config.yaml as a dict.
"""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pipeline.config.recipe import Recipe
from pipeline.config.settings import Config
from pipeline.workflow import runs, table_targets


def imported(dataset: str, split: int, seed: int, run: str) -> bool:
    """Whether a run's scores came from elsewhere: they are there, and weights are not."""
    scores = Path(runs.score_file(dataset, split, seed, run))
    return scores.exists() and not scores.with_name("weights.safetensors").exists()


def leaves(config: Config, dataset: str, run: str) -> list[str]:
    """The runs and systems whose scores a fusion takes, directly or not; of anything else, itself."""
    name, short = run.split(".")
    if short not in runs.experiment(config, dataset, name).fusions:
        return [run]
    parts = runs.fusion(config, dataset, run).scores
    return list(itertools.chain.from_iterable(leaves(config, dataset, part) for part in parts))


def recipe(config: Config, dataset: str, run: str) -> Recipe | None:
    """A run's recipe; none of a fusion or of a system without a network."""
    name, short = run.split(".")
    return runs.experiment(config, dataset, name).runs.get(short)


def made_here(config: Config, dataset: str, places: Iterable[Sequence[Any]]) -> list[str]:
    """The runs and systems, parts of fusions too, that read the data set's own videos; of (run, split, seed)."""
    found: dict[str, None] = {}
    for run, split, seed in places:
        parts = leaves(config, dataset, run)
        ours = (part for part in parts if not (recipe(config, dataset, part) and imported(dataset, split, seed, part)))
        found |= dict.fromkeys(ours)
    return list(found)


def left_out(config: Config, dataset: str) -> list[str]:
    """The quarantine beside a data set's table, of each data set whose videos are read for it."""
    return _quarantines(config, [(dataset, *place) for place in table_targets.gathered_scores(config, dataset)])


def left_out_of_paper(config: Config, table: str) -> list[str]:
    """The same of a paper's table."""
    return _quarantines(config, table_targets.paper_scores(config, table))


def _quarantines(config: Config, scores: Sequence[tuple[str, str, int, int]]) -> list[str]:
    found: dict[str, None] = {}
    for dataset in dict.fromkeys(name for name, *_ in scores):
        for run in made_here(config, dataset, (place for name, *place in scores if name == dataset)):
            found |= dict.fromkeys(runs.datasets(config, dataset, run))
    return [f"data/{dataset}/quarantine.tsv" for dataset in found]
