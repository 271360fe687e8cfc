"""Volumes of 8 bits to a network's numbers, on the device: RGB by ImageNet's mean and deviation, flow in pixels."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from pipeline.config.recipe import Recipe
from pipeline.formats.flow_levels import LEVELS
from pipeline.inputs.clip_volumes import RGB_DEVIATION, RGB_MEAN
from pipeline.inputs.readers import Readers


class Normaliser:
    """(volume, shift) of every input -> the network's inputs, float32; by a recipe and its shards' flow bound."""

    def __init__(self, recipe: Recipe, readers: Readers, device: torch.device) -> None:
        bound = readers["flow"].settings["bound"] if "flow" in readers else 0
        deviation = torch.from_numpy(1 / (255 * RGB_DEVIATION))
        lines = {
            "rgb": (deviation, torch.from_numpy(-RGB_MEAN / RGB_DEVIATION)),
            "difference": (deviation, torch.zeros(3)),
            "flow": (torch.full((2,), 2 * bound / LEVELS), torch.full((2,), -float(bound))),
        }
        self.lines = [
            tuple(part.repeat(length).to(device) for part in lines[name]) for name, length in recipe.stack.items()
        ]
        self.device = device

    def __call__(self, sample: Iterable[Sequence[Tensor]]) -> list[Tensor]:
        """(B, LC, ...) and (B, LC, ...) of every input -> (B, LC, ...)."""
        return [self._one(*pair, *line) for pair, line in zip(sample, self.lines, strict=True)]

    def _one(self, volume: Tensor, shift: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
        volume = volume.to(self.device, non_blocking=True)
        shift = shift.to(self.device, non_blocking=True)[..., None, None]  # (B, LC, [T], 1, 1)
        if volume.dtype != torch.uint8:
            return volume + shift
        shape = (-1, *(1,) * (volume.ndim - 2))
        return torch.addcmul(shift + offset.reshape(shape), volume.float(), scale.reshape(shape))


def memory_format(device: torch.device) -> Mapping[int, torch.memory_format]:
    """By the axes of a tensor, the order in memory that convolutions are fastest in."""
    return {4: torch.channels_last, 5: torch.channels_last_3d} if device.type == "cuda" else {}
