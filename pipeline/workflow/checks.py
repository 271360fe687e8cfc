"""Checks of config.yaml before the DAG is built."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.common.errors import UserError
from pipeline.config.settings import DatasetSettings, check_schema, config_schema, of_dataset
from pipeline.fetch.sources import dataset_names, sources
from pipeline.index.split_numbers import listed_splits
from pipeline.workflow import table_targets


def check(config: Mapping[str, Any]) -> None:
    """Raise UserError for the first mistake in `config`."""
    check_schema(config, config_schema(), "config.yaml")
    for name in config["datasets"]:
        _check_dataset(name, of_dataset(config, name))
        _check_other_datasets(config["datasets"], name, of_dataset(config, name))
    _check_splits(config)
    table_targets.check(config)


def _check_dataset(name: str, settings: DatasetSettings) -> None:
    for key in ("folder", "lists", "split_file", "label_map"):
        path = getattr(settings, key)
        if path and not Path(path).exists():
            raise UserError(f"datasets.{name}.{key} is {path}, which does not exist: correct the path")
    if settings.layout == "folder" and not settings.folder and name not in dataset_names():
        raise UserError(
            f"datasets.{name} has no folder and sources.tsv has no archives of it: add folder: /path/to/class/folders"
        )
    if settings.folder and not Path(settings.folder).is_dir():
        raise UserError(f"datasets.{name}.folder is {settings.folder}, a file: name the folder of class folders")
    if settings.folder and settings.layout != "folder" and not settings.lists:
        folder = settings.folder
        raise UserError(f"datasets.{name} uses the folder {folder} but has no lists: add lists: /its/split/lists")
    if settings.split_file and settings.layout != "folder":
        raise UserError(
            f"datasets.{name} has both layout {settings.layout}, which has its own lists, and a split_file:"
            " drop the split_file or set layout: folder"
        )
    if not settings.folder:
        sources(name)  # raises where sources.tsv does not know the data set


def _check_other_datasets(datasets: Mapping[str, Any], name: str, settings: DatasetSettings) -> None:
    """Raise UserError unless `partner` and `pretraining` name other data sets of config.yaml."""
    others = ", ".join(sorted(set(datasets) - {name})) or "no other"
    for key in ("partner", "pretraining"):
        other = getattr(settings, key)
        if other == name or other not in {None, *datasets}:
            problem = "the data set itself" if other == name else "not among datasets"
            raise UserError(
                f"datasets.{name}.{key} is {other}, which is {problem}: name one of {others}, or drop {key}"
            )


def _check_splits(config: Mapping[str, Any]) -> None:
    """Raise UserError for the first split in config.yaml that its data set does not have."""
    for dataset in config["datasets"]:
        settings = of_dataset(config, dataset)
        numbers = listed_splits(settings)
        if missing := sorted(set(settings.splits) - set(numbers)) if numbers else []:
            source = settings.split_file or settings.lists or "its official lists"
            raise UserError(
                f"datasets.{dataset}.splits asks for split {missing[0]} but there are"
                f" {', '.join(map(str, numbers))} in {source}: change splits"
            )
