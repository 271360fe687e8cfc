"""Dual TV-L1 optical flow (Zach, Pock, Bischof 2007): the same flow as OpenCV's DualTVL1OpticalFlow, but much faster.

On the CPU, cpu.py distributes runs of frame pairs to threads, pyramid.py prepares a frame, and level.py solves a level
of the pyramid with warp.py, median.py and sweep.py (which derives the iteration), on the 16-float vectors of vector.py.
scalar.py is the same algorithm one pixel at a time. On a GPU, cuda.py is the host code, tvl1.cu has the kernels, and
driver.py compiles and launches them.
"""

import importlib
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.common.errors import UserError
from pipeline.common.log import say_once
from pipeline.flow.tvl1 import driver
from pipeline.flow.tvl1.parameters import PRESETS, resolve

__all__ = ["BACKENDS", "PRESETS", "choose_backend", "flow", "resolve"]

BACKENDS = {
    "cuda": "pipeline.flow.tvl1.cuda",
    "cpu": "pipeline.flow.tvl1.cpu",
    "scalar": "pipeline.flow.tvl1.scalar",
    "opencv": "pipeline.flow.tvl1.reference",
}


def flow(
    frames: np.ndarray | Sequence[np.ndarray],
    *,
    backend: str = "auto",
    threads: int | None = None,
    preset: str = "opencv",
    **parameters: Any,
) -> np.ndarray:
    """Flow between consecutive frames: uint8 (T, H, W) -> float32 (T-1, 2, H, W), x then y, in pixels.

    `parameters` override those of the preset (`resolve`). `threads` is by default the number of cores that this process
    may use. The pairs are independent: their order, the batches and the threads do not change a bit of the result.
    Raises UserError for invalid frames, parameters or backends.
    """
    resolved = resolve(preset, **parameters)
    images = check_frames(frames)
    if threads is not None and threads < 1:
        raise UserError(f"TV-L1 was given {threads} threads but needs at least 1: leave it out for all cores")
    module = importlib.import_module(BACKENDS[choose_backend(backend)])
    return module.flow(images, resolved, threads or available_cores())


def available_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_backend(backend: str) -> str:
    """`backend` itself, or for `auto` the fastest that runs here, which is logged; UserError if it does not run."""
    if backend not in ("auto", *BACKENDS):
        raise UserError(f"TV-L1 has no backend {backend!r}: choose auto or one of {', '.join(BACKENDS)}")
    if backend not in ("auto", "cuda"):
        return backend
    missing = driver.unavailable_reason()
    if backend == "cuda" and missing:
        raise UserError(f"TV-L1 cannot run on the backend cuda because {missing}: correct that or use the backend cpu")
    if backend == "auto":
        backend = "cpu" if missing else "cuda"
        say_once(f"TV-L1 runs on the backend {backend}" + (f", not on cuda: {missing}" if missing else ""))
    return backend


def check_frames(frames: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """The frames as one uint8 array (T, H, W); raises UserError for other shapes and types."""
    sizes = sorted({np.shape(frame) for frame in frames}) if np.ndim(frames[0] if len(frames) else 0) == 2 else []
    if len(sizes) > 1:
        raise UserError(f"frames of one clip are {sizes[0]} and {sizes[1]} high and wide: resize them to one size")
    images = np.ascontiguousarray(frames)
    if images.ndim != 3 or 0 in images.shape:
        raise UserError(f"frames have the shape {images.shape} but TV-L1 needs (T, H, W), none 0: convert to grey")
    if images.dtype != np.uint8:
        raise UserError(f"frames are {images.dtype} but TV-L1 takes uint8 grey levels: round them to 0..255 first")
    return images
