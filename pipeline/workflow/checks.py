"""What in config.yaml cannot work, told before the DAG is built."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.common.errors import UserError
from pipeline.config.settings import DatasetSettings, check_schema, config_schema, of_dataset
from pipeline.fetch.sources import dataset_names, sources
from pipeline.index.split_numbers import listed_splits
from pipeline.workflow import table_targets


def check(config: Mapping[str, Any]) -> None:
    """Raise UserError for the first thing in `config` that cannot work."""
    check_schema(config, config_schema(), "config.yaml")
    for name in config["datasets"]:
        _check_dataset(name, of_dataset(config, name))
        _check_others(config["datasets"], name, of_dataset(config, name))
    _check_splits(config)
    table_targets.check(config)


def _check_dataset(name: str, settings: DatasetSettings) -> None:
    for key in ("folder", "lists", "split_file", "label_map"):
        path = getattr(settings, key)
        if path and not Path(path).exists():
            raise UserError(f"datasets.{name}.{key} is {path}, which does not exist: mend the path")
    if settings.layout == "folder" and not settings.folder and name not in dataset_names():
        raise UserError(
            f"datasets.{name} has no folder and sources.tsv has no archives of it: add folder: /path/to/class/folders"
        )
    if settings.folder and not Path(settings.folder).is_dir():
        raise UserError(f"datasets.{name}.folder is {settings.folder}, a file: give the folder of class folders")
    if settings.folder and settings.layout != "folder" and not settings.lists:
        folder = settings.folder
        raise UserError(f"datasets.{name} adopts the folder {folder} but has no lists: add lists: /its/split/lists")
    if settings.split_file and settings.layout != "folder":
        raise UserError(
            f"datasets.{name} has both layout {settings.layout}, which has its own lists, and a split_file:"
            " drop the split_file or set layout: folder"
        )
    if not settings.folder:
        sources(name)  # raises where sources.tsv does not know the data set


def _check_others(datasets: Mapping[str, Any], name: str, settings: DatasetSettings) -> None:
    """The data sets that recipes take other data from must be others, and be there."""
    known = ", ".join(sorted(set(datasets) - {name})) or "no other"
    for key in ("partner", "pretraining"):
        other = getattr(settings, key)
        if other == name or other not in {None, *datasets}:
            problem = "the data set itself" if other == name else "not among datasets"
            raise UserError(f"datasets.{name}.{key} is {other}, which is {problem}: name one of {known}, or drop {key}")


def _check_splits(config: Mapping[str, Any]) -> None:
    """Raise UserError for the first split that config.yaml asks for and its data set has not."""
    for dataset in config["datasets"]:
        settings = of_dataset(config, dataset)
        known = listed_splits(settings)
        if missing := sorted(set(settings.splits) - set(known)) if known else []:
            source = settings.split_file or settings.lists or "its official lists"
            raise UserError(
                f"datasets.{dataset}.splits asks for split {missing[0]} but there are"
                f" {', '.join(map(str, known))} in {source}: change splits"
            )
