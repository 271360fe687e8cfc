"""Keep a slice's raw tracks, for uses other than the tables: about 1 kB each, thousands a video.

first        int64 (videos + 1,)    the first track of each video, and the end
end          int32 (tracks,)        the number of the frame that a track ends in
scale        uint8 (tracks,)        0 is the finest, each next one 1 / sqrt 2 of it
points       float32 (tracks, 16, 2) x, y in pixels of the stored frames
descriptors  float16 (tracks, 426)  trajectory, HOG, HOF, MBHx, MBHy; signed square roots of L1-normalised values
"""

import argparse
from pathlib import Path

import h5py
import numpy as np

from pipeline.common import log
from pipeline.common.code_hash import code_hash
from pipeline.formats.jpeg_store import JpegStore
from pipeline.idt import files, videos
from pipeline.idt.fisher import root_normalise
from pipeline.idt.parameters import DESCRIPTOR_LENGTHS, TRACK_LENGTH
from pipeline.idt.tracks import Tracks, follow_tracks, split_by_kind

COLUMNS = {
    "end": ((), np.int32), "scale": ((), np.uint8), "points": ((TRACK_LENGTH + 1, 2), np.float32),
    "descriptors": ((sum(DESCRIPTOR_LENGTHS.values()),), np.float16),
}  # fmt: skip
CHUNK = 1024  # tracks


def append(file: h5py.File, tracks: Tracks) -> None:
    """Append tracks to the file's datasets."""
    descriptors = np.concatenate([root_normalise(part) for part in split_by_kind(tracks.descriptors).values()], axis=1)
    values = {"end": tracks.end, "scale": tracks.scale, "points": tracks.points, "descriptors": descriptors}
    before = len(file["end"])
    for name, value in values.items():
        file[name].resize(before + len(tracks.scale), axis=0)
        file[name][before:] = value


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    videos.add_options(parser)
    parser.add_argument("out", type=Path, help="the HDF5 file to write")


def run(args: argparse.Namespace) -> None:
    """See the module's docstring."""
    parameters = videos.parameters_from_args(args)
    with JpegStore(args.frames) as store:
        attributes = {"stage": "idt_keep", "code": code_hash("pipeline.idt.keep")}
        with files.create(args.out, attributes | videos.track_settings(store, parameters)) as file:
            for name, (shape, dtype) in COLUMNS.items():
                file.create_dataset(name, (0, *shape), dtype, chunks=(CHUNK, *shape), maxshape=(None, *shape))
            first = [0]
            for number in log.progress(range(len(store.videos)), len(store.videos), f"idt keep {args.out.stem}"):
                for tracks in follow_tracks(videos.grey_frames(store, number), parameters):
                    append(file, tracks)
                first.append(len(file["end"]))
            file["first"] = np.array(first, np.int64)
            files.write_strings(file, "video_id", store.videos)
    log.say(f"{args.out}: {first[-1]} tracks of {len(store.videos)} videos")
