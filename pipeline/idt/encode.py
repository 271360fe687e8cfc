"""Encode each video of a slice: the Fisher vectors of all its tracks, under each of the vocabularies.

Tracks are followed once for all splits and seeds, and forgotten at once: those of UCF-101 would fill 200 GB.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.common import log
from pipeline.common.code_hash import stage_hash
from pipeline.common.errors import UserError
from pipeline.common.threads import ordered_map
from pipeline.formats.jpeg_store import JpegStore
from pipeline.idt import files, videos
from pipeline.idt.fisher import Encoder, Vocabulary
from pipeline.idt.parameters import KINDS, Parameters

BATCH = 512  # tracks that are encoded at a time


class Encoded(NamedTuple):
    """One video: its number of tracks, and a float16 vector a vocabulary."""

    tracks: int
    vectors: list[np.ndarray]


def encoded(store: JpegStore, number: int, chosen: Parameters, vocabularies: Sequence[Vocabulary]) -> Encoded:
    """A video without tracks has zeros."""
    encoders = [Encoder(vocabulary) for vocabulary in vocabularies]
    count, waiting_count = 0, 0
    waiting: list[videos.Rooted] = []

    def flush() -> None:
        batch = {kind: np.concatenate([part[kind] for part in waiting]) for kind in KINDS}
        for encoder in encoders:
            encoder.add(batch)

    for found in videos.rooted(videos.grey(store, number), chosen):
        waiting.append(found)
        waiting_count += len(found["hog"])
        count += len(found["hog"])
        if waiting_count >= BATCH:
            flush()
            waiting, waiting_count = [], 0
    if waiting:
        flush()
    return Encoded(count, [encoder.vector().astype(np.float16) for encoder in encoders])


def read_vocabularies(paths: Sequence[Path], settings: dict[str, Any]) -> dict[str, Vocabulary]:
    """Vocabularies by split and seed; each must have been made of tracks like those that it is to encode."""
    found: dict[str, Vocabulary] = {}
    for path in paths:
        vocabulary, about = files.read_vocabulary(path)
        files.same_settings(path, about, Path("the encoding"), settings, videos.DECISIVE)
        name = files.table_of(about["split"], about["seed"])
        if name in found:
            raise UserError(f"two of the vocabularies are of {name}, one is {path}: give each once")
        found[name] = vocabulary
    return found


def options(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    videos.options(parser)
    parser.add_argument("out", type=Path, help="the HDF5 file to write")
    parser.add_argument("--vocabularies", nargs="+", required=True, type=Path, help="one a split and seed")


def run(a: argparse.Namespace) -> None:
    """See the module's docstring."""
    chosen = videos.parameters(a)
    with JpegStore(a.frames) as store:
        settings = videos.settings(store, chosen)
        vocabularies = read_vocabularies(a.vocabularies, settings)
        numbers = range(len(store.videos))
        done = ordered_map(lambda n: encoded(store, n, chosen, list(vocabularies.values())), numbers, a.threads)
        about = {"stage": "idt_encode", "code": stage_hash("idt_encode"), **settings}
        counts = []
        with files.created(a.out, about) as file:
            files.write_strings(file, "video_id", store.videos)
            for number, found in log.progress(done, len(numbers), f"idt encode {a.out.stem}"):
                counts.append(found.tracks)
                for name, vector in zip(vocabularies, found.vectors, strict=True):
                    file.require_dataset(name, (len(numbers), len(vector)), np.float16)[number] = vector
            file["tracks"] = np.array(counts, np.int64)
    empty = [video for video, count in zip(store.videos, counts, strict=True) if not count]
    said = f", {len(empty)} without any track (first: {empty[0]}): their encodings are zeros" if empty else ""
    log.say(f"{a.out}: {sum(counts)} tracks of {len(counts)} videos{said}")
