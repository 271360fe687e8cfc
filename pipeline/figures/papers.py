"""Which of the papers' own figures a data set has, and what they are made of: they follow the rows' networks.

`config` is config.yaml as a dict. Nothing here draws, and nothing here knows of Snakemake.
"""

import itertools
import shlex
from collections.abc import Mapping
from typing import Any

from pipeline import madehere, recipes, runs, tableplans, targets
from pipeline.config import of_dataset
from pipeline.figures import plans

Config = Mapping[str, Any]

FILES = {"saliency": "saliency.png", "embedding": "embedding.svg", "filters": "filters.png", "words": "words.png"}
TRACKS = "idt.idt"  # the system whose tracks are drawn
SHOWN = 6  # classes of a picture


def figures(config: Config, dataset: str) -> list[str]:
    """Every one of a data set."""
    places = trained(config, dataset)
    pairs = ((run, name) for run in places for name in of_run(runs.recipe(config, dataset, run)))
    found = [f"{run}/{FILES[name]}" for run, name in pairs]
    found += ["tracks.png"] if TRACKS in plans.made_here(config, dataset) else []
    return plans.named(dataset, *(f"papers/{file}" for file in found))


def of_run(recipe: recipes.Recipe) -> list[str]:
    """The figures that a paper has of such a network: of FstCN with both paths, of I3D and of ActionVLAD that learn."""
    net, options = recipe["net"], recipe["options"]
    if net == "fstcn" and len(options.get("paths", ("spatial", "temporal"))) == 2:
        return ["saliency", "embedding"]
    if net == "i3d" and recipe["trains"] == "all":
        return ["filters"]
    learns = options.get("pooling", "vlad") == "vlad" and options.get("stage") != 1
    return ["words"] if net == "action_vlad" and learns and options.get("layer") != "fc7" else []  # fc7 has no places


def trained(config: Config, dataset: str) -> dict[str, tuple[int, int]]:
    """(split, seed) of the first training that the rows show, by run, parts of fusions too; none that was imported."""
    found: dict[str, tuple[int, int]] = {}
    for row, split, seed in tableplans.gathered_scores(config, dataset):
        for run in madehere.leaves(config, dataset, row):
            name, short = run.split(".")
            ours = short in runs.experiment(config, dataset, name).runs
            if ours and not madehere.imported(dataset, split, seed, run):
                found.setdefault(run, (split, seed))
    return found


def weights(config: Config, dataset: str, run: str) -> str:
    """The weights of the training that is drawn."""
    return (runs.run_folder(dataset, *_place(config, dataset, run), run) / "weights.safetensors").as_posix()


def first_weights(config: Config, dataset: str, run: str) -> list[str]:
    """The files that it began with."""
    return [*runs.sources(config, dataset, *_place(config, dataset, run), run).values()]


def init_options(config: Config, dataset: str, run: str) -> str:
    """The options of pipeline.figures.filters that name them."""
    sources = runs.sources(config, dataset, *_place(config, dataset, run), run)
    return shlex.join(itertools.chain.from_iterable(("--init", f"{part}={path}") for part, path in sources.items()))


def video_options(config: Config, dataset: str) -> str:
    """The options that say which classes' videos are shown: of each of the data set's groups as many, or drawn."""
    groups = list(of_dataset(config, dataset)["groups"].values())
    each = max(1, SHOWN // max(1, len(groups)))
    classes = list(dict.fromkeys(itertools.chain.from_iterable(group[:each] for group in groups)))[:SHOWN]
    return shlex.join(["--seed", str(config["seed"]), *(["--classes", *classes] if classes else [])])


def seed_option(config: Config) -> str:
    """The option that says what draws classes and videos."""
    return f"--seed {config['seed']}"


def track_options(config: Config, dataset: str) -> str:
    """The options of pipeline.figures.tracks: classes, split, and which tracks there are."""
    pairs = tableplans.gathered_scores(config, dataset)
    split = next((split for run, split, _ in pairs if TRACKS in madehere.leaves(config, dataset, run)), 1)
    return f"{video_options(config, dataset)} --split {split} {targets.track_options(config, dataset)}"


def _place(config: Config, dataset: str, run: str) -> tuple[int, int]:
    settings = of_dataset(config, dataset)
    first = (settings["splits"][0], settings["tables"].get("seeds", [0])[0])
    return trained(config, dataset).get(run, first)
