"""The flow of one slice of frames: clipped at +-bound, in 8 bits, one grey JPEG per pair of frames.

A flow picture stacks x above y: (2H, W). A video of T frames has T - 1 of them. Forward picture t is the flow from
frame t to frame t + 1. Backward picture t is the flow from frame t + 1 to frame t, at the pixels of frame t + 1.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

from pipeline.common import log
from pipeline.common.files import whole_file
from pipeline.flow import tvl1
from pipeline.formats.flow_levels import quantise
from pipeline.formats.jpeg_store import JpegStore, JpegStoreWriter

BATCH_BYTES = 256 << 20  # of flow computed at a time, which bounds the memory
MAX_PAIRS = 256  # of frames at a time; larger batches are no faster on a GPU

FlowFunction = Callable[[np.ndarray], np.ndarray]  # uint8 (T, H, W) -> float32 (T-1, 2, H, W)
Map = Callable[..., Iterable[Any]]  # the built-in `map`, or the `map` of a thread pool

DIRECTIONS = ("forward", "backward")


def decode_grey(jpeg: bytes) -> np.ndarray:
    """The luma of a JPEG, uint8 (H, W)."""
    return simplejpeg.decode_jpeg(jpeg, colorspace="GRAY")[..., 0]


def decode_frames(jpegs: Iterator[bytes], map_: Map) -> Iterator[np.ndarray]:
    """The luma of each JPEG, uint8 (H, W); `map_` decodes MAX_PAIRS of them at a time."""
    while chunk := list(islice(jpegs, MAX_PAIRS)):
        yield from map_(decode_grey, chunk)


def batches(frames: Iterator[np.ndarray], pairs: int = MAX_PAIRS) -> Iterator[np.ndarray]:
    """Batches of up to `pairs` + 1 frames, (T, H, W); each begins with the last frame of the one before.

    Batches of large frames are smaller, so that their flow takes at most BATCH_BYTES.
    """
    last = list(islice(frames, 1))
    pairs = min(pairs, max(1, BATCH_BYTES // (8 * max(1, last[0].size)))) if last else 0
    while following := list(islice(frames, pairs)):
        yield np.stack(last + following)
        last = following[-1:]


def backward_flow(forward: FlowFunction) -> FlowFunction:
    """A function for the flow from frame t + 1 to frame t: the flow of the reversed frames, in reverse order.

    The pairs are independent of each other, so each batch of a video can be reversed separately.
    """
    return lambda frames: forward(frames[::-1])[::-1]


def encode_flow(field: np.ndarray, bound: float, quality: int) -> bytes:
    """float32 (2, H, W), in pixels -> a grey JPEG, x above y."""
    levels = quantise(field, bound).reshape(-1, field.shape[-1], 1)  # (2H, W, 1)
    return simplejpeg.encode_jpeg(levels, quality=quality, colorspace="GRAY")


def video_flow(jpegs: Iterator[bytes], flow: FlowFunction, bound: float, quality: int, map_: Map = map) -> list[bytes]:
    """The JPEGs of a video's T frames -> the JPEGs of its T - 1 flow pictures; `map_` decodes and encodes."""

    def encode(field: np.ndarray) -> bytes:
        return encode_flow(field, bound, quality)

    return [jpeg for frames in batches(decode_frames(jpegs, map_)) for jpeg in map_(encode, flow(frames))]


def write_slice(
    frames: JpegStore,
    flow: FlowFunction,
    out: Path,
    settings: dict[str, Any],
    map_: Map = map,
    description: str = "flow",
) -> None:
    """Write the flow of every video in `frames` to `out`; `settings` has `bound` and `quality`."""
    numbers, number, size = range(len(frames.videos)), 0, 0
    with whole_file(out, lambda: size / max(number, 1) * len(numbers)) as scratch:
        writer = JpegStoreWriter(scratch, settings)
        for number in log.progress(numbers, len(numbers), f"{description} {out.stem}"):
            jpegs = video_flow(frames.pictures(number), flow, settings["bound"], settings["quality"], map_)
            if len(jpegs) != frames.count(number) - 1:
                raise RuntimeError(f"{frames.videos[number]}: {len(jpegs)} flows of {frames.count(number)} frames")
            data = io.BytesIO(b"".join(jpegs))
            size += len(data.getbuffer())
            writer.add(frames.videos[number], map(len, jpegs), data, float(frames.fps[number]))
        writer.close()


def flow_slice(
    frames: JpegStore, out: Path, settings: dict[str, Any], parameters: dict[str, Any], direction: str, backend: str,
    threads: int,
) -> None:  # fmt: skip
    """Write the TV-L1 flow of every video in `frames` in one of DIRECTIONS.

    `settings` has the stage, its code hash, bound and quality; `parameters` has all parameters of TV-L1. Both become
    attributes of the file. `backend` is one of tvl1.BACKENDS.
    """

    def forward(images: np.ndarray) -> np.ndarray:
        return tvl1.flow(images, backend=backend, threads=threads, **parameters)

    attributes = {**settings, "algorithm": "tvl1", **parameters, "size": frames.attributes["size"]}
    if direction == "backward":
        attributes["direction"] = "backward"  # forward flow has no such attribute, so that older files stay valid
    # On one thread, decoding and encoding would take longer than a GPU takes for the flow.
    with ThreadPoolExecutor(threads) as pool:
        flow = backward_flow(forward) if direction == "backward" else forward
        write_slice(frames, flow, out, attributes, pool.map, f"{direction} flow on {backend}")
