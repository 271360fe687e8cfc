"""From frames to tracks: one step a frame, so that memory is bounded by the tracks' length, not by the video's."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from pipeline.idt.histograms import FIRST
from pipeline.idt.parameters import BINS, KINDS, LENGTH, STEP, Parameters
from pipeline.idt.points import Points
from pipeline.idt.pyramid import Frame, Motion


class Tracks(NamedTuple):
    """The tracks that one frame completes at all scales."""

    end: int  # the number of that frame
    scale: np.ndarray  # (N,) 0 is the finest
    points: np.ndarray  # (N, 16, 2) x, y in pixels of the video
    descriptors: np.ndarray  # float32 (N, 426), the kinds of KINDS end to end, as they are summed


def tracks(frames: Iterable[np.ndarray], parameters: Parameters) -> Iterator[Tracks]:
    """The tracks of a video of grey frames, uint8 (H, W): those that move, not as the camera does, and credibly."""
    before: Frame | None = None
    memory: Frame | None = None
    for number, grey in enumerate(frames):
        if before is None:
            motion = Motion(grey.shape[0], grey.shape[1], parameters)
            scales = [Points(*size, parameters) for size in motion.sizes]
            if not scales:
                return
        frame = Frame(grey, motion, memory)
        if before is not None:
            found = _step(scales, before, motion.between(before, frame), number, parameters)
            if len(found.scale):
                yield found
        for points, picture in zip(scales, frame.scales, strict=True):
            points.sample(picture)
        memory, before = before, frame


def _step(scales: list[Points], before: Frame, flows: tuple, number: int, parameters: Parameters) -> Tracks:
    pairs = zip(scales, before.scales, *flows, strict=True)
    slots = [points.advance(grey, flow, rectified) for points, grey, flow, rectified in pairs]
    scale = np.repeat(np.arange(len(scales)), [len(of_scale) for of_scale in slots])
    size = (STEP**scale)[:, None, None].astype(np.float32)
    ended = list(zip(scales, slots, strict=True))
    places = np.concatenate([points.position[of_scale] for points, of_scale in ended]) * size
    moved = np.concatenate([points.moved[of_scale] for points, of_scale in ended]) * size
    kept = moving(places, parameters) & credible(places, parameters) & apart(moved, parameters)
    keeps = np.split(kept, np.cumsum([len(of_scale) for of_scale in slots])[:-1])
    sums = [points.histograms(of_scale[keep]) for (points, of_scale), keep in zip(ended, keeps, strict=True)]
    return Tracks(number, scale[kept], places[kept], describe(moved[kept], np.concatenate(sums)))


def moving(places: np.ndarray, parameters: Parameters) -> np.ndarray:
    """Which tracks (N, 16, 2) spread enough in x or in y."""
    return (places.std(1) >= parameters.still).any(1)


def credible(places: np.ndarray, parameters: Parameters) -> np.ndarray:
    """Which tracks neither spread too far nor make most of their way in one long step."""
    steps = np.linalg.norm(np.diff(places, axis=1), axis=2)  # (N, 15)
    longest = steps.max(1, initial=0)
    jumps = (longest > parameters.jump) & (longest > 0.7 * steps.sum(1))
    return (places.std(1) <= parameters.erratic).all(1) & ~jumps


def apart(moved: np.ndarray, parameters: Parameters) -> np.ndarray:
    """Which tracks' rectified steps (N, 15, 2) are not all short: the others move as the camera does."""
    return np.linalg.norm(moved, axis=2).max(1, initial=0) > parameters.camera


def describe(moved: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Rectified steps (N, 15, 2) and sums (N, 3, 4, 33) -> descriptors (N, 426)."""
    way = np.linalg.norm(moved, axis=2).sum(1)[:, None]
    parts = [moved.reshape(-1, 2 * LENGTH) / np.maximum(way, np.float32(1e-12))]
    for first, (kind, bins) in zip(FIRST, BINS.items(), strict=True):
        parts.append(sums[..., first : first + bins].reshape(len(sums), KINDS[kind]))
    return np.concatenate(parts, axis=1, dtype=np.float32)


def split(descriptors: np.ndarray) -> dict[str, np.ndarray]:
    """Descriptors (N, 426) by kind."""
    ends = np.cumsum([0, *KINDS.values()])
    return {kind: descriptors[:, ends[n] : ends[n + 1]] for n, kind in enumerate(KINDS)}
