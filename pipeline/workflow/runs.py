"""Runs and fusions of a data set: their recipes, the files they read, and what may stand in their way.

A run or fusion is named `experiment.name`; `config` is config.yaml as a dict. Nothing here knows of Snakemake.
"""

import functools
import itertools
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.common.errors import UserError
from pipeline.common.paths import EXPERIMENTS
from pipeline.config import recipes
from pipeline.config.fusion_methods import FUSION_METHODS
from pipeline.config.recipe import Recipe
from pipeline.config.settings import Config, DatasetSettings, of_dataset
from pipeline.formats import scores
from pipeline.inputs import clip_sampling
from pipeline.weights import releases as catalogue

Source = dict[str, Any]  # a source of first weights in a recipe's `init`

RUNS = "results/runs"
WEIGHTS = Path("data/weights")


def experiment(config: Config, dataset: str, name: str) -> recipes.Experiment:
    """One experiment under the data set's preset."""
    return _experiment(f"{EXPERIMENTS}/{name}.yaml", of_dataset(config, dataset).preset)


def recipe(config: Config, dataset: str, run: str) -> Recipe:
    """The recipe of a run for a data set."""
    name, short = run.split(".")
    return experiment(config, dataset, name).run(short)


def fusion(config: Config, dataset: str, run: str) -> recipes.Fusion:
    """A fusion, its `scores` by their full names."""
    name, short = run.split(".")
    fusion = experiment(config, dataset, name).fusions[short]
    return replace(fusion, scores=[full(part, name) for part in fusion.scores])


def full(name: str, own: str) -> str:
    """A run's full name: one without a dot is of the experiment `own`."""
    return name if "." in name else f"{own}.{name}"


def names(config: Config, kind: str) -> list[str]:
    """Every run (kind `runs`) or fusion (`fusions`) of every experiment that there is, chosen or not."""
    return sorted({f"{e.name}.{run}" for e in _experiments(config) for run in getattr(e, kind)})


def releases(config: Config) -> list[str]:
    """Every release that some recipe begins from."""
    found = (e.runs.values() for e in _experiments(config))
    sources = (recipe.init.values() for recipe in itertools.chain.from_iterable(found))
    return sorted({s["release"] for s in itertools.chain.from_iterable(sources) if "release" in s})


def score_file(dataset: str, split: int | str, seed: int | str, run: str, subset: str = "test") -> str:
    """A run's or a fusion's scores."""
    return scores.score_file(f"{RUNS}/{dataset}", split, seed, run, subset).as_posix()


def run_folder(dataset: str, split: int | str, seed: int | str, run: str) -> Path:
    """Where a run's files lie."""
    return Path(score_file(dataset, split, seed, run)).parent


def shards(config: Config, dataset: str, run: str) -> list[str]:
    """The shards of a run's modalities."""
    return [f"data/{dataset}/shards/{modality}" for modality in clip_sampling.modalities(recipe(config, dataset, run))]


def threads(config: Config, dataset: str, run: str) -> int:
    """CPU threads that a run's recipe asks for."""
    return recipe(config, dataset, run).threads


def sources(config: Config, dataset: str, split: int | str, seed: int | str, run: str) -> dict[str, str]:
    """Part of the network -> the file with its first weights; releases that are not there are left out."""
    found = {}
    for part, source in _inits(config, dataset, run).items():
        path = _source(config, dataset, split, seed, run, source)
        if "release" not in source or Path(path).exists():
            found[part] = path
    return found


def train_inputs(config: Config, dataset: str, split: int | str, seed: int | str, run: str) -> list[str]:
    """What a training reads beside its own shards and splits: first weights, and the second data set of two."""
    return [*sources(config, dataset, split, seed, run).values(), *partner_files(config, dataset, run)]


def partner_files(config: Config, dataset: str, run: str) -> list[str]:
    """The second data set's splits and shards, of a run that trains on two."""
    partner = of_dataset(config, dataset).partner
    if not (recipe(config, dataset, run).partner and partner):
        return []
    own = f"data/{dataset}/"
    files = (f"{own}splits.parquet", *shards(config, dataset, run))
    return [f"data/{partner}/{path.removeprefix(own)}" for path in files]


def datasets(config: Config, dataset: str, run: str) -> list[str]:
    """The data sets whose videos a run learns from, its own first, those of the runs that it begins from too."""
    name, short = run.split(".")
    if short in experiment(config, dataset, name).systems:
        return [dataset]
    settings, found = of_dataset(config, dataset), {dataset: None}
    if settings.partner and partner_files(config, dataset, run):
        found[settings.partner] = None
    for source in _inits(config, dataset, run).values():
        if begun := _begun(source, settings, dataset, run):
            found |= dict.fromkeys(datasets(config, *begun))
    return list(found)


def train_options(config: Config, dataset: str, split: int | str, seed: int | str, run: str) -> str:
    """The options of pipeline.train that say which recipe, on what and from what."""
    name, short = run.split(".")
    options = ["--experiment", name, "--run", short, "--preset", of_dataset(config, dataset).preset]
    for part, file in sources(config, dataset, split, seed, run).items():
        options += ["--init", f"{part}={file}"]
    if files := partner_files(config, dataset, run):
        options += ["--partner-splits", files[0], "--partner-shards", *files[1:]]
    if notes := [note for note in (scratch(config, dataset, run), stand_ins(config, dataset, run)) if note]:
        options += ["--note", "; ".join(notes)]
    return shlex.join(options)


def scratch(config: Config, dataset: str, run: str) -> str:
    """Which released weights a run, or one that it begins from, does without, for the results' note."""
    gone = ", ".join(dict.fromkeys(_gone(config, dataset, run)))
    return f"trained from scratch, without the released weights of {gone}" if gone else ""


def stand_ins(config: Config, dataset: str, run: str) -> str:
    """Which released weights stand in for a training of ours on another data set, for the results' note."""
    asked, chosen = recipe(config, dataset, run).init, _inits(config, dataset, run)
    found = ", ".join(chosen[part]["release"] for part in asked if "run" in asked[part] and "release" in chosen[part])
    return f"begins from the released weights {found}, which another program has trained" if found else ""


def obstacle(config: Config, dataset: str, run: str) -> str:
    """Why a run or fusion cannot be made for a data set, in a sentence; nothing where it can."""
    return next(_obstacles(config, dataset, run), "")


def score_options(config: Config, dataset: str, run: str, subset: str) -> str:
    """The options of `pipeline.score run` that the recipe decides."""
    found = recipe(config, dataset, run)
    name = found.protocol_of(subset)
    return shlex.join(["--protocol", name, "--average", found.average, "--part", subset])


def fuse_inputs(config: Config, dataset: str, split: int | str, seed: int | str, run: str, subset: str) -> list[str]:
    """The score files that a fusion reads; training scores only where it is fitted to them."""
    settings = fusion(config, dataset, run)
    needed = subset == "test" or FUSION_METHODS[settings.method].fitted
    parts = settings.scores if needed else []
    return [score_file(dataset, split, seed, part, subset) for part in parts]


def fuse_options(config: Config, dataset: str, split: int | str, seed: int | str, run: str) -> str:
    """The options of pipeline.fuse: method, weights, and the training scores of a fusion that is fitted."""
    settings = fusion(config, dataset, run)
    options = ["--method", settings.method, "--input", settings.input]
    options += ["--weights", *map(str, settings.weights)] if settings.weights else []
    train = fuse_inputs(config, dataset, split, seed, run, "train")
    return shlex.join(options + (["--train-scores", *train] if train else []))


def kmeans_options(config: Config, layer: str, clusters: str) -> str:
    """The options of pipeline.train.kmeans that a centres file's name tells."""
    options = ["--layer", layer.removesuffix("_relu"), "--clusters", clusters]
    return shlex.join(options + (["--relu"] if layer.endswith("_relu") else []))


def _inits(config: Config, dataset: str, run: str) -> dict[str, Source]:
    """A recipe's `init`; a release stands in for a data set that is not there, where the config allows it."""
    settings = of_dataset(config, dataset)

    def chosen(source: Source) -> Source:
        if not source.keys() >= {"dataset", "release"}:
            return source
        stand_in = not getattr(settings, source["dataset"]) and settings.tables.released
        keys = {"release"} if stand_in else source.keys() - {"release"}
        return {key: source[key] for key in keys}

    return {part: chosen(source) for part, source in recipe(config, dataset, run).init.items()}


def _source(config: Config, dataset: str, split: int | str, seed: int | str, run: str, source: Source) -> str:
    if "release" in source:
        return _release(source["release"]).as_posix()
    own = run.split(".")[0]
    if "kmeans" in source:
        layer = source.get("layer", "conv5_3") + ("_relu" if source.get("relu") else "")
        file = f"centres.{layer}.{source.get('clusters', 64)}.safetensors"
        return (run_folder(dataset, split, seed, full(source["kmeans"], own)) / file).as_posix()
    elsewhere = getattr(of_dataset(config, dataset), source["dataset"]) if "dataset" in source else None
    where = (elsewhere, 1) if elsewhere else (dataset, split)
    return (run_folder(where[0], where[1], seed, full(source["run"], own)) / "weights.safetensors").as_posix()


def _release(model: str) -> Path:
    return WEIGHTS / f"{model}.safetensors"


def _gone(config: Config, dataset: str, run: str) -> Iterator[str]:
    settings = of_dataset(config, dataset)
    for source in _inits(config, dataset, run).values():
        if "release" in source and not _release(source["release"]).exists():
            yield source["release"]
        elif begun := _begun(source, settings, dataset, run):
            yield from _gone(config, *begun)


def _begun(source: Source, settings: DatasetSettings, dataset: str, run: str) -> tuple[str, str] | None:
    """The data set and the run that first weights are of; None of a release."""
    name = source.get("run", source.get("kmeans"))
    elsewhere = getattr(settings, source["dataset"]) if "dataset" in source else None
    return (elsewhere or dataset, full(name, run.split(".")[0])) if name else None


def _obstacles(config: Config, dataset: str, run: str) -> Iterator[str]:
    name, short = run.split(".")
    found = experiment(config, dataset, name)
    if short in found.systems:
        return
    if short in found.fusions:
        for part in fusion(config, dataset, run).scores:
            yield from _obstacles(config, dataset, part)
        return
    recipe, settings = found.run(short), of_dataset(config, dataset)
    if recipe.partner and not settings.partner:
        yield f"trains on a second data set: name it as partner of {dataset} in config.yaml"
    for source in _inits(config, dataset, run).values():
        where = source.get("dataset")
        if where and not getattr(settings, where):
            known = recipe.init.values()
            stand_in = ", or set tables.released: true" if any(s.keys() >= {"run", "release"} for s in known) else ""
            yield f"begins from weights of another data set: name it as {where} of {dataset} in config.yaml{stand_in}"
        elif "release" in source and "or" not in source and not _release(source["release"]).exists():
            yield catalogue.instructions(source["release"])
        elif begun := source.get("run", source.get("kmeans")):
            yield from _obstacles(config, getattr(settings, where) if where else dataset, full(begun, name))


def _experiments(config: Config) -> Iterator[recipes.Experiment]:
    """Every experiment under every preset in use."""
    presets = sorted({of_dataset(config, dataset).preset for dataset in config["datasets"]})
    pairs = itertools.product(sorted(EXPERIMENTS.glob("*.yaml")), presets)
    yield from (_experiment(str(path), preset) for path, preset in pairs if preset in _presets(str(path)))


@functools.cache
def _experiment(path: str, preset: str) -> recipes.Experiment:
    if not Path(path).exists():
        known = ", ".join(sorted(file.stem for file in EXPERIMENTS.glob("*.yaml")))
        raise UserError(f"there is no experiment {Path(path).stem}: choose one of {known}")
    return recipes.load(path, preset)


@functools.cache
def _presets(path: str) -> frozenset[str]:
    return recipes.presets(path)
