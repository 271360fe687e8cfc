"""Keep a slice's raw tracks, for other uses than the tables: about 1 kB each, thousands a video.

first        int64 (videos + 1,)    where each video begins among the tracks
end          int32 (tracks,)        the number of the frame that a track ends in
scale        uint8 (tracks,)        0 is the finest, each next one 1 / sqrt 2 of it
points       float32 (tracks, 16, 2) x, y in pixels of the stored frames
descriptors  float16 (tracks, 426)  trajectory, HOG, HOF, MBHx, MBHy; signed roots of L1-normalised ones
"""

import argparse
from pathlib import Path

import h5py
import numpy as np

from pipeline.common import log
from pipeline.common.code_hash import code_hash
from pipeline.formats.jpeg_store import JpegStore
from pipeline.idt import files, videos
from pipeline.idt.fisher import root
from pipeline.idt.parameters import KINDS, LENGTH
from pipeline.idt.tracks import Tracks, split, tracks

COLUMNS = {
    "end": ((), np.int32), "scale": ((), np.uint8), "points": ((LENGTH + 1, 2), np.float32),
    "descriptors": ((sum(KINDS.values()),), np.float16),
}  # fmt: skip
CHUNK = 1024  # tracks


def append(file: h5py.File, found: Tracks) -> None:
    """More tracks at the end of the file's columns."""
    rooted = np.concatenate([root(part) for part in split(found.descriptors).values()], axis=1)
    values = {"end": found.end, "scale": found.scale, "points": found.points, "descriptors": rooted}
    before = len(file["end"])
    for name, value in values.items():
        file[name].resize(before + len(found.scale), axis=0)
        file[name][before:] = value


def options(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    videos.options(parser)
    parser.add_argument("out", type=Path, help="the HDF5 file to write")


def run(a: argparse.Namespace) -> None:
    """See the module's docstring."""
    chosen = videos.parameters(a)
    with JpegStore(a.frames) as store:
        about = {"stage": "idt_keep", "code": code_hash("pipeline.idt.keep"), **videos.settings(store, chosen)}
        with files.created(a.out, about) as file:
            for name, (shape, kind) in COLUMNS.items():
                file.create_dataset(name, (0, *shape), kind, chunks=(CHUNK, *shape), maxshape=(None, *shape))
            first = [0]
            for number in log.progress(range(len(store.videos)), len(store.videos), f"idt keep {a.out.stem}"):
                for found in tracks(videos.grey(store, number), chosen):
                    append(file, found)
                first.append(len(file["end"]))
            file["first"] = np.array(first, np.int64)
            files.write_strings(file, "video_id", store.videos)
    log.say(f"{a.out}: {first[-1]} tracks of {len(store.videos)} videos")
