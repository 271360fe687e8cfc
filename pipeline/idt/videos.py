"""The options that the commands on a slice of frames share, and a slice's videos as grey frames and descriptors."""

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
from pipeline.idt.fisher import root_normalise
from pipeline.idt.parameters import Parameters, check_parameters

Descriptors = dict[str, np.ndarray]  # by kind, (N, D)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add options for a slice of frames, and for every field of Parameters."""
    parser.add_argument("frames", type=Path, help="a slice of frames")
    for name, value in Parameters._field_defaults.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    parser.add_argument("--threads", type=int, default=1)


def parameters_from_args(args: argparse.Namespace) -> Parameters:
    """The parameters of the command line; it also keeps OpenCV from starting threads of its own."""
    cv2.setNumThreads(1)  # the threads each take a video
    return check_parameters(Parameters(**{name: getattr(args, name) for name in Parameters._fields}))


def grey_frames(store: JpegStore, number: int, begin: int = 0, end: int | None = None) -> Iterator[np.ndarray]:
    """Frames [begin, end) of a video, uint8 (H, W), one at a time."""
    for jpeg in islice(store.pictures(number), begin, end):
        yield simplejpeg.decode_jpeg(jpeg, colorspace="GRAY")[..., 0]


def video_descriptors(frames: Iterator[np.ndarray], parameters: Parameters) -> Iterator[Descriptors]:
    """The root-normalised descriptors of the tracks that each frame completes."""
    for completed in tracks.follow_tracks(frames, parameters):
        by_kind = tracks.split_by_kind(completed.descriptors)
        yield {kind: root_normalise(descriptors) for kind, descriptors in by_kind.items()}


def track_settings(store: JpegStore, parameters: Parameters) -> dict[str, Any]:
    """The settings that determine the tracks: those of the frames, and the parameters."""
    return {"frame_size": store.attributes["size"], "frame_fps": store.attributes["fps"], **parameters._asdict()}
