"""Classify videos by linear one-against-rest SVMs on a split's encodings, and write the decisions as scores.

Encodings have more dimensions than there are videos, so the SVMs are fitted to the videos' dot products.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.svm import SVC

from pipeline.common import log
from pipeline.common.code_hash import stage_hash
from pipeline.common.errors import UserError
from pipeline.formats import class_counts, manifest, scores
from pipeline.idt import files
from pipeline.idt.parameters import Parameters

BLOCK = 512  # encodings of a side of a block of dot products
RUN = "idt.idt"
DEVIATIONS = "AKAZE features in place of SURF, no human detector, tracks of the stored frames"
SETTINGS = ("frame_size", *Parameters._fields)  # which all slices must share


class Encodings:
    """All slices' encodings under the vocabulary of one split and seed, read on demand by video."""

    def __init__(self, paths: Sequence[Path], split: int, seed: int = 0) -> None:
        self._index: dict[str, tuple[Path, int]] = {}
        self.counts: dict[str, int] = {}  # tracks by video
        self._dataset = files.dataset_name(split, seed)
        settings: dict[str, Any] = {}
        for path in paths:
            with files.open_file(path, "idt_encode") as file:
                attributes = files.read_attributes(file)
                files.check_same_settings(paths[0], settings or attributes, path, attributes, SETTINGS)
                settings = settings or attributes
                if self._dataset not in file and len(file["tracks"]):
                    raise UserError(f"{path} has no encodings under the vocabulary of {self._dataset}: encode with it")
                names = files.read_strings(file, "video_id")
                self._index |= {name: (path, row) for row, name in enumerate(names)}
                self.counts |= dict(zip(names, file["tracks"][:].tolist(), strict=True))
        self.settings = settings

    def __contains__(self, video: str) -> bool:
        return video in self._index

    def read(self, videos: Sequence[str]) -> np.ndarray:
        """The encodings of videos, float32 (videos, D)."""
        encodings: list[Any] = [None] * len(videos)
        for path in {self._index[video][0] for video in videos}:
            with files.open_file(path, "idt_encode") as file:
                for number, video in enumerate(videos):
                    if self._index[video][0] == path:
                        encodings[number] = file[self._dataset][self._index[video][1]]
        return np.stack(encodings).astype(np.float32)


def dot_products(encodings: Encodings, rows: Sequence[str], columns: Sequence[str]) -> np.ndarray:
    """The dot products of all pairs of videos, float64 (rows, columns), computed block by block."""
    products = np.empty((len(rows), len(columns)))
    for top in range(0, len(rows), BLOCK):
        a = encodings.read(rows[top : top + BLOCK])
        for left in range(0, len(columns), BLOCK):
            symmetric = rows is columns
            if symmetric and left < top:
                products[top : top + BLOCK, left : left + BLOCK] = products[left : left + BLOCK, top : top + BLOCK].T
            else:
                b = a if symmetric and left == top else encodings.read(columns[left : left + BLOCK])
                products[top : top + BLOCK, left : left + BLOCK] = a @ b.T
    return products


def decision_values(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, classes: int, c: float
) -> tuple[np.ndarray, np.ndarray]:
    """The (test, training) videos' decision values (N, classes), from dot products train (M, M) and test (N, M).

    Classes without a training video get the lowest value.
    """
    tables = [np.full((len(part), classes), np.nan) for part in (test, train)]
    trained = np.unique(labels)
    if len(trained) < 2:
        raise UserError(f"the training videos have {len(trained)} class but an SVM takes 2: correct the split")
    for label in log.progress(trained, len(trained), "idt classify"):
        model = SVC(kernel="precomputed", C=c).fit(train, labels == label)
        for table, part in zip(tables, (test, train), strict=True):
            table[:, label] = model.decision_function(part)
    return tuple(np.where(np.isnan(table), np.nanmin(table, initial=0) - 1, table) for table in tables)  # type: ignore


def encoded_videos(tables: Sequence[pd.DataFrame], encodings: Encodings) -> Iterator[tuple[list[str], list[int]]]:
    """(videos, labels) of the encoded videos of each table; a table without any is a UserError."""
    for table in tables:
        encoded = table[[video in encodings for video in table["video_id"]]]
        if encoded.empty:
            raise UserError(f"none of the split's {len(table)} videos is encoded: give the encodings of all slices")
        yield encoded["video_id"].tolist(), encoded["label"].tolist()


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--encodings", nargs="+", required=True, type=Path, help="what idt encode wrote, all slices")
    parser.add_argument("--manifest", required=True, type=Path, help="manifest.parquet")
    parser.add_argument("--splits", required=True, type=Path, help="splits.parquet")
    parser.add_argument("--split", required=True, type=int)
    parser.add_argument("--c", type=float, default=100.0, help="the SVM's penalty of errors")
    parser.add_argument("--preset", default="paper", help="named in the table")
    parser.add_argument("--seed", type=int, default=0, help="that of the vocabulary")
    parser.add_argument("--out", required=True, type=Path, help="folder for test.parquet and train.parquet")


def run(args: argparse.Namespace) -> None:
    """See the module's docstring."""
    _, index = manifest.read_manifest(args.manifest)
    encodings = Encodings(args.encodings, args.split, args.seed)
    tables = [manifest.read_splits(args.splits, args.split, part) for part in ("test", "train")]
    (test, test_labels), (train, train_labels) = encoded_videos(tables, encodings)
    products = dot_products(encodings, train, train), dot_products(encodings, test, train)
    decisions = decision_values(products[0], np.array(train_labels), products[1], len(index["classes"]), args.c)
    metadata = {
        "run": RUN, "preset": args.preset, "split": args.split, "seed": args.seed, "classes": index["classes"],
        "fingerprint": index["fingerprint"], "kind": "decisions", "average": "decisions", "protocol": "whole video",
        "deviations": DEVIATIONS, "code": stage_hash("idt_classify"), "c": args.c, "tracks": encodings.settings,
    }  # fmt: skip
    parts = zip(("test", "train"), tables, (test, train), (test_labels, train_labels), decisions, strict=True)
    for subset, table, videos, labels, values in parts:
        empty = sum(not encodings.counts[video] for video in videos)
        of_subset = metadata | {"subset": subset, "videos": len(table), "empty": empty}
        path = args.out / f"{subset}.parquet"
        scored = scores.VideoScores(videos, np.array(labels), values, "decisions", of_subset)
        scores.write_videos(path, scored, "whole video")
        log.say(f"{path}: {len(videos)} of {len(table)} videos, top-1 {100 * class_counts.write_counts(path):.1f} %")
