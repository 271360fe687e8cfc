"""Encode each video of a slice: the Fisher vectors of all its tracks, under each of the vocabularies.

Tracks are followed once for all splits and seeds and are not stored: those of UCF-101 would take 200 GB.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
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
from pipeline.idt.parameters import DESCRIPTOR_LENGTHS, TRACK_SETTINGS, Parameters

BATCH = 512  # tracks that are encoded together, at least


class EncodedVideo(NamedTuple):
    """The number of tracks of a video, and its float16 encoding under each vocabulary."""

    tracks: int
    vectors: list[np.ndarray]


def encode_video(
    store: JpegStore, number: int, parameters: Parameters, vocabularies: Sequence[Vocabulary]
) -> EncodedVideo:
    """The encodings of one video; those of a video without tracks are zeros."""
    encoders = [Encoder(vocabulary) for vocabulary in vocabularies]
    count = 0
    for batch in batches(videos.video_descriptors(videos.grey_frames(store, number), parameters)):
        count += len(batch["hog"])
        for encoder in encoders:
            encoder.add(batch)
    return EncodedVideo(count, [encoder.vector().astype(np.float16) for encoder in encoders])


def batches(parts: Iterable[videos.Descriptors]) -> Iterator[videos.Descriptors]:
    """The same tracks' descriptors in batches of at least BATCH tracks; only the last may be smaller."""
    waiting: list[videos.Descriptors] = []
    for part in parts:
        waiting.append(part)
        if sum(len(one["hog"]) for one in waiting) >= BATCH:
            yield _concatenate(waiting)
            waiting = []
    if waiting:
        yield _concatenate(waiting)


def _concatenate(parts: Sequence[videos.Descriptors]) -> videos.Descriptors:
    return {kind: np.concatenate([part[kind] for part in parts]) for kind in DESCRIPTOR_LENGTHS}


def read_vocabularies(paths: Sequence[Path], settings: dict[str, Any]) -> dict[str, Vocabulary]:
    """Vocabularies by split and seed; those fitted to tracks with other settings are a UserError."""
    vocabularies: dict[str, Vocabulary] = {}
    for path in paths:
        vocabulary, attributes = files.read_vocabulary(path)
        files.check_same_settings(path, attributes, Path("the encoding"), settings, TRACK_SETTINGS)
        name = files.dataset_name(attributes["split"], attributes["seed"])
        if name in vocabularies:
            raise UserError(f"two of the vocabularies are of {name}, one is {path}: give each once")
        vocabularies[name] = vocabulary
    return vocabularies


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    videos.add_options(parser)
    parser.add_argument("out", type=Path, help="the HDF5 file to write")
    parser.add_argument("--vocabularies", nargs="+", required=True, type=Path, help="one for each split and seed")


def run(args: argparse.Namespace) -> None:
    """See the module's docstring."""
    parameters = videos.parameters_from_args(args)
    with JpegStore(args.frames) as store:
        settings = videos.track_settings(store, parameters)
        vocabularies = read_vocabularies(args.vocabularies, settings)
        numbers, ordered = range(len(store.videos)), list(vocabularies.values())
        encoded = ordered_map(lambda number: encode_video(store, number, parameters, ordered), numbers, args.threads)
        attributes = {"stage": "idt_encode", "code": stage_hash("idt_encode"), **settings}
        counts = []
        with files.create(args.out, attributes) as file:
            files.write_strings(file, "video_id", store.videos)
            for number, video in log.progress(encoded, len(numbers), f"idt encode {args.out.stem}"):
                counts.append(video.tracks)
                for name, vector in zip(vocabularies, video.vectors, strict=True):
                    file.require_dataset(name, (len(numbers), len(vector)), np.float16)[number] = vector
            file["tracks"] = np.array(counts, np.int64)
    empty = [video for video, count in zip(store.videos, counts, strict=True) if not count]
    note = f", {len(empty)} without any track (first: {empty[0]}): their encodings are zeros" if empty else ""
    log.say(f"{args.out}: {sum(counts)} tracks of {len(counts)} videos{note}")
