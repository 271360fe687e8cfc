"""A trained network, loaded from its weights file."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.common.errors import UserError
from pipeline.config.recipe import Recipe, from_mapping
from pipeline.formats import weights
from pipeline.formats.jpeg_store import check_settings
from pipeline.formats.shards import ShardReader
from pipeline.inputs.readers import Readers
from pipeline.models import from_recipe


def recipe_of(path: Path) -> Recipe:
    """The recipe in the metadata of a run's weights; raises UserError for imported weights, which have none."""
    metadata = weights.load_metadata(path)
    if "recipe" not in metadata:
        raise UserError(f"{path} was imported, not trained here: give the weights.safetensors of a run")
    return from_mapping(metadata["recipe"], str(path))


def load_net(path: Path, readers: Readers, device: torch.device) -> tuple[nn.Module, dict[str, Any]]:
    """A trained network in eval mode on `device`, and the metadata of its weights.

    `recipe` in the metadata is a Recipe. Raises UserError if the shards have other classes or were made with other
    settings than those of the training.
    """
    tensors, metadata = weights.load(path)
    metadata["recipe"] = from_mapping(metadata["recipe"], str(path))
    _check_classes(path, metadata["tested_classes"], next(iter(readers.values())))
    for modality, reader in readers.items():
        check_settings(reader.settings, metadata["settings"][modality], reader.folder)
    net = from_recipe.build(metadata["recipe"], len(metadata["classes"]), metadata["second_classes"])
    net.load_state_dict(tensors)
    return net.eval().to(device), metadata


def _check_classes(path: Path, classes: list[str], reader: ShardReader) -> None:
    if classes != reader.classes:
        pairs = zip(classes, reader.classes, strict=False)
        counts = (len(classes), len(reader.classes))
        expected, actual = next((pair for pair in pairs if pair[0] != pair[1]), counts)
        raise UserError(
            f"{path} knows other classes than {reader.folder} ({expected} against {actual}): train it on them"
        )
