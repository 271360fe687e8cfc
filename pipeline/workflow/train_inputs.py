"""What the training of a run reads beside its own shards and splits: initial weights and a second data set.

`config` is config.yaml as a dict.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.config.settings import Config, DatasetSettings, of_dataset
from pipeline.weights import releases
from pipeline.workflow import runs

Source = dict[str, Any]  # an entry of a recipe's `init`: a run, the centres of a run (kmeans) or a release

WEIGHTS = Path("data/weights")


def files(config: Config, dataset: str, split: int | str, seed: int | str, run: str) -> list[str]:
    """Files of initial weights, and the splits and shards of the second data set."""
    return [*initial_weights(config, dataset, split, seed, run).values(), *partner_files(config, dataset, run)]


def initial_weights(config: Config, dataset: str, split: int | str, seed: int | str, run: str) -> dict[str, str]:
    """Part of the network -> file of its initial weights; releases that were not downloaded are left out."""
    paths = {}
    for part, source in _init(config, dataset, run).items():
        path = _source_path(config, dataset, split, seed, run, source)
        if "release" not in source or Path(path).exists():
            paths[part] = path
    return paths


def partner_files(config: Config, dataset: str, run: str) -> list[str]:
    """The splits and shards of the second data set of a run that trains on two; otherwise nothing."""
    partner = of_dataset(config, dataset).partner
    if not (runs.recipe(config, dataset, run).partner and partner):
        return []
    folder = f"data/{dataset}/"
    paths = (f"{folder}splits.parquet", *runs.shards(config, dataset, run))
    return [f"data/{partner}/{path.removeprefix(folder)}" for path in paths]


def training_datasets(config: Config, dataset: str, run: str) -> list[str]:
    """The data sets that a run is trained on, its own first, including those of the runs that it starts from."""
    name, short_name = run.split(".")
    if short_name in runs.experiment(config, dataset, name).systems:
        return [dataset]
    settings, datasets = of_dataset(config, dataset), {dataset: None}
    if settings.partner and partner_files(config, dataset, run):
        datasets[settings.partner] = None
    for source in _init(config, dataset, run).values():
        if source_run := _source_run(source, settings, dataset, run):
            datasets |= dict.fromkeys(training_datasets(config, *source_run))
    return list(datasets)


def train_options(config: Config, dataset: str, split: int | str, seed: int | str, run: str) -> str:
    """The options of pipeline.train for the recipe, the second data set, the initial weights and the note."""
    name, short_name = run.split(".")
    options = ["--experiment", name, "--run", short_name, "--preset", of_dataset(config, dataset).preset]
    for part, path in initial_weights(config, dataset, split, seed, run).items():
        options += ["--init", f"{part}={path}"]
    if paths := partner_files(config, dataset, run):
        options += ["--partner-splits", paths[0], "--partner-shards", *paths[1:]]
    notes = (from_scratch_note(config, dataset, run), release_note(config, dataset, run))
    if any(notes):
        options += ["--note", "; ".join(filter(None, notes))]
    return shlex.join(options)


def kmeans_options(config: Config, layer: str, clusters: str) -> str:
    """The options of pipeline.train.kmeans that the name of a file of centres contains."""
    options = ["--layer", layer.removesuffix("_relu"), "--clusters", clusters]
    return shlex.join(options + (["--relu"] if layer.endswith("_relu") else []))


def from_scratch_note(config: Config, dataset: str, run: str) -> str:
    """A note for the results that names released weights that a run, or one that it starts from, does without."""
    names = ", ".join(dict.fromkeys(_missing_releases(config, dataset, run)))
    return f"trained from scratch, without the released weights of {names}" if names else ""


def release_note(config: Config, dataset: str, run: str) -> str:
    """A note for the results that names released weights that replace a training on another data set."""
    recipe_init, init = runs.recipe(config, dataset, run).init, _init(config, dataset, run)
    parts = [part for part in recipe_init if "run" in recipe_init[part] and "release" in init[part]]
    names = ", ".join(init[part]["release"] for part in parts)
    return f"begins from the released weights {names}, which another program has trained" if names else ""


def blocking_reason(config: Config, dataset: str, run: str) -> str:
    """Why a run or a fusion cannot be computed for a data set, as a sentence; empty if it can."""
    return next(_blocking_reasons(config, dataset, run), "")


def _blocking_reasons(config: Config, dataset: str, run: str) -> Iterator[str]:
    name, short_name = run.split(".")
    experiment = runs.experiment(config, dataset, name)
    if short_name in experiment.fusions:
        for fused in runs.fusion(config, dataset, run).scores:
            yield from _blocking_reasons(config, dataset, fused)
    elif short_name not in experiment.systems:
        if experiment.run(short_name).partner and not of_dataset(config, dataset).partner:
            yield f"trains on a second data set: name it as partner of {dataset} in config.yaml"
        for source in _init(config, dataset, run).values():
            yield from _blocked_source(config, dataset, run, source)


def _blocked_source(config: Config, dataset: str, run: str, source: Source) -> Iterator[str]:
    """Why initial weights cannot be computed or found."""
    settings, role = of_dataset(config, dataset), source.get("dataset")
    if role and not getattr(settings, role):
        sources = runs.recipe(config, dataset, run).init.values()
        replaceable = any(other.keys() >= {"run", "release"} for other in sources)
        alternative = ", or set tables.released: true" if replaceable else ""
        yield f"begins from weights of another data set: name it as {role} of {dataset} in config.yaml{alternative}"
    elif "release" in source and "or" not in source and not _release_path(source["release"]).exists():
        yield releases.instructions(source["release"])
    elif source_run := _source_run(source, settings, dataset, run):
        yield from _blocking_reasons(config, *source_run)


def _init(config: Config, dataset: str, run: str) -> dict[str, Source]:
    """A recipe's `init`, in which every source is either a run or a release.

    Of a source that is a run on another data set or a release, the release is taken if config.yaml has no such data set
    and allows releases (tables.released).
    """
    settings = of_dataset(config, dataset)

    def resolve(source: Source) -> Source:
        if not source.keys() >= {"dataset", "release"}:
            return source
        use_release = not getattr(settings, source["dataset"]) and settings.tables.released
        keys = {"release"} if use_release else source.keys() - {"release"}
        return {key: source[key] for key in keys}

    return {part: resolve(source) for part, source in runs.recipe(config, dataset, run).init.items()}


def _source_path(config: Config, dataset: str, split: int | str, seed: int | str, run: str, source: Source) -> str:
    if "release" in source:
        return _release_path(source["release"]).as_posix()
    experiment = run.split(".")[0]
    if "kmeans" in source:
        layer = source.get("layer", "conv5_3") + ("_relu" if source.get("relu") else "")
        file = f"centres.{layer}.{source.get('clusters', 64)}.safetensors"
        folder = runs.run_folder(dataset, split, seed, runs.full_name(source["kmeans"], experiment))
        return (folder / file).as_posix()
    other_dataset = getattr(of_dataset(config, dataset), source["dataset"]) if "dataset" in source else None
    if other_dataset:
        dataset, split = other_dataset, 1
    folder = runs.run_folder(dataset, split, seed, runs.full_name(source["run"], experiment))
    return (folder / "weights.safetensors").as_posix()


def _release_path(release: str) -> Path:
    return WEIGHTS / f"{release}.safetensors"


def _missing_releases(config: Config, dataset: str, run: str) -> Iterator[str]:
    settings = of_dataset(config, dataset)
    for source in _init(config, dataset, run).values():
        if "release" in source and not _release_path(source["release"]).exists():
            yield source["release"]
        elif source_run := _source_run(source, settings, dataset, run):
            yield from _missing_releases(config, *source_run)


def _source_run(source: Source, settings: DatasetSettings, dataset: str, run: str) -> tuple[str, str] | None:
    """The data set and the run whose weights, or centres, a source is; None for a release."""
    name = source.get("run", source.get("kmeans"))
    other_dataset = getattr(settings, source["dataset"]) if "dataset" in source else None
    return (other_dataset or dataset, runs.full_name(name, run.split(".")[0])) if name else None
