"""Sample the descriptors of some tracks of each video of a slice, to fit vocabularies to.

Only a window of each video is read, at a random position: a vocabulary takes a few tracks of each video, and following
all tracks would cost as much as encoding. The seed and the video's name determine the window and the tracks.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np

from pipeline.common import log
from pipeline.common.code_hash import stage_hash
from pipeline.common.threads import ordered_map
from pipeline.formats.jpeg_store import JpegStore
from pipeline.idt import files, videos
from pipeline.idt.parameters import DESCRIPTOR_LENGTHS, Parameters


def video_generator(seed: int, video: str) -> np.random.Generator:
    """The random number generator of one video."""
    return np.random.default_rng([seed, int.from_bytes(hashlib.blake2b(video.encode()).digest()[:8], "little")])


def no_descriptors() -> np.ndarray:
    """An array of no tracks' descriptors, float16 (0, 426)."""
    return np.empty((0, sum(DESCRIPTOR_LENGTHS.values())), np.float16)


def sample_descriptors(
    store: JpegStore, number: int, parameters: Parameters, window: int, count: int, seed: int
) -> np.ndarray:
    """Descriptors of up to `count` tracks, float16 (n, 426), drawn uniformly from those of `window` frames."""
    random = video_generator(seed, store.videos[number])
    begin = int(random.integers(max(store.count(number) - window, 0) + 1))
    kept, keys = no_descriptors(), np.empty(0)
    frames = videos.grey_frames(store, number, begin, begin + window)
    for descriptors in videos.video_descriptors(frames, parameters):
        rows = np.concatenate([descriptors[kind] for kind in DESCRIPTOR_LENGTHS], axis=1).astype(np.float16)
        kept, keys = np.concatenate([kept, rows]), np.concatenate([keys, random.random(len(rows))])
        smallest = np.argsort(keys, kind="stable")[:count]  # reservoir sampling: the tracks with the smallest keys
        kept, keys = kept[smallest], keys[smallest]
    return kept


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    videos.add_options(parser)
    parser.add_argument("out", type=Path, help="the HDF5 file to write")
    parser.add_argument("--window", type=int, default=45, help="frames of each video that are read")
    parser.add_argument("--count", type=int, default=96, help="tracks of each video that are kept")
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> None:
    """See the module's docstring."""
    parameters = videos.parameters_from_args(args)
    with JpegStore(args.frames) as store:
        numbers = range(len(store.videos))
        sampled = ordered_map(
            lambda number: sample_descriptors(store, number, parameters, args.window, args.count, args.seed),
            numbers,
            args.threads,
        )
        parts = [part for _, part in log.progress(sampled, len(numbers), f"idt sample {args.out.stem}")]
        attributes = {
            "stage": "idt_sample",
            "code": stage_hash("idt_sample"),
            **videos.track_settings(store, parameters),
        }
        attributes |= {"window": args.window, "count": args.count, "seed": args.seed}
        with files.create(args.out, attributes) as file:
            files.write_strings(file, "video_id", store.videos)
            file["first"] = np.cumsum([0, *map(len, parts)])
            file["descriptors"] = np.concatenate([no_descriptors(), *parts])
    log.say(f"{args.out}: {sum(map(len, parts))} tracks of {sum(map(bool, map(len, parts)))} of {len(parts)} videos")
