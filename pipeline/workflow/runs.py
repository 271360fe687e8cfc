"""Runs and fusions of a data set: their names and recipes, their score files, and the options that score and fuse.

A run or a fusion is named `experiment.name`; `config` is config.yaml as a dict.
"""

import functools
import itertools
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipeline.common.errors import UserError
from pipeline.common.paths import EXPERIMENTS
from pipeline.config import recipes
from pipeline.config.fusion_methods import FUSION_METHODS
from pipeline.config.recipe import Recipe
from pipeline.config.settings import Config, of_dataset
from pipeline.formats import scores
from pipeline.inputs import clip_sampling

RUNS = "results/runs"


def experiment(config: Config, dataset: str, name: str) -> recipes.Experiment:
    """An experiment under the data set's preset."""
    return _load_experiment(f"{EXPERIMENTS}/{name}.yaml", of_dataset(config, dataset).preset)


def recipe(config: Config, dataset: str, run: str) -> Recipe:
    """The recipe of a run for a data set."""
    name, short_name = run.split(".")
    return experiment(config, dataset, name).run(short_name)


def fusion(config: Config, dataset: str, run: str) -> recipes.Fusion:
    """A fusion, with the full names of the runs whose `scores` it fuses."""
    name, short_name = run.split(".")
    fusion = experiment(config, dataset, name).fusions[short_name]
    return replace(fusion, scores=[full_name(part, name) for part in fusion.scores])


def full_name(name: str, experiment: str) -> str:
    """A run's full name: a name without a dot is of `experiment`."""
    return name if "." in name else f"{experiment}.{name}"


def run_names(config: Config) -> list[str]:
    """The runs of all experiments, whether or not config.yaml selects them."""
    return sorted({f"{e.name}.{run}" for e in _all_experiments(config) for run in e.runs})


def fusion_names(config: Config) -> list[str]:
    """The fusions of all experiments, whether or not config.yaml selects them."""
    return sorted({f"{e.name}.{fusion}" for e in _all_experiments(config) for fusion in e.fusions})


def releases(config: Config) -> list[str]:
    """The released weights that a recipe starts from."""
    all_recipes = itertools.chain.from_iterable(e.runs.values() for e in _all_experiments(config))
    sources = itertools.chain.from_iterable(recipe.init.values() for recipe in all_recipes)
    return sorted({source["release"] for source in sources if "release" in source})


def score_file(dataset: str, split: int | str, seed: int | str, run: str, part: str = "test") -> str:
    """The score file of a run or a fusion; `part` is the part of the split, test or train."""
    return scores.score_file(f"{RUNS}/{dataset}", split, seed, run, part).as_posix()


def run_folder(dataset: str, split: int | str, seed: int | str, run: str) -> Path:
    """The folder of a run's files."""
    return Path(score_file(dataset, split, seed, run)).parent


def shards(config: Config, dataset: str, run: str) -> list[str]:
    """The shards of a run's modalities."""
    return [f"data/{dataset}/shards/{modality}" for modality in clip_sampling.modalities(recipe(config, dataset, run))]


def threads(config: Config, dataset: str, run: str) -> int:
    """The number of CPU threads in a run's recipe."""
    return recipe(config, dataset, run).threads


def score_options(config: Config, dataset: str, run: str, part: str) -> str:
    """The options of `pipeline.score run` that follow from the recipe."""
    run_recipe = recipe(config, dataset, run)
    protocol = run_recipe.protocol_of(part)
    return shlex.join(["--protocol", protocol, "--average", run_recipe.average, "--part", part])


def fuse_inputs(config: Config, dataset: str, split: int | str, seed: int | str, run: str, part: str) -> list[str]:
    """The score files that a fusion reads; those of the training part only if its method is fitted."""
    settings = fusion(config, dataset, run)
    needed = part == "test" or FUSION_METHODS[settings.method].fitted
    return [score_file(dataset, split, seed, fused, part) for fused in settings.scores] if needed else []


def fuse_options(config: Config, dataset: str, split: int | str, seed: int | str, run: str) -> str:
    """The options of pipeline.fuse: method, weights, and training scores if the method is fitted."""
    settings = fusion(config, dataset, run)
    options = ["--method", settings.method, "--input", settings.input]
    options += ["--weights", *map(str, settings.weights)] if settings.weights else []
    train_scores = fuse_inputs(config, dataset, split, seed, run, "train")
    return shlex.join(options + (["--train-scores", *train_scores] if train_scores else []))


def _all_experiments(config: Config) -> Iterator[recipes.Experiment]:
    """Every experiment under every preset that a data set uses."""
    presets = sorted({of_dataset(config, dataset).preset for dataset in config["datasets"]})
    for path, preset in itertools.product(sorted(EXPERIMENTS.glob("*.yaml")), presets):
        if preset in _presets(str(path)):
            yield _load_experiment(str(path), preset)


@functools.cache
def _load_experiment(path: str, preset: str) -> recipes.Experiment:
    if not Path(path).exists():
        names = ", ".join(sorted(file.stem for file in EXPERIMENTS.glob("*.yaml")))
        raise UserError(f"there is no experiment {Path(path).stem}: choose one of {names}")
    return recipes.load(path, preset)


@functools.cache
def _presets(path: str) -> frozenset[str]:
    return recipes.presets(path)
