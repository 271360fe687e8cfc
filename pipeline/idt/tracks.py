"""Follow tracks through a video, one step a frame: memory is bounded by the tracks' length, not by the video's."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from pipeline.idt.active_tracks import ActiveTracks
from pipeline.idt.histograms import FIRST_BIN
from pipeline.idt.motion import Frame, MotionEstimator
from pipeline.idt.parameters import BINS, DESCRIPTOR_LENGTHS, SCALE_STEP, TRACK_LENGTH, Parameters


class Tracks(NamedTuple):
    """The tracks that one frame completes, of all scales."""

    end: int  # the number of that frame
    scale: np.ndarray  # (N,) 0 is the finest
    points: np.ndarray  # (N, 16, 2) x, y in pixels of the video
    descriptors: np.ndarray  # float32 (N, 426), not yet normalised; the kinds of DESCRIPTOR_LENGTHS side by side


def follow_tracks(frames: Iterable[np.ndarray], parameters: Parameters) -> Iterator[Tracks]:
    """The kept tracks of a video of grey frames, uint8 (H, W), as they are completed.

    Tracks are kept that move, that do not move with the camera, and whose motion is plausible.
    """
    previous: Frame | None = None
    unused: Frame | None = None
    for number, grey in enumerate(frames):
        if previous is None:
            motion = MotionEstimator(grey.shape[0], grey.shape[1], parameters)
            scales = [ActiveTracks(*size, parameters) for size in motion.sizes]
            if not scales:
                return
        frame = Frame(grey, motion, unused)
        if previous is not None:
            completed = _step(scales, previous, motion.flow(previous, frame), number, parameters)
            if len(completed.scale):
                yield completed
        for active, picture in zip(scales, frame.scales, strict=True):
            active.sample(picture)
        unused, previous = previous, frame


def _step(scales: list[ActiveTracks], previous: Frame, flows: tuple, number: int, parameters: Parameters) -> Tracks:
    """Advance the tracks of all scales by one frame; returns those that this completes and that are kept."""
    inputs = zip(scales, previous.scales, *flows, strict=True)
    slots = [active.advance(grey, flow, rectified) for active, grey, flow, rectified in inputs]
    scale = np.repeat(np.arange(len(scales)), [len(of_scale) for of_scale in slots])
    size = (SCALE_STEP**scale)[:, None, None].astype(np.float32)
    completed = list(zip(scales, slots, strict=True))
    points = np.concatenate([active.position[of_scale] for active, of_scale in completed]) * size
    steps = np.concatenate([active.rectified_steps[of_scale] for active, of_scale in completed]) * size
    kept = moves(points, parameters) & is_plausible(points, parameters) & moves_in_scene(steps, parameters)
    kept_by_scale = np.split(kept, np.cumsum([len(of_scale) for of_scale in slots])[:-1])
    sums = [
        active.histograms(of_scale[keep]) for (active, of_scale), keep in zip(completed, kept_by_scale, strict=True)
    ]
    return Tracks(number, scale[kept], points[kept], describe(steps[kept], np.concatenate(sums)))


def moves(points: np.ndarray, parameters: Parameters) -> np.ndarray:
    """Whether tracks (N, 16, 2) have a large enough standard deviation in x or in y."""
    return (points.std(1) >= parameters.still).any(1)


def is_plausible(points: np.ndarray, parameters: Parameters) -> np.ndarray:
    """Whether tracks (N, 16, 2) neither have too large a standard deviation nor make most of their path in one step."""
    steps = np.linalg.norm(np.diff(points, axis=1), axis=2)  # (N, 15)
    longest = steps.max(1, initial=0)
    jumps = (longest > parameters.jump) & (longest > 0.7 * steps.sum(1))
    return (points.std(1) <= parameters.erratic).all(1) & ~jumps


def moves_in_scene(rectified_steps: np.ndarray, parameters: Parameters) -> np.ndarray:
    """Whether some rectified step (N, 15, 2) of a track is long; tracks without one move as the camera does."""
    return np.linalg.norm(rectified_steps, axis=2).max(1, initial=0) > parameters.camera


def describe(rectified_steps: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Rectified steps (N, 15, 2) and histograms (N, 3, 4, 33) -> descriptors (N, 426)."""
    length = np.linalg.norm(rectified_steps, axis=2).sum(1)[:, None]
    parts = [rectified_steps.reshape(-1, 2 * TRACK_LENGTH) / np.maximum(length, np.float32(1e-12))]
    for first, (kind, bins) in zip(FIRST_BIN, BINS.items(), strict=True):
        parts.append(sums[..., first : first + bins].reshape(len(sums), DESCRIPTOR_LENGTHS[kind]))
    return np.concatenate(parts, axis=1, dtype=np.float32)


def split_by_kind(descriptors: np.ndarray) -> dict[str, np.ndarray]:
    """Descriptors (N, 426) by kind."""
    ends = np.cumsum([0, *DESCRIPTOR_LENGTHS.values()])
    return {kind: descriptors[:, ends[n] : ends[n + 1]] for n, kind in enumerate(DESCRIPTOR_LENGTHS)}
