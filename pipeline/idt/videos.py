"""What sample and encode share: their options, and a slice's videos as grey frames and tracks."""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg

from pipeline.formats.jpeg_store import JpegStore
from pipeline.idt import tracks
from pipeline.idt.fisher import root
from pipeline.idt.parameters import Parameters, checked

Rooted = dict[str, np.ndarray]  # by kind, (N, D)


def options(parser: argparse.ArgumentParser) -> None:
    """A slice of frames, and every field of Parameters."""
    parser.add_argument("frames", type=Path, help="a slice of frames")
    for name, value in Parameters._field_defaults.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    parser.add_argument("--threads", type=int, default=1)


def parameters(a: argparse.Namespace) -> Parameters:
    """The parameters that the options say."""
    cv2.setNumThreads(1)  # videos are what threads share
    return checked(Parameters(**{name: getattr(a, name) for name in Parameters._fields}))


def grey(store: JpegStore, number: int, begin: int = 0, end: int | None = None) -> Iterator[np.ndarray]:
    """Frames [begin, end) of a video, uint8 (H, W), one at a time."""
    for jpeg in islice(store.pictures(number), begin, end):
        yield simplejpeg.decode_jpeg(jpeg, colorspace="GRAY")[..., 0]


def rooted(frames: Iterator[np.ndarray], chosen: Parameters) -> Iterator[Rooted]:
    """The descriptors of the tracks that each frame completes, by kind."""
    for found in tracks.tracks(frames, chosen):
        yield {kind: root(part) for kind, part in tracks.split(found.descriptors).items()}


def settings(store: JpegStore, chosen: Parameters) -> dict[str, Any]:
    """What decides the tracks: the frames' settings and the parameters."""
    return {"frame_size": store.attributes["size"], "frame_fps": store.attributes["fps"], **chosen._asdict()}


DECISIVE = ("frame_size", "frame_fps", *Parameters._fields)  # settings that files used together share
