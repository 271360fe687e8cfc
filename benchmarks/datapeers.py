"""How others decode, pack and read: what benchmarks.data compares with. Peers that are not installed are left out."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import ffmpeg
import h5py
import imageio_ffmpeg
import numpy as np
import simplejpeg

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
WIDTH, HEIGHT = 340, 256

Crop = tuple[int, int, int, int]  # left, top, right, bottom


def optional(name: str) -> Any:
    """A module, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def ffmpeg_python(path: Path) -> int:
    """`ffmpeg-python .run()` as its README has it: all frames as one RGB array of the video's size; then resized."""
    stream = cv2.VideoCapture(str(path))
    width, height = (int(stream.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    stream.release()
    frames = _run(ffmpeg.input(str(path)), width, height)
    for frame in frames:
        cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return len(frames)


def ffmpeg_python_scale(path: Path) -> int:
    """The same with ffmpeg's scale filter, so that only small frames go through the pipe."""
    return len(_run(ffmpeg.input(str(path)).filter("scale", WIDTH, HEIGHT), WIDTH, HEIGHT))


def _run(stream: Any, width: int, height: int) -> np.ndarray:
    stream = stream.output("pipe:", format="rawvideo", pix_fmt="rgb24", fps_mode="passthrough")
    data, _ = stream.global_args("-v", "error", "-nostdin").run(cmd=FFMPEG, capture_stdout=True)
    return np.frombuffer(data, np.uint8).reshape(-1, height, width, 3)


def opencv(path: Path) -> int:
    """cv2.VideoCapture and cv2.resize, by area."""
    reader, count = cv2.VideoCapture(str(path)), 0
    while True:
        good, frame = reader.read()
        if not good:
            return count
        cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        count += 1


def decord(path: Path) -> int:
    """decord at the wanted size, on one thread."""
    reader = importlib.import_module("decord").VideoReader(str(path), width=WIDTH, height=HEIGHT, num_threads=1)
    return sum(1 for number in range(len(reader)) if reader[number].asnumpy().size)


def decoders() -> dict[str, Callable[[Path], int]]:
    """The peers that are here."""
    found = {"ffmpeg-python": ffmpeg_python, "ffmpeg-python and scale": ffmpeg_python_scale, "cv2.VideoCapture": opencv}
    return {**found, "decord": decord} if optional("decord") else found


def jpeg_folder(path: Path, out: Path) -> None:
    """The usual ffmpeg command: a video to a folder of JPEGs."""
    out.mkdir(parents=True)
    stream = ffmpeg.input(str(path)).filter("scale", WIDTH, HEIGHT)
    stream = stream.output(str(out / "img_%05d.jpg"), fps_mode="passthrough", **{"q:v": 2})
    stream.global_args("-v", "error", "-nostdin").run(cmd=FFMPEG)


def pack_folders(folders: Sequence[Path], out: Path) -> None:
    """Folders of JPEGs into one HDF5 file, a variable-length dataset a video."""
    with h5py.File(out, "w") as file:
        for folder in folders:
            jpegs = [np.fromfile(path, np.uint8) for path in sorted(folder.iterdir())]
            dataset = file.create_dataset(folder.name, (len(jpegs),), h5py.vlen_dtype(np.uint8))
            for number, jpeg in enumerate(jpegs):
                dataset[number] = jpeg


def read_folder(folder: Path, numbers: Sequence[int]) -> list[bytes]:
    """The JPEGs of a clip, a file each."""
    return [(folder / f"img_{number + 1:05d}.jpg").read_bytes() for number in numbers]


def pil_clip(folder: Path, numbers: Sequence[int], size: tuple[int, int], crop: Crop) -> np.ndarray:
    """Folder and PIL, as the usual data set class has it: open, convert, resize to (width, height), crop."""
    image = importlib.import_module("PIL.Image")
    pictures = (image.open(folder / f"img_{number + 1:05d}.jpg").convert("RGB") for number in numbers)
    return np.stack([np.asarray(p.resize(size, image.Resampling.BILINEAR).crop(crop)) for p in pictures])


def from_memory(jpegs: Sequence[bytes]) -> np.ndarray:
    """The same pictures decoded from memory: the limit of any reader."""
    return np.stack([simplejpeg.decode_jpeg(jpeg) for jpeg in jpegs])
