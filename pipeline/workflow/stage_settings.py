"""What each stage's result depends on: its settings and the hash of its code, which the rules have as params.

Snakemake re-runs a job when its params change. `config` is config.yaml as a dict.
"""

import functools
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline import tables
from pipeline.common.code_hash import stage_hash
from pipeline.common.files import sha256
from pipeline.config.recipe import TEST_KEYS, recipe_hash
from pipeline.config.settings import Config, of_dataset
from pipeline.fetch.sources import sources
from pipeline.index import membership, split_numbers
from pipeline.index.membership import FolderHashes
from pipeline.index.video_files import list_files
from pipeline.models import registry
from pipeline.weights import releases
from pipeline.workflow import runs, table_targets

Params = dict[str, Any]

ARCHITECTURES = Path(tables.__file__).with_name("architectures.tsv")
NETWORK_FIGURES = ("figure_saliency", "figure_embedding", "figure_filters", "figure_words")
NETWORK_STAGES = ("train", "score", *NETWORK_FIGURES)  # their code includes that of the run's network
TRACK_KEYS = ("patch", "grid", "scales", "quality", "features", "flow", "still", "erratic", "jump", "camera")


def stage_settings(config: Config, stage: str, dataset: str, run: str = "") -> Params:
    """The settings of a stage and the hash of its code, as `code`."""
    modules = [registry.module_of(runs.recipe(config, dataset, run).net)] if stage in NETWORK_STAGES else []
    settings = _SETTINGS[stage](config, dataset, run) if stage in _SETTINGS else {}
    return {"code": stage_hash(stage, *modules), **settings}


def slice_settings(config: Config, dataset: str, slice: str) -> Params:
    """The settings of a slice's frames; `videos` is a hash of the slice's videos in the user's own folder."""
    hashes = folder_hashes(config, dataset)
    return stage_settings(config, "frames", dataset) | {"videos": hashes.slices.get(slice, "") if hashes else ""}


def paper_table_settings(config: Config, table: str) -> Params:
    """The settings of a paper's table."""
    return {"code": stage_hash("tables"), **table_targets.paper_table_settings(config, table)}


def architecture_settings() -> Params:
    """The settings of the table of architectures: a hash of the published facts, as `published`."""
    modules = sorted({net.module for net in registry.entries().values()})
    return {"code": stage_hash("architectures", *modules), "published": sha256(ARCHITECTURES)}


def release_settings() -> Params:
    """The settings of imported weights: a hash of the table of releases, as `table`."""
    modules = sorted({registry.module_of(row["model"]) for row in releases.rows()})
    return {"code": stage_hash("release", *modules), "table": sha256(releases.TABLE)}


def idt_settings(config: Config, dataset: str, keys: tuple[str, ...]) -> Params:
    """Settings of improved trajectories that config.yaml sets; the others are the defaults of the commands."""
    settings = asdict(of_dataset(config, dataset).idt)
    return {key: settings[key] for key in keys if settings[key] is not None}


def lists_folder(config: Config, dataset: str) -> str:
    """The folder of the official lists, or of a table of classes; empty for class folders."""
    settings = of_dataset(config, dataset)
    return settings.lists or ("" if settings.layout == "folder" else f"data/raw/{dataset}/lists")


def folder_hashes(config: Config, dataset: str) -> FolderHashes | None:
    """Hashes of the user's own folder as it is now, computed once per process; None for archives, fetched later."""
    settings = of_dataset(config, dataset)
    if not settings.folder:
        return None
    lists = lists_folder(config, dataset) or None
    return membership.folder_hashes(settings.folder, settings.layout, lists, settings.slices, config["seed"])


@functools.cache
def hash_files(folder: str) -> str:
    """A hash of the paths, sizes and times of the files in a user's folder, which changes when a file does."""
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
    """Also depends on the files in the folder that are not videos."""
    hashes = folder_hashes(config, dataset)
    return {**_splits(config, dataset, run), "others": hashes.others if hashes else ""}


def _videos(config: Config, dataset: str, keys: Sequence[str]) -> Params:
    """Hashes of the user's videos, of the lists and of the files that the settings `keys` name.

    The paths are not part of the settings, so that a renamed folder re-runs nothing.
    """
    settings, hashes = of_dataset(config, dataset), folder_hashes(config, dataset)
    files = {"videos": hashes.videos} if hashes else {}
    files |= {"lists": hash_files(settings.lists)} if settings.lists else {}
    files |= {key: sha256(path) for key in keys if (path := getattr(settings, key))}
    return {"layout": settings.layout, "seed": config["seed"], "files": files}


def _frames(config: Config, dataset: str, run: str) -> Params:
    settings = of_dataset(config, dataset)
    size = settings.frames.size
    text = str(size) if isinstance(size, int) else "x".join(map(str, size))
    frames = {name: value for name, value in asdict(settings.frames).items() if name != "max_bad_share"}
    if settings.folder:
        return {**frames, "size": text}  # slice_settings adds the slice's videos
    # Archives are not fetched yet: settings and lists decide which videos are in a slice.
    lists = {"lists": hash_files(settings.lists)} if settings.lists else {}
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


def _idt_sample(config: Config, dataset: str, run: str) -> Params:
    return idt_settings(config, dataset, (*TRACK_KEYS, "window", "sample")) | {"seed": config["seed"]}


def _idt_vocabulary(config: Config, dataset: str, run: str) -> Params:
    return idt_settings(config, dataset, ("clusters", "vocabulary"))


def _idt_encode(config: Config, dataset: str, run: str) -> Params:
    return idt_settings(config, dataset, TRACK_KEYS)


def _idt_classify(config: Config, dataset: str, run: str) -> Params:
    return idt_settings(config, dataset, ("c",)) | {"preset": of_dataset(config, dataset).preset}


def _tables(config: Config, dataset: str, run: str) -> Params:
    return table_targets.dataset_table_settings(config, dataset)


# Stage -> function of (config, data set, run) that returns its settings; other stages have none.
_SETTINGS = {
    "demo": _demo, "fetch": _fetch, "index": _index, "splits": _splits, "coverage": _coverage, "frames": _frames,
    "quarantine": _quarantine, "flow": _flow, "shard": _shard, "train": _train, "score": _score, "fuse": _fuse,
    "tables": _tables, "idt_sample": _idt_sample, "idt_vocabulary": _idt_vocabulary, "idt_encode": _idt_encode,
    "idt_classify": _idt_classify, "figure_tracks": _idt_encode,
}  # fmt: skip
