"""Which files the workflow makes, and what each stage's results depend on: path logic as plain functions.

`config` is config.yaml as a dict. The rules ask here; nothing here knows of Snakemake.
"""

import functools
import itertools
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline import tables
from pipeline.common.code_hash import stage_hash
from pipeline.common.files import sha256
from pipeline.config.recipe import TEST_KEYS, recipe_hash
from pipeline.config.settings import Config, of_dataset
from pipeline.fetch.sources import sources
from pipeline.formats.modalities import FRAMES, MODALITIES
from pipeline.index import membership, slices, split_numbers
from pipeline.index.membership import FolderHashes
from pipeline.index.video_files import list_files
from pipeline.models import registry
from pipeline.weights import releases
from pipeline.workflow import runs, table_targets

Params = dict[str, Any]  # of a job: its stage's settings and the hash of its code

ARCHITECTURES = Path(tables.__file__).with_name("architectures.tsv")
FIGURES_OF_NETWORKS = ("figure_saliency", "figure_embedding", "figure_filters", "figure_words")
# Stages whose code is also that of their run's network.
NETWORK_STAGES = ("train", "score", *FIGURES_OF_NETWORKS)
TRACKS = ("patch", "grid", "scales", "quality", "features", "flow", "still", "erratic", "jump", "camera")


def raw_videos(config: Config, dataset: str) -> str:
    """The folder of class folders."""
    return of_dataset(config, dataset).folder or f"data/raw/{dataset}/videos"


def lists(config: Config, dataset: str) -> str:
    """The folder of official lists, or nothing where splits are drawn or the user's own."""
    settings = of_dataset(config, dataset)
    return "" if settings.layout == "folder" else settings.lists or f"data/raw/{dataset}/lists"


def fetched(config: Config, dataset: str) -> list[str]:
    """The marker of fetched archives; none where the user's own folder is taken."""
    return [] if of_dataset(config, dataset).folder else [f"data/raw/{dataset}/fetched.tsv"]


def archives(config: Config, dataset: str) -> list[str]:
    """Archives that are on this machine already, as paths; downloads are none of Snakemake's files."""
    folder = of_dataset(config, dataset).archives
    return [f"{folder}/{source.file}" for source in sources(dataset)] if folder else []


def archives_option(config: Config, dataset: str) -> str:
    """`--archives FOLDER` where the data set has one."""
    folder = of_dataset(config, dataset).archives
    return f"--archives {shlex.quote(folder)}" if folder else ""


def index_options(config: Config, dataset: str) -> str:
    """The options of pipeline.index that say which videos there are, whose class and in which slice."""
    return _command(_places(config, dataset) | {"--label-map": of_dataset(config, dataset).label_map})


def split_options(config: Config, dataset: str) -> str:
    """Those that say who trains and who tests."""
    settings = of_dataset(config, dataset)
    options = {"--split-file": settings.split_file, "--draw": split_numbers.count_drawn(settings)}
    return _command(options | {"--test-share": settings.test_share})


def slice_options(config: Config, dataset: str) -> str:
    """The options of pipeline.frames by which it finds a slice's videos."""
    return _command(_places(config, dataset))


def bad_share_option(config: Config, dataset: str) -> str:
    """The option of pipeline.frames that ends a job of many bad videos; it changes no frame."""
    return f"--max-bad-share={of_dataset(config, dataset).frames.max_bad_share}"


def repair_option(config: Config, dataset: str) -> str:
    """The option of pipeline.frames that saves what ffmpeg can of bad videos."""
    return "--repair" if of_dataset(config, dataset).frames.repair else ""


def direction(config: Config, modality: str) -> str:
    """Which way a modality's flow goes: to the next frame, or from it."""
    return MODALITIES[modality].made_by.get("direction", "forward")


def flow_gpus(config: Config, dataset: str) -> int:
    """GPUs of a job of flow: none where the backend is named and is no GPU's."""
    return int(of_dataset(config, dataset).flow.backend in ("auto", "cuda"))


def slice_files(config: Config, dataset: str, modality: str, suffix: str = ".h5") -> list[str]:
    """The files of a modality, one per slice."""
    return [
        f"data/{dataset}/{MODALITIES[modality].folder}/{number}{suffix}"
        for number in slices.names(of_dataset(config, dataset).slices)
    ]


def quarantine_files(config: Config, dataset: str) -> list[str]:
    """The quarantine files that the frames stage writes, one per slice."""
    return slice_files(config, dataset, FRAMES, ".quarantine.tsv")


def modality_names(stage: str = "") -> str:
    """A regular expression of the modalities, or of those that a stage makes."""
    return "|".join(name for name, row in MODALITIES.items() if stage in ("", row.made_by["stage"]))


def idt_files(config: Config, dataset: str, kind: str) -> list[str]:
    """One file a slice of samples or encodings of improved trajectories."""
    return [f"data/{dataset}/idt/{kind}/{number}.h5" for number in slices.names(of_dataset(config, dataset).slices)]


def vocabularies(config: Config, dataset: str) -> list[str]:
    """Those of every split and seed: a slice's tracks are followed once for all of them."""
    settings = of_dataset(config, dataset)
    pairs = itertools.product(settings.splits, settings.tables.seeds)
    return [f"data/{dataset}/idt/vocabularies/split{split}.seed{seed}.h5" for split, seed in pairs]


def track_options(config: Config, dataset: str) -> str:
    """The options of pipeline.idt that say which tracks there are."""
    return shlex.join(f"--{name}={value}" for name, value in _idt(config, dataset, TRACKS).items())


def table_inputs(config: Config, dataset: str) -> list[str]:
    """The score files that a data set's table shows."""
    planned = table_targets.gathered_scores(config, dataset)
    return [runs.score_file(dataset, split, seed, run) for run, split, seed in planned]


def paper_table_inputs(config: Config, table: str) -> list[str]:
    """The score files that a paper's table shows."""
    planned = table_targets.paper_scores(config, table)
    return [runs.score_file(dataset, split, seed, run) for dataset, run, split, seed in planned]


def paper_table_settings(config: Config, table: str) -> Params:
    """What decides a paper's table, its code too."""
    return {"code": stage_hash("tables"), **table_targets.paper_settings(config, table)}


def tables_of(config: Config) -> list[str]:
    """Every data set's table and every paper's tables."""
    return table_targets.table_files(config)


def stage_settings(config: Config, stage: str, dataset: str, run: str = "") -> Params:
    """What decides a stage's result: its settings and the hash of its code. Snakemake re-runs it when this changes."""
    modules = [registry.module_of(runs.recipe(config, dataset, run).net)] if stage in NETWORK_STAGES else []
    settings = _SETTINGS[stage](config, dataset, run) if stage in _SETTINGS else {}
    return {"code": stage_hash(stage, *modules), **settings}


def slice_settings(config: Config, dataset: str, slice: str) -> Params:
    """What decides a slice's frames. `videos` is a hash of those that a user's own folder has for it."""
    settings = stage_settings(config, "frames", dataset)
    found = survey(config, dataset)
    return settings | {"videos": found.slices.get(slice, "") if found else ""}


def survey(config: Config, dataset: str) -> FolderHashes | None:
    """The user's own folder as it is now, walked once a process; nothing of archives, which are fetched later."""
    settings = of_dataset(config, dataset)
    if not settings.folder:
        return None
    official = lists(config, dataset) or None
    return membership.folder_hashes(settings.folder, settings.layout, official, settings.slices, config["seed"])


def architecture_settings() -> Params:
    """What decides the table of architectures: the code, and the published facts in architectures.tsv."""
    modules = sorted({net.module for net in registry.entries().values()})
    return {"code": stage_hash("architectures", *modules), "published": sha256(ARCHITECTURES)}


def release_settings() -> Params:
    """What decides imported weights: the code, and which file stands for which release."""
    modules = sorted({registry.module_of(row["model"]) for row in releases.rows()})
    return {"code": stage_hash("release", *modules), "table": sha256(releases.TABLE)}


@functools.cache
def inventory(folder: str) -> str:
    """A hash of the files below a user's folder by path, size and time, so that a changed one is noticed."""
    return membership.hash_rows(list_files(folder))


def _fetch(config: Config, dataset: str, run: str) -> Params:
    return {"sources": [str(source) for source in sources(dataset)]}


def _demo(config: Config, dataset: str, run: str) -> Params:
    return {"seed": config["seed"]}


def _index(config: Config, dataset: str, run: str) -> Params:
    return {**_videos(config, dataset, ("label_map",)), "slices": of_dataset(config, dataset).slices}


def _splits(config: Config, dataset: str, run: str) -> Params:
    settings = of_dataset(config, dataset)
    videos = _videos(config, dataset, ("label_map", "split_file"))
    return {**videos, "test_share": settings.test_share, "drawn": split_numbers.count_drawn(settings)}


def _coverage(config: Config, dataset: str, run: str) -> Params:
    """Of files that are no videos, too."""
    found = survey(config, dataset)
    return {**_splits(config, dataset, run), "others": found.others if found else ""}


def _videos(config: Config, dataset: str, names: Sequence[str]) -> Params:
    """What decides an index: hashes of the user's own videos, of the lists and of the files that `names` set.

    Where these lie decides nothing, so that a renamed folder indexes, decodes and trains nothing anew.
    """
    settings, found = of_dataset(config, dataset), survey(config, dataset)
    hashes = {"videos": found.videos} if found else {}
    hashes |= {"lists": inventory(settings.lists)} if settings.lists else {}
    hashes |= {name: sha256(path) for name in names if (path := getattr(settings, name))}
    return {"layout": settings.layout, "seed": config["seed"], "files": hashes}


def _frames(config: Config, dataset: str, run: str) -> Params:
    settings = of_dataset(config, dataset)
    size = settings.frames.size
    text = str(size) if isinstance(size, int) else "x".join(map(str, size))
    frames = {name: value for name, value in asdict(settings.frames).items() if name != "max_bad_share"}
    if settings.folder:
        return {**frames, "size": text}  # which videos a slice has is in its own settings
    # Of archives, which are not there yet, it is settings and lists that say which slice has which videos.
    lists = {"lists": inventory(settings.lists)} if settings.lists else {}
    slices = {"layout": settings.layout, "slices": settings.slices, "seed": config["seed"]}
    return {**frames, "size": text, **slices, **lists}


def _quarantine(config: Config, dataset: str, run: str) -> Params:
    return {"max_bad_share": of_dataset(config, dataset).frames.max_bad_share}


def _flow(config: Config, dataset: str, run: str) -> Params:
    settings = of_dataset(config, dataset).flow
    return {**asdict(settings), "parameters": json.dumps(settings.parameters, sort_keys=True)}


def _shard(config: Config, dataset: str, run: str) -> Params:
    return asdict(of_dataset(config, dataset).shard)


def _train(config: Config, dataset: str, run: str) -> Params:
    return {"recipe": recipe_hash(runs.recipe(config, dataset, run))}


def _score(config: Config, dataset: str, run: str) -> Params:
    recipe = runs.recipe(config, dataset, run)
    return {key: getattr(recipe, key) for key in TEST_KEYS}


def _fuse(config: Config, dataset: str, run: str) -> Params:
    return asdict(runs.fusion(config, dataset, run))


def _idt(config: Config, dataset: str, names: tuple[str, ...]) -> Params:
    """Those of the settings that config.yaml gives; the authors' values are the commands' own defaults."""
    settings = asdict(of_dataset(config, dataset).idt)
    return {name: settings[name] for name in names if settings[name] is not None}


def _idt_sample(config: Config, dataset: str, run: str) -> Params:
    return _idt(config, dataset, (*TRACKS, "window", "sample")) | {"seed": config["seed"]}


def _idt_vocabulary(config: Config, dataset: str, run: str) -> Params:
    return _idt(config, dataset, ("clusters", "vocabulary"))


def _idt_encode(config: Config, dataset: str, run: str) -> Params:
    return _idt(config, dataset, TRACKS)


def _idt_classify(config: Config, dataset: str, run: str) -> Params:
    return _idt(config, dataset, ("c",)) | {"preset": of_dataset(config, dataset).preset}


def _tables(config: Config, dataset: str, run: str) -> Params:
    return table_targets.settings_of(config, dataset)


def _places(config: Config, dataset: str) -> dict[str, object]:
    """The options that say which videos there are and in which slice."""
    settings = of_dataset(config, dataset)
    options = {"--layout": settings.layout, "--slices": settings.slices, "--seed": config["seed"]}
    return options | {"--lists": lists(config, dataset)}


def _command(options: Mapping[str, object]) -> str:
    """Those that have a value."""
    return shlex.join(f"{key}={value}" for key, value in options.items() if value not in ("", None))


# Stage -> the settings that decide its result, of (config, data set, run); the stages left out have none.
_SETTINGS = {
    "demo": _demo, "fetch": _fetch, "index": _index, "splits": _splits, "coverage": _coverage, "frames": _frames,
    "quarantine": _quarantine, "flow": _flow, "shard": _shard, "train": _train, "score": _score, "fuse": _fuse,
    "tables": _tables, "idt_sample": _idt_sample, "idt_vocabulary": _idt_vocabulary, "idt_encode": _idt_encode,
    "idt_classify": _idt_classify, "figure_tracks": _idt_encode,
}  # fmt: skip
