"""The volumes that a network sees of a clip: pictures read from shards, stacked as channels, cropped, mirrored.

A volume is (LC, T, h, w) uint8, or (LC, h, w) for a network without a time axis; flow channels are x1 y1 x2 y2 ...
(2014, eq. 1). Beside it goes an offset, float32 (LC, T), which is added after normalisation: minus the mean of a flow
field, or the jitter of RGB. Volumes stay 8 bits wide until they are on the device.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from pipeline.common.errors import UserError
from pipeline.config.recipe import Recipe
from pipeline.formats.flow_levels import LEVELS, dequantise
from pipeline.formats.modalities import INPUTS
from pipeline.formats.shards import ShardReader
from pipeline.inputs import clip_sampling, flow_stacks
from pipeline.inputs.crops import Box
from pipeline.inputs.readers import Readers

Sample = tuple[tuple[Tensor, Tensor], ...]  # (volume, offset) of every input
Size = tuple[int, int]  # height, width


class Volume(NamedTuple):
    """The uncropped pictures of one input (TL, C, H, W): uint8 levels, or float32 pixels of flow along trajectories.

    `offset` (TL, C) is added after normalisation; `stack` is L; `mirrored` are the channels that change their sign
    when a picture is mirrored.
    """

    pictures: np.ndarray
    offset: np.ndarray
    stack: int
    mirrored: tuple[int, ...]


def read_volumes(readers: Readers, recipe: Recipe, video: str, times: Sequence[int]) -> dict[str, Volume]:
    """The uncropped volumes of a clip, by input."""
    return {name: _read_input(readers, recipe, video, times, name) for name in recipe.stack}


def crop_volumes(volumes: Mapping[str, Volume], box: Box, time_axis: bool) -> Sample:
    """One crop of every input; without a time axis (LC, h, w) and (LC,)."""
    sample = []
    for volume in volumes.values():
        data, offset = _crop(volume, box)
        sample.append((torch.from_numpy(data), torch.from_numpy(offset)))
    return tuple(sample) if time_axis else tuple((data[:, 0], offset[:, 0]) for data, offset in sample)


def collate(samples: Sequence[Sample]) -> Sample:
    """Samples of equal shapes as one batch: (B, LC, ...) and (B, LC, ...) of every input."""
    return tuple(
        (torch.stack([data for data, _ in pairs]), torch.stack([offset for _, offset in pairs]))
        for pairs in zip(*samples, strict=True)
    )


def common_size(sizes: Mapping[str, Size]) -> Size:
    """The size of all inputs' pictures; raises UserError where they differ."""
    first = next(iter(sizes.values()))
    if other := next((name for name, size in sizes.items() if size != first), None):
        raise UserError(f"pictures are {first} but those of {other} {sizes[other]}: make frames and flow of one size")
    return first


def picture_size(volumes: Mapping[str, Volume]) -> Size:
    """(height, width) of a clip's pictures."""
    return common_size({name: (volume.pictures.shape[2], volume.pictures.shape[3]) for name, volume in volumes.items()})


def _read_input(readers: Readers, recipe: Recipe, video: str, times: Sequence[int], name: str) -> Volume:
    source, length = INPUTS[name], recipe.stack[name]
    reader = readers[source.modality]
    if source.is_difference:
        pictures = _difference(reader, recipe, video, times, length)
    elif source.kind.signed and recipe.flow_stack != "simple":
        pictures = np.concatenate([_flow_stack(readers, recipe, video, time, name) for time in times])
    else:
        pictures = _read(reader, video, times, length, recipe.padding)
    offset = np.zeros(pictures.shape[:2], np.float32)
    if recipe.mean_subtraction and source.kind.signed:
        offset = -_means(pictures, reader.settings["bound"])
    return Volume(pictures, offset, length, source.kind.mirrored)


def _difference(reader: ShardReader, recipe: Recipe, video: str, times: Sequence[int], length: int) -> np.ndarray:
    """|V(t) - V(t + d)| (FstCN, section 3), uint8 (TL, C, H, W)."""
    later = [time + recipe.difference_distance for time in times]
    both = _read(reader, video, [*times, *later], length, recipe.padding)
    first, second = np.split(both, 2)
    return np.maximum(first, second) - np.minimum(first, second)


def _flow_stack(readers: Readers, recipe: Recipe, video: str, time: int, name: str) -> np.ndarray:
    """A stack along trajectories (2014, eq. 2), or one whose second half points to the past: float32 (L, 2, H, W)."""
    length, source = recipe.stack[name], INPUTS[name]

    def fields(modality: str) -> np.ndarray:
        reader = readers[modality]
        return dequantise(_read(reader, video, [time], length, recipe.padding), reader.settings["bound"])

    if recipe.flow_stack == "trajectories":
        stacked = flow_stacks.trajectories(fields(source.modality), 0, length)
    else:
        forward, backward = fields(source.modality), fields(source.kind.reverse)
        follow = recipe.flow_stack == "bidirectional trajectories"
        stacked = flow_stacks.bidirectional(forward, backward, length // 2, length, follow)
    return stacked.reshape(length, 2, *stacked.shape[1:])


def _read(reader: ShardReader, video: str, times: Sequence[int], length: int, padding: str) -> np.ndarray:
    """The stacks of `length` pictures at `times`, uint8 (TL, C, H, W); each picture is decoded once."""
    indices = clip_sampling.picture_indices(times, length, reader.count(video), padding)
    distinct = sorted(set(indices))
    decoded = reader.channels(video, distinct)
    return decoded if indices == distinct else decoded[[distinct.index(index) for index in indices]]


def _means(pictures: np.ndarray, bound: float) -> np.ndarray:
    """The mean of every channel in pixels, (TL, C)."""
    means = pictures.mean((2, 3), dtype=np.float32)
    return means if pictures.dtype == np.float32 else levels_to_pixels(means, bound)


def levels_to_pixels(levels: np.ndarray, bound: float) -> np.ndarray:
    """Pixels of flow levels that need not be whole numbers, such as means."""
    return levels * np.float32(2 * bound / LEVELS) - np.float32(bound)


def _crop(volume: Volume, box: Box) -> tuple[np.ndarray, np.ndarray]:
    number, channels = volume.pictures.shape[:2]
    times, stack = number // volume.stack, volume.stack
    cropped = np.empty((times, stack, channels, *box.size), volume.pictures.dtype)
    for index, picture in enumerate(volume.pictures):
        part = picture[:, box.top : box.top + box.height, box.left : box.left + box.width]
        part = part if part.shape[1:] == box.size else _resize(part, box.size)
        cropped[divmod(index, stack)] = part[..., ::-1] if box.flip else part
    offset = volume.offset.reshape(times, stack, channels).copy()
    if box.flip:
        for channel in volume.mirrored:
            cropped[:, :, channel] = _negate(cropped[:, :, channel])
            offset[:, :, channel] *= -1
    data = cropped.reshape(times, -1, *box.size).swapaxes(0, 1)  # (LC, T, h, w)
    return np.ascontiguousarray(data), np.ascontiguousarray(offset.reshape(times, -1).T)


def _negate(x: np.ndarray) -> np.ndarray:
    return LEVELS - x if x.dtype == np.uint8 else -x


def _resize(picture: np.ndarray, size: Size) -> np.ndarray:
    """(C, H, W) at another size; flow keeps its values, as in the papers' code."""
    channels_last = np.ascontiguousarray(picture.transpose(1, 2, 0))
    resized = cv2.resize(channels_last, size[::-1], interpolation=interpolation(picture.shape[1], size[0]))
    return np.atleast_3d(resized).transpose(2, 0, 1)


def interpolation(height: int, resized_height: int) -> int:
    """OpenCV's interpolation from one height to another: INTER_AREA where it shrinks."""
    return cv2.INTER_AREA if resized_height < height else cv2.INTER_LINEAR
