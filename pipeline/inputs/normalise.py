"""Volumes of 8-bit levels to a network's inputs, on the device; each modality says how (formats/modalities)."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from pipeline.config.recipe import Recipe
from pipeline.formats.modalities import INPUTS
from pipeline.inputs.readers import Readers


class Normaliser:
    """(volume, offset) of every input -> the network's inputs, float32: level times scale, plus both offsets."""

    def __init__(self, recipe: Recipe, readers: Readers, device: torch.device) -> None:
        self.device = device
        self.lines = []
        for name, length in recipe.stack.items():
            source = INPUTS[name]
            line = map(torch.from_numpy, source.normalisation(readers[source.modality].settings))
            self.lines.append(tuple(part.repeat(length).to(device) for part in line))

    def __call__(self, sample: Iterable[Sequence[Tensor]]) -> list[Tensor]:
        """(B, LC, ...) and (B, LC, ...) of every input -> (B, LC, ...)."""
        return [self._one(*pair, *line) for pair, line in zip(sample, self.lines, strict=True)]

    def _one(self, volume: Tensor, offset: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
        volume = volume.to(self.device, non_blocking=True)
        offset = offset.to(self.device, non_blocking=True)[..., None, None]  # (B, LC, [T], 1, 1)
        if volume.dtype != torch.uint8:
            return volume + offset
        shape = (-1, *(1,) * (volume.ndim - 2))
        return torch.addcmul(offset + zero.reshape(shape), volume.float(), scale.reshape(shape))


def memory_format(device: torch.device) -> Mapping[int, torch.memory_format]:
    """Number of axes of a tensor -> the memory format in which convolutions are fastest."""
    return {4: torch.channels_last, 5: torch.channels_last_3d} if device.type == "cuda" else {}
