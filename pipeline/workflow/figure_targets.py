"""Which figures a data set has, and what they are made of: they follow the rows that config.yaml chose.

`config` is config.yaml as a dict. Nothing here draws, and nothing here knows of Snakemake.
"""

import functools
import itertools
import json
import shlex
from collections.abc import Mapping
from typing import Any

from pipeline.config.recipe import Recipe
from pipeline.config.settings import of_dataset
from pipeline.inputs import clip_sampling
from pipeline.tables import entries
from pipeline.workflow import runs, score_origins, table_targets, targets

Config = Mapping[str, Any]

FIGURES = "results/figures"


def summaries(config: Config) -> list[str]:
    """The first page of every data set that has a table."""
    kept = [dataset for dataset in config["datasets"] if not of_dataset(config, dataset).auxiliary]
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


def all_figures(config: Config, dataset: str) -> list[str]:
    """Every figure and page of a data set, those of the papers included, except for the summary."""
    return [*figures(config, dataset), *paper_figures(config, dataset)]


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
    shown = (row for row in table_targets.table_rows() if row.run == run and entries.applies(row, dataset))
    return next((row.method for row in shown), run)


def heading(config: Config, dataset: str, run: str) -> str:
    """Under what a report lists a run's figures; their titles say the method, which is too long for a menu."""
    return f"{dataset}: {run}"


def table_scores(config: Config, dataset: str) -> list[str]:
    """Every score file behind the data set's rows."""
    return [runs.score_file(dataset, split, seed, run) for run, split, seed in planned(config, dataset)]


def metrics(config: Config, dataset: str, run: str) -> list[str]:
    """The metrics of a run's trainings, those alone that are ours: none of a fusion or of imported scores."""
    if not score_origins.recipe(config, dataset, run):
        return []
    ours = [place for place in places(config, dataset, run) if not score_origins.imported(dataset, *place, run)]
    return [str(runs.run_folder(dataset, *place, run) / "metrics.parquet") for place in ours]


def made_here(config: Config, dataset: str) -> list[str]:
    """The runs and systems behind the data set's rows that read its own videos."""
    return score_origins.made_here(config, dataset, planned(config, dataset))


def modalities(config: Config, dataset: str) -> set[str]:
    """The shards that exist for the data set's runs: rgb, flow, backward."""
    found = (score_origins.recipe(config, dataset, run) for run in made_here(config, dataset))
    return set(itertools.chain.from_iterable(clip_sampling.modalities(recipe) for recipe in found if recipe))


def sample_shards(config: Config, dataset: str) -> list[str]:
    """Shards of frames, and of flow where runs need it."""
    return [f"data/{dataset}/shards/{name}" for name in ("rgb", "flow") if name in modalities(config, dataset)]


def sample_options(config: Config, dataset: str) -> str:
    """The options of pipeline.report.samples that name them, and the picture's title."""
    shards = sample_shards(config, dataset)
    flow = ["--flow", shards[1]] if len(shards) > 1 else []
    title = f"{dataset}: frames{', and the flow after each' if flow else ''}"
    return shlex.join([shards[0], *flow, "--title", title])


def data_files(config: Config, dataset: str) -> list[str]:
    """splits.parquet and quarantine.tsv, where the data set is read here."""
    there = made_here(config, dataset)
    return [f"data/{dataset}/{file}" for file in ("splits.parquet", "quarantine.tsv")] if there else []


def summary_options(config: Config, dataset: str) -> str:
    """The options of pipeline.report.summary that name them."""
    names = ("--splits", "--quarantine")
    pairs = zip(names, data_files(config, dataset), strict=False)
    return shlex.join(itertools.chain.from_iterable(pairs))


@functools.cache
def _planned(config: str, dataset: str) -> tuple[tuple[str, int, int], ...]:
    """Asked once for every figure of every run, and slow: it asks of every row there is what stands in its way."""
    return tuple(table_targets.gathered_scores(json.loads(config), dataset))


FILES = {"saliency": "saliency.png", "embedding": "embedding.svg", "filters": "filters.png", "words": "words.png"}
TRACKS = "idt.idt"  # the system whose tracks are drawn
SHOWN = 6  # classes of a picture


def paper_figures(config: Config, dataset: str) -> list[str]:
    """Every one of a data set."""
    places = trained(config, dataset)
    pairs = ((run, name) for run in places for name in of_run(runs.recipe(config, dataset, run)))
    found = [f"{run}/{FILES[name]}" for run, name in pairs]
    found += ["tracks.png"] if TRACKS in made_here(config, dataset) else []
    return named(dataset, *(f"papers/{file}" for file in found))


def of_run(recipe: Recipe) -> list[str]:
    """The figures that a paper has of such a network: of FstCN with both paths, of I3D and of ActionVLAD that learn."""
    net, options = recipe.net, recipe.options
    if net == "fstcn" and len(options.get("paths", ("spatial", "temporal"))) == 2:
        return ["saliency", "embedding"]
    if net == "i3d" and recipe.trainable == "all":
        return ["filters"]
    learns = options.get("pooling", "vlad") == "vlad" and options.get("stage") != 1
    return ["words"] if net == "action_vlad" and learns and options.get("layer") != "fc7" else []  # fc7 has no places


def trained(config: Config, dataset: str) -> dict[str, tuple[int, int]]:
    """(split, seed) of the first training that the rows show, by run, parts of fusions too; none that was imported."""
    found: dict[str, tuple[int, int]] = {}
    for row, split, seed in table_targets.gathered_scores(config, dataset):
        for run in score_origins.leaves(config, dataset, row):
            name, short = run.split(".")
            ours = short in runs.experiment(config, dataset, name).runs
            if ours and not score_origins.imported(dataset, split, seed, run):
                found.setdefault(run, (split, seed))
    return found


def weights(config: Config, dataset: str, run: str) -> str:
    """The weights of the training that is drawn."""
    return (runs.run_folder(dataset, *_place(config, dataset, run), run) / "weights.safetensors").as_posix()


def network_inputs(config: Config, dataset: str, run: str) -> dict[str, str | list[str]]:
    """What a figure of a trained network reads: its weights, its shards and the splits of the data set."""
    splits = f"data/{dataset}/splits.parquet"
    return {"weights": weights(config, dataset, run), "shards": runs.shards(config, dataset, run), "splits": splits}


def first_weights(config: Config, dataset: str, run: str) -> list[str]:
    """The files that it began with."""
    return [*runs.sources(config, dataset, *_place(config, dataset, run), run).values()]


def init_options(config: Config, dataset: str, run: str) -> str:
    """The options of pipeline.report.papers.filters that name them."""
    sources = runs.sources(config, dataset, *_place(config, dataset, run), run)
    return shlex.join(itertools.chain.from_iterable(("--init", f"{part}={path}") for part, path in sources.items()))


def video_options(config: Config, dataset: str) -> str:
    """The options that say which classes' videos are shown: of each of the data set's groups as many, or drawn."""
    groups = list(of_dataset(config, dataset).groups.values())
    each = max(1, SHOWN // max(1, len(groups)))
    classes = list(dict.fromkeys(itertools.chain.from_iterable(group[:each] for group in groups)))[:SHOWN]
    return shlex.join(["--seed", str(config["seed"]), *(["--classes", *classes] if classes else [])])


def seed_option(config: Config) -> str:
    """The option that says what draws classes and videos."""
    return f"--seed {config['seed']}"


def track_options(config: Config, dataset: str) -> str:
    """The options of pipeline.report.papers.tracks: classes, split, and which tracks there are."""
    pairs = table_targets.gathered_scores(config, dataset)
    split = next((split for run, split, _ in pairs if TRACKS in score_origins.leaves(config, dataset, run)), 1)
    return f"{video_options(config, dataset)} --split {split} {targets.track_options(config, dataset)}"


def _place(config: Config, dataset: str, run: str) -> tuple[int, int]:
    settings = of_dataset(config, dataset)
    first = (settings.splits[0], settings.tables.seeds[0])
    return trained(config, dataset).get(run, first)
