"""What a network sees of a video: pictures read from shards, stacked, cropped, mirrored; 8 bits wide until the device.

A volume is (LC, T, h, w), without T where the recipe has no `frames`; flow channels are x1 y1 x2 y2 ... (2014, eq. 1).
Beside it goes a float32 shift (LC, T), added to what normalisation makes of the volume: minus a flow field's mean, or
the jitter of RGB.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from pipeline.common.errors import UserError
from pipeline.config.recipe import Recipe
from pipeline.formats.flow_levels import LEVELS, dequantise
from pipeline.formats.shards import ShardReader
from pipeline.inputs import clip_sampling, flow_stacks
from pipeline.inputs.crops import Box
from pipeline.inputs.readers import Readers

Sample = tuple[tuple[Tensor, Tensor], ...]  # (volume, shift) of every input
Size = tuple[int, int]  # height, width

RGB_MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # ImageNet's, of pixels in [0, 1]
RGB_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


class Volume(NamedTuple):
    """One input's whole pictures (TL, C, H, W): levels in 8 bits, or float32 pixels of flow that was followed.

    `shift` (TL, C) is added after normalisation; `stack` is L.
    """

    pictures: np.ndarray
    shift: np.ndarray
    stack: int


def read(readers: Readers, recipe: Recipe, video: str, times: Sequence[int]) -> dict[str, Volume]:
    """The whole pictures of a clip, by input."""
    return {name: _READ[name](readers, recipe, video, times) for name in recipe.stack}


def cut(volumes: Mapping[str, Volume], box: Box, time_axis: bool) -> Sample:
    """One crop of every input; a mirrored flow field's x points the other way."""
    made = []
    for name, volume in volumes.items():
        data, shift = _cut(volume, box, name == "flow" and box.flip)
        made.append((torch.from_numpy(data), torch.from_numpy(shift)))
    return tuple(made) if time_axis else tuple((data[:, 0], shift[:, 0]) for data, shift in made)


def batch(samples: Sequence[Sample]) -> Sample:
    """Samples of one shape, one behind the other: (B, LC, ...) and (B, LC, ...) of every input."""
    return tuple(
        (torch.stack([data for data, _ in pairs]), torch.stack([shift for _, shift in pairs]))
        for pairs in zip(*samples, strict=True)
    )


def same_size(sizes: Mapping[str, Size]) -> Size:
    """The one size of all inputs' pictures; different ones are the user's error."""
    first = next(iter(sizes.values()))
    if other := next((name for name, size in sizes.items() if size != first), None):
        raise UserError(f"pictures are {first} but those of {other} {sizes[other]}: make frames and flow of one size")
    return first


def size_of(volumes: Mapping[str, Volume]) -> Size:
    """(height, width) of a clip's pictures."""
    return same_size({name: (volume.pictures.shape[2], volume.pictures.shape[3]) for name, volume in volumes.items()})


def _rgb(readers: Readers, recipe: Recipe, video: str, times: Sequence[int]) -> Volume:
    length = recipe.stack["rgb"]
    return _still(_frames(readers["rgb"], video, times, length, recipe.padding), length)


def _difference(readers: Readers, recipe: Recipe, video: str, times: Sequence[int]) -> Volume:
    """|V(t) - V(t + d)| (FstCN, section 3)."""
    length = recipe.stack["difference"]
    later = [time + recipe.difference_distance for time in times]
    both = _frames(readers["rgb"], video, [*times, *later], length, recipe.padding)
    here, there = np.split(both, 2)
    return _still(np.maximum(here, there) - np.minimum(here, there), length)


def _flow(readers: Readers, recipe: Recipe, video: str, times: Sequence[int]) -> Volume:
    length, way = recipe.stack["flow"], recipe.flow_stack
    if way == "simple":
        fields = _fields(readers["flow"], video, times, length, recipe.padding)
    else:
        fields = np.concatenate([_followed(readers, recipe, video, time) for time in times])
    shift = np.zeros(fields.shape[:2], np.float32)
    if recipe.mean_subtraction:
        shift = -_means(fields, readers["flow"].settings["bound"])
    return Volume(fields, shift, length)


def _followed(readers: Readers, recipe: Recipe, video: str, time: int) -> np.ndarray:
    """A stack along trajectories (eq. 2), or with a half that points to the past: float32 (L, 2, H, W)."""
    length, way = recipe.stack["flow"], recipe.flow_stack

    def fields(modality: str) -> np.ndarray:
        reader = readers[modality]
        return dequantise(_fields(reader, video, [time], length, recipe.padding), reader.settings["bound"])

    if way == "trajectories":
        stacked = flow_stacks.trajectories(fields("flow"), 0, length)
    else:
        follow = way == "bidirectional trajectories"
        stacked = flow_stacks.bidirectional(fields("flow"), fields("backward"), length // 2, length, follow)
    return stacked.reshape(length, 2, *stacked.shape[1:])


def _frames(reader: ShardReader, video: str, times: Sequence[int], length: int, past_end: str) -> np.ndarray:
    """uint8 (TL, 3, H, W)"""
    wanted = clip_sampling.pictures(times, length, reader.count(video), past_end)
    distinct = sorted(set(wanted))
    decoded = reader.rgb(video, distinct).transpose(0, 3, 1, 2)
    return decoded if wanted == distinct else decoded[[distinct.index(number) for number in wanted]]


def _fields(reader: ShardReader, video: str, times: Sequence[int], length: int, past_end: str) -> np.ndarray:
    """uint8 levels (TL, 2, H, W)"""
    wanted = clip_sampling.pictures(times, length, reader.count(video), past_end)
    distinct = sorted(set(wanted))
    decoded = reader.flow(video, distinct)
    return decoded if wanted == distinct else decoded[[distinct.index(number) for number in wanted]]


def _still(pictures: np.ndarray, length: int) -> Volume:
    return Volume(pictures, np.zeros(pictures.shape[:2], np.float32), length)


def _means(fields: np.ndarray, bound: float) -> np.ndarray:
    """The mean vector of every field in pixels, (TL, 2)."""
    means = fields.mean((2, 3), dtype=np.float32)
    return means if fields.dtype == np.float32 else pixels(means, bound)


def pixels(levels: np.ndarray, bound: float) -> np.ndarray:
    """Pixels of levels that are no whole ones, such as means."""
    return levels * np.float32(2 * bound / LEVELS) - np.float32(bound)


def _cut(volume: Volume, box: Box, turn: bool) -> tuple[np.ndarray, np.ndarray]:
    number, channels = volume.pictures.shape[:2]
    times, stack = number // volume.stack, volume.stack
    made = np.empty((times, stack, channels, *box.size), volume.pictures.dtype)
    for place, picture in enumerate(volume.pictures):
        part = picture[:, box.top : box.top + box.height, box.left : box.left + box.width]
        part = part if part.shape[1:] == box.size else _resized(part, box.size)
        made[divmod(place, stack)] = part[..., ::-1] if box.flip else part
    shift = volume.shift.reshape(times, stack, channels).copy()
    if turn:
        made[:, :, 0] = _opposite(made[:, :, 0])
        shift[:, :, 0] *= -1
    data = made.reshape(times, -1, *box.size).swapaxes(0, 1)  # (LC, T, h, w)
    return np.ascontiguousarray(data), np.ascontiguousarray(shift.reshape(times, -1).T)


def _opposite(x: np.ndarray) -> np.ndarray:
    return LEVELS - x if x.dtype == np.uint8 else -x


def _resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(C, H, W) at another size; a flow field keeps its values, as in the papers' code."""
    way = interpolation(picture.shape[1], size[0])
    return cv2.resize(np.ascontiguousarray(picture.transpose(1, 2, 0)), size[::-1], interpolation=way).transpose(
        2, 0, 1
    )


def interpolation(height: int, wanted: int) -> int:
    """OpenCV's way from one height to another: by area where it shrinks."""
    return cv2.INTER_AREA if wanted < height else cv2.INTER_LINEAR


_READ: dict[str, Any] = {"rgb": _rgb, "flow": _flow, "difference": _difference}
