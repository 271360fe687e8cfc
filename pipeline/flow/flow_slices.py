"""Flow of one slice of frames: clipped at +-bound, 8 bits, one grey JPEG a pair.

A flow picture stacks x above y: (2H, W). A video of T frames has T - 1 of them, always. Forward picture t goes from
frame t to frame t + 1; backward picture t goes from frame t + 1 to frame t and lies at the pixels of frame t + 1.
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
Map = Callable[..., Iterable[Any]]  # `map`, or a thread pool's

DIRECTIONS = ("forward", "backward")


def decode_grey(jpeg: bytes) -> np.ndarray:
    """A JPEG's luma, uint8 (H, W)."""
    return simplejpeg.decode_jpeg(jpeg, colorspace="GRAY")[..., 0]


def decode_frames(jpegs: Iterator[bytes], each: Map) -> Iterator[np.ndarray]:
    """The frames of JPEGs, uint8 (H, W), decoded some at a time."""
    while some := list(islice(jpegs, MAX_PAIRS)):
        yield from each(decode_grey, some)


def batches(frames: Iterator[np.ndarray], pairs: int = MAX_PAIRS) -> Iterator[np.ndarray]:
    """Runs of up to `pairs` + 1 frames, (T, H, W), each beginning with the last frame of the one before.

    Fewer where frames are so large that their flow would not fit the room there is.
    """
    last = list(islice(frames, 1))
    pairs = min(pairs, max(1, BATCH_BYTES // (8 * max(1, last[0].size)))) if last else 0
    while following := list(islice(frames, pairs)):
        yield np.stack(last + following)
        last = following[-1:]


def backward_flow(engine: FlowFunction) -> FlowFunction:
    """The flow of the reversed frames, reversed: from frame t + 1 to frame t, at the place t.

    Pairs do not depend on each other, so a video may be reversed a batch at a time.
    """
    return lambda run: engine(run[::-1])[::-1]


def encode_flow(field: np.ndarray, bound: float, quality: int) -> bytes:
    """float32 (2, H, W) in pixels -> a grey JPEG, x above y."""
    levels = quantise(field, bound).reshape(-1, field.shape[-1], 1)  # (2H, W, 1)
    return simplejpeg.encode_jpeg(levels, quality=quality, colorspace="GRAY")


def video_flow(
    jpegs: Iterator[bytes], engine: FlowFunction, bound: float, quality: int, each: Map = map
) -> list[bytes]:
    """One video's frames as JPEGs -> its flow pictures as JPEGs, one fewer; `each` decodes and encodes."""

    def encoded(field: np.ndarray) -> bytes:
        return encode_flow(field, bound, quality)

    return [picture for run in batches(decode_frames(jpegs, each)) for picture in each(encoded, engine(run))]


def write_slice(
    frames: JpegStore, engine: FlowFunction, out: Path, settings: dict[str, Any], each: Map = map, what: str = "flow"
) -> None:
    """Flow of every video in `frames` into `out`."""
    numbers, number, size = range(len(frames.videos)), 0, 0
    with whole_file(out, lambda: size / max(number, 1) * len(numbers)) as scratch:
        writer = JpegStoreWriter(scratch, settings)
        for number in log.progress(numbers, len(numbers), f"{what} {out.stem}"):
            pictures = video_flow(frames.pictures(number), engine, settings["bound"], settings["quality"], each)
            if len(pictures) != frames.count(number) - 1:
                raise RuntimeError(f"{frames.videos[number]}: {len(pictures)} flows of {frames.count(number)} frames")
            data = io.BytesIO(b"".join(pictures))
            size += len(data.getbuffer())
            writer.add(frames.videos[number], map(len, pictures), data, float(frames.fps[number]))
        writer.close()


def flow_slice(
    frames: JpegStore, out: Path, settings: dict[str, Any], parameters: dict[str, Any], direction: str, backend: str,
    threads: int,
) -> None:  # fmt: skip
    """Write the TV-L1 flow of every video in `frames`, to the next frame or (`backward`) from it.

    `settings` has the stage, its code, bound and quality; `parameters` are TV-L1's, all of them, and `backend` is one
    of tvl1.BACKENDS. Both are kept among the file's attributes.
    """

    def engine(images: np.ndarray) -> np.ndarray:
        return tvl1.flow(images, backend=backend, threads=threads, **parameters)

    attributes = {**settings, "algorithm": "tvl1", **parameters, "size": frames.attributes["size"]}
    if direction == "backward":
        attributes["direction"] = "backward"  # forward files say nothing, as before there were two
    # On one thread, decoding and encoding would take longer than a GPU takes for the flow.
    with ThreadPoolExecutor(threads) as pool:
        directed = backward_flow(engine) if direction == "backward" else engine
        write_slice(frames, directed, out, attributes, pool.map, f"{direction} flow on {backend}")
