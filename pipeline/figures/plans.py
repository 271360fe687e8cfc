"""Which figures a data set has, and what they are made of: they follow the rows that config.yaml chose.

`config` is config.yaml as a dict. Nothing here draws, and nothing here knows of Snakemake.
"""

import functools
import itertools
import json
import shlex
from collections.abc import Mapping
from typing import Any

from pipeline import clips, madehere, rows, runs, tableplans
from pipeline.config import of_dataset

Config = Mapping[str, Any]

FIGURES = "results/figures"


def summaries(config: Config) -> list[str]:
    """The first page of every data set that has a table."""
    kept = [dataset for dataset in config["datasets"] if not of_dataset(config, dataset)["auxiliary"]]
    return [f"{FIGURES}/{dataset}/summary.html" for dataset in kept]


def figures(config: Config, dataset: str) -> list[str]:
    """Every figure and page of a data set, but for the first page, which is made when they are there."""
    of_runs = (run_figures(config, dataset, run) for run in shown_runs(config, dataset))
    whole = [*named(dataset, "compared.html", "compared.svg", "origins.html", "stages.svg"), *of_data(config, dataset)]
    return [*whole, *itertools.chain.from_iterable(of_runs)]


def named(dataset: str, *files: str) -> list[str]:
    """Figures of a data set by their files' names."""
    return [f"{FIGURES}/{dataset}/{file}" for file in files]


def of_data(config: Config, dataset: str) -> list[str]:
    """What shows the data set itself, where runs of ours read it; imported scores need no videos here."""
    if not made_here(config, dataset):
        return []
    pictures = ["samples.png"] if "rgb" in modalities(config, dataset) else []
    return named(dataset, "coverage.svg", "quarantine.html", *pictures)


def run_figures(config: Config, dataset: str, run: str) -> list[str]:
    """A run's figures; only what was trained here has curves: a fusion has none, and imported scores bring none."""
    files = ["confusion.svg", "classes.svg", "pairs.svg", *(["curves.svg"] if metrics(config, dataset, run) else [])]
    return named(dataset, *(f"runs/{run}/{file}" for file in files))


def shown_runs(config: Config, dataset: str) -> list[str]:
    """The runs, fusions and systems behind the data set's rows, each once."""
    return list(dict.fromkeys(run for run, _, _ in planned(config, dataset)))


def places(config: Config, dataset: str, run: str) -> list[tuple[int, int]]:
    """(split, seed) of every score file of a run that the data set's rows show."""
    return [(split, seed) for name, split, seed in planned(config, dataset) if name == run]


def planned(config: Config, dataset: str) -> tuple[tuple[str, int, int], ...]:
    """(run, split, seed) of every score file that the data set's rows show."""
    return _planned(json.dumps(config), dataset)


def run_scores(config: Config, dataset: str, run: str) -> list[str]:
    """The score files of one of them, every split and seed that its rows show."""
    return [runs.score_file(dataset, *place, run) for place in places(config, dataset, run)]


def method(config: Config, dataset: str, run: str) -> str:
    """What the data set's table calls a run: the method of its first row with it."""
    shown = (row for row in tableplans.table_rows() if row.run == run and rows.applies(row, dataset))
    return next((row.method for row in shown), run)


def heading(config: Config, dataset: str, run: str) -> str:
    """Under what a report lists a run's figures; their titles say the method, which is too long for a menu."""
    return f"{dataset}: {run}"


def table_scores(config: Config, dataset: str) -> list[str]:
    """Every score file behind the data set's rows."""
    return [runs.score_file(dataset, split, seed, run) for run, split, seed in planned(config, dataset)]


def metrics(config: Config, dataset: str, run: str) -> list[str]:
    """The metrics of a run's trainings, those alone that are ours: none of a fusion or of imported scores."""
    if not madehere.recipe(config, dataset, run):
        return []
    ours = [place for place in places(config, dataset, run) if not madehere.imported(dataset, *place, run)]
    return [str(runs.run_folder(dataset, *place, run) / "metrics.parquet") for place in ours]


def made_here(config: Config, dataset: str) -> list[str]:
    """The runs and systems behind the data set's rows that read its own videos."""
    return madehere.made_here(config, dataset, planned(config, dataset))


def modalities(config: Config, dataset: str) -> set[str]:
    """The shards that exist for the data set's runs: rgb, flow, backward."""
    found = (madehere.recipe(config, dataset, run) for run in made_here(config, dataset))
    return set(itertools.chain.from_iterable(clips.modalities(recipe) for recipe in found if recipe))


def sample_shards(config: Config, dataset: str) -> list[str]:
    """Shards of frames, and of flow where runs need it."""
    return [f"data/{dataset}/shards/{name}" for name in ("rgb", "flow") if name in modalities(config, dataset)]


def sample_options(config: Config, dataset: str) -> str:
    """The options of pipeline.figures.samples that name them, and the picture's title."""
    shards = sample_shards(config, dataset)
    flow = ["--flow", shards[1]] if len(shards) > 1 else []
    title = f"{dataset}: frames{', and the flow after each' if flow else ''}"
    return shlex.join([shards[0], *flow, "--title", title])


def data_files(config: Config, dataset: str) -> list[str]:
    """splits.parquet and quarantine.tsv, where the data set is read here."""
    there = made_here(config, dataset)
    return [f"data/{dataset}/{file}" for file in ("splits.parquet", "quarantine.tsv")] if there else []


def summary_options(config: Config, dataset: str) -> str:
    """The options of pipeline.figures.summary that name them."""
    names = ("--splits", "--quarantine")
    pairs = zip(names, data_files(config, dataset), strict=False)
    return shlex.join(itertools.chain.from_iterable(pairs))


@functools.cache
def _planned(config: str, dataset: str) -> tuple[tuple[str, int, int], ...]:
    """Asked once for every figure of every run, and slow: it asks of every row there is what stands in its way."""
    return tuple(tableplans.gathered_scores(json.loads(config), dataset))
