"""Draw the descriptors of some tracks of each video of a slice, for vocabularies to be fitted to.

Only a stretch of each video is looked at, at a random place: a vocabulary takes a few tracks a video, and following
all of them would cost as much as encoding does. The seed and the video's name decide the place and the tracks.
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
from pipeline.idt.parameters import KINDS, Parameters


def generator(seed: int, video: str) -> np.random.Generator:
    """Random numbers of one video."""
    return np.random.default_rng([seed, int.from_bytes(hashlib.blake2b(video.encode()).digest()[:8], "little")])


def drawn(store: JpegStore, number: int, chosen: Parameters, window: int, count: int, seed: int) -> np.ndarray:
    """float16 (n, 426), n <= count: tracks of `window` frames, every one of them as likely."""
    random = generator(seed, store.videos[number])
    begin = int(random.integers(max(store.count(number) - window, 0) + 1))
    kept, ranks = np.empty((0, sum(KINDS.values())), np.float16), np.empty(0)
    for found in videos.rooted(videos.grey(store, number, begin, begin + window), chosen):
        rows = np.concatenate([found[kind] for kind in KINDS], axis=1).astype(np.float16)
        kept, ranks = np.concatenate([kept, rows]), np.concatenate([ranks, random.random(len(rows))])
        best = np.argsort(ranks, kind="stable")[:count]
        kept, ranks = kept[best], ranks[best]
    return kept


def options(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    videos.options(parser)
    parser.add_argument("out", type=Path, help="the HDF5 file to write")
    parser.add_argument("--window", type=int, default=45, help="frames of each video that are looked at")
    parser.add_argument("--count", type=int, default=96, help="tracks of each video that are kept")
    parser.add_argument("--seed", type=int, default=0)


def run(a: argparse.Namespace) -> None:
    """See the module's docstring."""
    chosen = videos.parameters(a)
    with JpegStore(a.frames) as store:
        numbers = range(len(store.videos))
        done = ordered_map(lambda n: drawn(store, n, chosen, a.window, a.count, a.seed), numbers, a.threads)
        parts = [part for _, part in log.progress(done, len(numbers), f"idt sample {a.out.stem}")]
        about = {"stage": "idt_sample", "code": stage_hash("idt_sample"), **videos.settings(store, chosen)}
        about |= {"window": a.window, "count": a.count, "seed": a.seed}
        with files.created(a.out, about) as file:
            files.write_strings(file, "video_id", store.videos)
            file["first"] = np.cumsum([0, *map(len, parts)])
            file["descriptors"] = np.concatenate([np.empty((0, sum(KINDS.values())), np.float16), *parts])
    log.say(f"{a.out}: {sum(map(len, parts))} tracks of {sum(map(bool, map(len, parts)))} of {len(parts)} videos")
