"""Clips as a network takes them: pictures read from shards, normalised, cropped, flipped.

A clip is float32 (T, C, H, W): C is 3 for RGB (ImageNet's mean and deviation) and 2 for flow (x, y in pixels).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.errors import UserError
from pipeline.quantise import dequantise
from pipeline.shards import ShardReader

RGB_MEAN = np.array([0.485, 0.456, 0.406], np.float32).reshape(3, 1, 1)
RGB_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32).reshape(3, 1, 1)


def numbers(start: int, length: int, count: int) -> list[int]:
    """The pictures of the clip at `start`; past the video's end its last picture is held."""
    return [min(number, count - 1) for number in range(start, start + length)]


def read(reader: ShardReader, video: str, pictures: Sequence[int], mean_subtraction: bool = False) -> np.ndarray:
    """Whole pictures as a float clip; mean subtraction takes each flow field's mean from it (2014, section 3.1)."""
    if reader.modality == "rgb":
        frames = reader.rgb(video, pictures).transpose(0, 3, 1, 2).astype(np.float32)  # (T, 3, H, W)
        return (frames / 255 - RGB_MEAN) / RGB_DEVIATION
    fields = dequantise(reader.flow(video, pictures), reader.settings["bound"])  # (T, 2, H, W)
    return fields - fields.mean((2, 3), keepdims=True) if mean_subtraction else fields


def crop(clip: np.ndarray, top: int, left: int, size: int) -> np.ndarray:
    """A square of `size` pixels, the same in every picture."""
    return clip[..., top : top + size, left : left + size]


def corner(place: str, height: int, width: int, size: int) -> tuple[int, int]:
    """(top, left) of a crop by the name of its place; a crop that is larger than the picture is the user's error."""
    if size > min(height, width):
        raise UserError(
            f"crops are {size} pixels but pictures {width}x{height}: make crop smaller or frames.size larger"
        )
    bottom, right = height - size, width - size
    places = {
        "top left": (0, 0),
        "top right": (0, right),
        "bottom left": (bottom, 0),
        "bottom right": (bottom, right),
        "centre": (bottom // 2, right // 2),
    }
    return places[place]


def flip(clip: np.ndarray, modality: str) -> np.ndarray:
    """The mirror image, in which flow's x points the other way."""
    mirrored = clip[..., ::-1]
    return mirrored if modality == "rgb" else mirrored * np.array([-1, 1], np.float32).reshape(2, 1, 1)


def jitter(clip: np.ndarray, strength: float, generator: np.random.Generator) -> np.ndarray:
    """RGB with each channel shifted by its own normal draw, of `strength` deviations, the same in every picture."""
    shift = generator.normal(0, strength, (3, 1, 1)).astype(np.float32)
    return clip + shift


def augmented(reader: ShardReader, video: str, recipe: Mapping[str, Any], generator: np.random.Generator) -> np.ndarray:
    """One training clip: a random start, a random crop, a coin's flip, and jitter for RGB."""
    count, length, size = reader.count(video), recipe["length"], recipe["crop"]
    start = int(generator.integers(max(count - length, 0) + 1))
    clip = read(reader, video, numbers(start, length, count), recipe["mean_subtraction"])
    bottom, right = corner("bottom right", clip.shape[2], clip.shape[3], size)
    clip = crop(clip, int(generator.integers(bottom + 1)), int(generator.integers(right + 1)), size)
    if generator.random() < 0.5:
        clip = flip(clip, reader.modality)
    return jitter(clip, recipe["rgb_jitter"], generator) if reader.modality == "rgb" else clip


def stack(clip: np.ndarray) -> np.ndarray:
    """(T, C, H, W) -> (TC, H, W): the input volume of a 2D network; for flow x1 y1 x2 y2 ... (2014, eq. 1)."""
    return np.ascontiguousarray(clip.reshape(-1, *clip.shape[2:]))
