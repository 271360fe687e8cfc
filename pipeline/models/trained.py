"""A trained network from its weights file."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.common.errors import UserError
from pipeline.config.recipe import Recipe, from_mapping
from pipeline.formats import weights
from pipeline.formats.jpeg_store import check_settings
from pipeline.inputs.readers import Readers
from pipeline.models import from_recipe


def recipe_of(path: Path) -> Recipe:
    """The recipe that a run's weights were trained by; imported weights have none, a UserError."""
    facts = weights.load_metadata(path)
    if "recipe" not in facts:
        raise UserError(f"{path} was imported, not trained here: give the weights.safetensors of a run")
    return from_mapping(facts["recipe"], str(path))


def load_net(path: Path, readers: Readers, device: torch.device) -> tuple[nn.Module, dict[str, Any]]:
    """The trained network, ready to score, and its facts; shards of other classes or settings are refused."""
    tensors, facts = weights.load(path)
    facts["recipe"] = from_mapping(facts["recipe"], str(path))
    first = next(iter(readers.values()))
    if facts["tested_classes"] != first.classes:
        pairs = zip(facts["tested_classes"], first.classes, strict=False)
        ends = (len(facts["tested_classes"]), len(first.classes))
        mine, theirs = next((pair for pair in pairs if pair[0] != pair[1]), ends)
        raise UserError(f"{path} knows other classes than {first.folder} ({mine} against {theirs}): train it on them")
    for modality, reader in readers.items():
        check_settings(reader.settings, facts["settings"][modality], reader.folder)
    net = from_recipe.build(facts["recipe"], len(facts["classes"]), facts["second_classes"])
    net.load_state_dict(tensors)
    return net.eval().to(device), facts
