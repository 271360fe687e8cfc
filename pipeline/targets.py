"""Which files the workflow makes, and what each stage's results depend on: path logic as plain functions.

`config` is config.yaml as a dict. The rules ask here; nothing here knows of Snakemake.
"""

import functools
import hashlib
import itertools
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import recipes, slices, tables
from pipeline.codehash import code_hash
from pipeline.config import Settings, of_dataset
from pipeline.files import read_tsv, sha256
from pipeline.fusions import FITTED
from pipeline.scanning import walk
from pipeline.sources import sources

Config = Mapping[str, Any]

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
ARCHITECTURES = Path(__file__).with_name("architectures.tsv")
CODE = {"shard": "shard_tools.pack"}  # a stage whose result hangs on less than its whole module
MODALITY_FOLDER = {"rgb": "frames", "flow": "flow", "backward": "backward"}
DIRECTIONS = {"flow": "forward", "backward": "backward"}
INDEX_KEYS = ("layout", "lists", "split_file", "label_map", "test_share", "splits", "slices")


def experiment_files(config: Config, dataset: str) -> list[str]:
    """The experiments of a data set, as paths."""
    return [str(EXPERIMENTS / f"{experiment}.yaml") for experiment in of_dataset(config, dataset)["experiments"]]


def experiments(config: Config, dataset: str) -> dict[str, recipes.Experiment]:
    """The experiments of a data set under its preset, by name."""
    preset = of_dataset(config, dataset)["preset"]
    return {Path(path).stem: _experiment(path, preset) for path in experiment_files(config, dataset)}


def recipe(config: Config, dataset: str, run: str) -> recipes.Recipe:
    """The recipe of `experiment.run` for a data set."""
    experiment, short = run.split(".")
    return experiments(config, dataset)[experiment].run(short)


def fusion(config: Config, dataset: str, run: str) -> Settings:
    """What `experiment.fusion` fuses and how; `scores` are full names of runs."""
    experiment, short = run.split(".")
    found = experiments(config, dataset)[experiment].fusions[short]
    return {"weights": [], **found, "scores": [f"{experiment}.{part}" for part in found["scores"]]}


def run_names(config: Config, kind: str) -> list[str]:
    """Every `experiment.run` (kind `runs`) or `experiment.fusion` (kind `fusions`) that some data set uses."""
    found = (experiments(config, dataset).values() for dataset in config["datasets"])
    return sorted({f"{e.name}.{run}" for e in itertools.chain.from_iterable(found) for run in getattr(e, kind)})


def raw_videos(config: Config, dataset: str) -> str:
    """The folder of class folders."""
    return of_dataset(config, dataset)["folder"] or f"data/raw/{dataset}/videos"


def lists(config: Config, dataset: str) -> str:
    """The folder of official lists, or nothing where splits are drawn or the user's own."""
    settings = of_dataset(config, dataset)
    return "" if settings["layout"] == "folder" else settings["lists"] or f"data/raw/{dataset}/lists"


def fetched(config: Config, dataset: str) -> list[str]:
    """The marker of fetched archives; none where the user's own folder is taken."""
    return [] if of_dataset(config, dataset)["folder"] else [f"data/raw/{dataset}/fetched.tsv"]


def archives(config: Config, dataset: str) -> list[str]:
    """Archives that are on this machine already, as paths; downloads are none of Snakemake's files."""
    folder = of_dataset(config, dataset)["archives"]
    return [f"{folder}/{source.file}" for source in sources(dataset)] if folder else []


def archives_option(config: Config, dataset: str) -> str:
    """`--archives FOLDER` where the data set has one."""
    folder = of_dataset(config, dataset)["archives"]
    return f"--archives {shlex.quote(folder)}" if folder else ""


def index_options(config: Config, dataset: str) -> str:
    """The options of pipeline.index that depend on where the data set's splits come from."""
    settings = of_dataset(config, dataset)
    options = {"--lists": lists(config, dataset), "--split-file": settings["split_file"]}
    options["--label-map"] = settings["label_map"]
    return shlex.join(itertools.chain.from_iterable((key, value) for key, value in options.items() if value))


def shards(config: Config, dataset: str, run: str) -> str:
    """The shards of a run's modality."""
    return f"data/{dataset}/shards/{recipe(config, dataset, run)['modality']}"


def threads(config: Config, dataset: str, run: str) -> int:
    """CPU threads that a run's recipe asks for."""
    return recipe(config, dataset, run)["threads"]


def run_options(config: Config, dataset: str, run: str) -> str:
    """The options of pipeline.train that say which recipe."""
    experiment, short = run.split(".")
    path, preset = EXPERIMENTS / f"{experiment}.yaml", of_dataset(config, dataset)["preset"]
    return shlex.join(["--experiment", str(path), "--run", short, "--preset", preset])


def fuse_options(config: Config, dataset: str, split: int | str, run: str) -> str:
    """The options of pipeline.fuse: method, weights, and the training scores of a fusion that is fitted."""
    settings = fusion(config, dataset, run)
    options = ["--method", settings["method"], "--on", settings["of"]]
    options += ["--weights", *map(str, settings["weights"])] if settings["weights"] else []
    train = fuse_inputs(config, dataset, split, run, "train")
    return shlex.join(options + (["--train-scores", *train] if train else []))


def fuse_inputs(config: Config, dataset: str, split: int | str, run: str, subset: str) -> list[str]:
    """The score files that a fusion reads; training scores only where it is fitted to them."""
    settings = fusion(config, dataset, run)
    needed = subset == "test" or settings["method"] in FITTED
    return [score_file(dataset, split, part, subset) for part in settings["scores"]] if needed else []


def repair_option(config: Config, dataset: str) -> str:
    """The option of pipeline.frames that saves what ffmpeg can of bad videos."""
    return "--repair" if of_dataset(config, dataset)["frames"]["repair"] else ""


def direction(config: Config, modality: str) -> str:
    """Which way a modality's flow goes: to the next frame, or from it."""
    return DIRECTIONS[modality]


def slice_files(config: Config, dataset: str, modality: str, suffix: str = ".h5") -> list[str]:
    """One file a slice of a modality: rgb, flow or backward."""
    return [
        f"data/{dataset}/{MODALITY_FOLDER[modality]}/{number}{suffix}"
        for number in slices.names(of_dataset(config, dataset)["slices"])
    ]


def score_file(dataset: str, split: int | str, run: str, subset: str = "test") -> str:
    """A run's or a fusion's scores."""
    return tables.score_file(f"results/runs/{dataset}", split, run, subset).as_posix()


def table_inputs(config: Config, dataset: str) -> list[str]:
    """The score files that a data set's table shows."""
    splits = of_dataset(config, dataset)["splits"]
    return [
        score_file(dataset, split, f"{experiment.name}.{run}")
        for experiment in experiments(config, dataset).values()
        for run in dict.fromkeys(row["run"] for row in experiment.rows if "run" in row)
        for split in splits
    ]


def tables_of(config: Config) -> list[str]:
    """Every data set's table, but for those that only others learn from."""
    return [f"results/tables/{name}.csv" for name in config["datasets"] if not of_dataset(config, name)["auxiliary"]]


def stage_settings(config: Config, stage: str, dataset: str, run: str = "") -> Settings:
    """What decides a stage's result: its settings and the hash of its code. Snakemake re-runs it when this changes."""
    return {"code": code_hash(f"pipeline.{CODE.get(stage, stage)}"), **_DECISIVE[stage](config, dataset, run)}


def architecture_settings() -> Settings:
    """What decides the table of architectures: the code, and the published facts in architectures.tsv."""
    return {"code": code_hash("pipeline.architectures"), "published": sha256(ARCHITECTURES)}


@functools.cache
def inventory(folder: str) -> str:
    """A hash of the files below a user's folder by path, size and time, so that a changed one is noticed."""
    rows = [(path, state.st_size, state.st_mtime_ns) for path, state in walk(folder)]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]


def _fetch(config: Config, dataset: str, run: str) -> Settings:
    return {"sources": [str(source) for source in sources(dataset)]}


def _demo(config: Config, dataset: str, run: str) -> Settings:
    return {"seed": config["seed"]}


def _index(config: Config, dataset: str, run: str) -> Settings:
    settings = of_dataset(config, dataset)
    files = [inventory(settings[key]) for key in ("folder", "lists") if settings[key]]
    files += [sha256(settings[key]) for key in ("split_file", "label_map") if settings[key]]
    return {**{key: settings[key] for key in INDEX_KEYS}, "seed": config["seed"], "files": files}


def _frames(config: Config, dataset: str, run: str) -> Settings:
    settings = of_dataset(config, dataset)["frames"]
    size = settings["size"]
    return {**settings, "size": str(size) if isinstance(size, int) else "x".join(map(str, size))}


def _flow(config: Config, dataset: str, run: str) -> Settings:
    settings = of_dataset(config, dataset)["flow"]
    return {**settings, "parameters": json.dumps(settings["parameters"], sort_keys=True)}


def _shard(config: Config, dataset: str, run: str) -> Settings:
    return dict(of_dataset(config, dataset)["shard"])


def _train(config: Config, dataset: str, run: str) -> Settings:
    return {"recipe": recipes.recipe_hash(recipe(config, dataset, run)), "seed": config["seed"]}


def _nothing(config: Config, dataset: str, run: str) -> Settings:
    return {}


def _fuse(config: Config, dataset: str, run: str) -> Settings:
    return {**fusion(config, dataset, run), "seed": config["seed"]}


def _tables(config: Config, dataset: str, run: str) -> Settings:
    settings = of_dataset(config, dataset)
    rows = {experiment.name: experiment.rows for experiment in experiments(config, dataset).values()}
    groups = json.dumps(settings["groups"], sort_keys=True)
    published = [fact for fact in read_tsv(tables.PUBLISHED) if fact["dataset"] == dataset]
    chosen = {key: settings[key] for key in ("splits", "preset")}
    return {"rows": rows, "published": published, "groups": groups, **chosen}


_DECISIVE = {
    "demo": _demo, "fetch": _fetch, "index": _index, "frames": _frames, "flow": _flow, "shard": _shard,
    "quarantine": _nothing, "train": _train, "score": _nothing, "fuse": _fuse, "tables": _tables,
}  # fmt: skip


@functools.cache
def _experiment(path: str, preset: str) -> recipes.Experiment:
    return recipes.load(path, preset)
