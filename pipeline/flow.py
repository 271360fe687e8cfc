"""TV-L1 flow between consecutive frames of one slice, clipped at +-bound, 8 bits, one grey JPEG a pair.

A flow picture stacks x above y: (2H, W). A video of T frames has T - 1 of them, always. Forward picture t goes from
frame t to frame t + 1; backward picture t goes from frame t + 1 to frame t and lies at the pixels of frame t + 1.
"""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

from pipeline import cli, log, tvl1
from pipeline.codehash import code_hash
from pipeline.errors import UserError
from pipeline.files import whole_file
from pipeline.quantise import quantise
from pipeline.store import Store, StoreWriter

ROOM = 256 << 20  # bytes of flow computed at a time, which bounds the memory whatever the video's length and size
MOST_PAIRS = 256  # at a time; a GPU gains nothing from more

Engine = Callable[[np.ndarray], np.ndarray]  # uint8 (T, H, W) -> float32 (T-1, 2, H, W)
Each = Callable[..., Iterable[Any]]  # `map`, or a thread pool's

DIRECTIONS = ("forward", "backward")


def grey(jpeg: bytes) -> np.ndarray:
    """A JPEG's luma, uint8 (H, W)."""
    return simplejpeg.decode_jpeg(jpeg, colorspace="GRAY")[..., 0]


def decoded(jpegs: Iterator[bytes], each: Each) -> Iterator[np.ndarray]:
    """The frames of JPEGs, uint8 (H, W), decoded some at a time."""
    while some := list(islice(jpegs, MOST_PAIRS)):
        yield from each(grey, some)


def batches(frames: Iterator[np.ndarray], pairs: int = MOST_PAIRS) -> Iterator[np.ndarray]:
    """Runs of up to `pairs` + 1 frames, (T, H, W), each beginning with the last frame of the one before.

    Fewer where frames are so large that their flow would not fit the room there is.
    """
    last = list(islice(frames, 1))
    pairs = min(pairs, max(1, ROOM // (8 * max(1, last[0].size)))) if last else 0
    while following := list(islice(frames, pairs)):
        yield np.stack(last + following)
        last = following[-1:]


def backward(engine: Engine) -> Engine:
    """The flow of the reversed frames, reversed: from frame t + 1 to frame t, at the place t.

    Pairs do not depend on each other, so a video may be reversed a batch at a time.
    """
    return lambda run: engine(run[::-1])[::-1]


def encode(field: np.ndarray, bound: float, quality: int) -> bytes:
    """float32 (2, H, W) in pixels -> a grey JPEG, x above y."""
    levels = quantise(field, bound).reshape(-1, field.shape[-1], 1)  # (2H, W, 1)
    return simplejpeg.encode_jpeg(levels, quality=quality, colorspace="GRAY")


def flow_of(jpegs: Iterator[bytes], engine: Engine, bound: float, quality: int, each: Each = map) -> list[bytes]:
    """One video's frames as JPEGs -> its flow pictures as JPEGs, one fewer; `each` decodes and encodes."""

    def encoded(field: np.ndarray) -> bytes:
        return encode(field, bound, quality)

    return [picture for run in batches(decoded(jpegs, each)) for picture in each(encoded, engine(run))]


def write_slice(
    frames: Store, engine: Engine, out: Path, settings: dict[str, Any], each: Each = map, what: str = "flow"
) -> None:
    """Flow of every video in `frames` into `out`."""
    numbers, number, size = range(len(frames.videos)), 0, 0
    with whole_file(out, lambda: size / max(number, 1) * len(numbers)) as scratch:
        writer = StoreWriter(scratch, settings)
        for number in log.progress(numbers, len(numbers), f"{what} {out.stem}"):
            pictures = flow_of(frames.pictures(number), engine, settings["bound"], settings["quality"], each)
            if len(pictures) != frames.count(number) - 1:
                raise RuntimeError(f"{frames.videos[number]}: {len(pictures)} flows of {frames.count(number)} frames")
            data = io.BytesIO(b"".join(pictures))
            size += len(data.getbuffer())
            writer.add(frames.videos[number], map(len, pictures), data, float(frames.fps[number]))
        writer.close()


def parse_parameters(text: str) -> dict[str, Any]:
    """`{"warps": 3}` -> a dict; anything but a JSON object is the user's error."""
    try:
        parsed = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"--parameters is {text!r}, which is not JSON ({error}): write e.g. '{{\"warps\": 3}}'"
        ) from error
    if not isinstance(parsed, dict):
        raise UserError(f"--parameters is {text!r} but must be a JSON object, such as '{{\"warps\": 3}}'")
    return parsed


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("frames", type=Path, help="a slice of frames")
    parser.add_argument("out", type=Path, help="the HDF5 file to write")
    parser.add_argument("--direction", choices=DIRECTIONS, default="forward", help="to the next frame, or from it")
    parser.add_argument("--preset", choices=sorted(tvl1.PRESETS), default="opencv", help="the algorithm's parameters")
    parser.add_argument("--parameters", default="{}", help="a JSON object of parameters that differ from the preset's")
    parser.add_argument("--backend", choices=["auto", *tvl1.BACKENDS], default="auto", help="what computes it")
    parser.add_argument("--bound", type=float, default=20, help="pixels that become level 0 and 255")
    parser.add_argument("--quality", type=int, default=90, help="JPEG quality")
    parser.add_argument("--threads", type=int, default=1)
    a = parser.parse_args(argv)
    parameters = tvl1.resolve(a.preset, **parse_parameters(a.parameters))
    backend = tvl1.choose(a.backend)
    with Store(a.frames) as frames:
        settings = {"stage": "flow", "code": code_hash("pipeline.flow"), "algorithm": "tvl1", **parameters}
        settings |= {"bound": a.bound, "quality": a.quality, "size": frames.attributes["size"]}
        if a.direction == "backward":
            settings["direction"] = "backward"  # forward files say nothing, as before there were two

        def engine(run: np.ndarray) -> np.ndarray:
            return tvl1.flow(run, backend=backend, threads=a.threads, **parameters)

        # On one thread, decoding and encoding would take longer than a GPU takes for the flow.
        with ThreadPoolExecutor(a.threads) as pool:
            way = backward(engine) if a.direction == "backward" else engine
            write_slice(frames, way, a.out, settings, pool.map, f"{a.direction} flow on {backend}")


if __name__ == "__main__":
    cli.run(main)
