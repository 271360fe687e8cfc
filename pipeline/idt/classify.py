"""Linear SVMs, one against the rest, on a split's encodings; their decisions as scores of the test and training videos.

Encodings are longer than there are videos, so the SVMs are fitted to the products of their pairs.
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

BLOCK = 512  # encodings of one side of a block of products
RUN = "idt.idt"
DEVIATIONS = "AKAZE features in place of SURF, no human detector, tracks of the stored frames"


class Encodings:
    """All slices' encodings under one split's vocabulary, by video, read when they are asked for."""

    def __init__(self, paths: Sequence[Path], split: int, seed: int = 0) -> None:
        self._places: dict[str, tuple[Path, int]] = {}
        self.counts: dict[str, int] = {}
        self._table = files.table_of(split, seed)
        settings: dict[str, Any] = {}
        for path in paths:
            with files.opened(path, "idt_encode") as file:
                about = files.attributes(file)
                files.same_settings(paths[0], settings or about, path, about, ("frame_size", *Parameters._fields))
                settings = settings or about
                if self._table not in file and len(file["tracks"]):
                    raise UserError(f"{path} has no encodings under the vocabulary of {self._table}: encode with it")
                names = files.strings(file, "video_id")
                self._places |= {name: (path, number) for number, name in enumerate(names)}
                self.counts |= dict(zip(names, file["tracks"][:].tolist(), strict=True))
        self.settings = settings

    def __contains__(self, video: str) -> bool:
        return video in self._places

    def rows(self, videos: Sequence[str]) -> np.ndarray:
        """float32 (videos, D)"""
        found: list[Any] = [None] * len(videos)
        for path in {self._places[video][0] for video in videos}:
            with files.opened(path, "idt_encode") as file:
                for at, video in enumerate(videos):
                    if self._places[video][0] == path:
                        found[at] = file[self._table][self._places[video][1]]
        return np.stack(found).astype(np.float32)


def products(encodings: Encodings, ones: Sequence[str], others: Sequence[str]) -> np.ndarray:
    """Of every one with every other, float64 (ones, others), a block at a time."""
    found = np.empty((len(ones), len(others)))
    for top in range(0, len(ones), BLOCK):
        rows = encodings.rows(ones[top : top + BLOCK])
        for left in range(0, len(others), BLOCK):
            same = ones is others
            if same and left < top:
                found[top : top + BLOCK, left : left + BLOCK] = found[left : left + BLOCK, top : top + BLOCK].T
            else:
                columns = rows if same and left == top else encodings.rows(others[left : left + BLOCK])
                found[top : top + BLOCK, left : left + BLOCK] = rows @ columns.T
    return found


def decisions(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, classes: int, c: float
) -> tuple[np.ndarray, np.ndarray]:
    """(test, training) decisions (N, classes) from products train (M, M), test (N, M); unseen classes get the least."""
    tables = [np.full((len(part), classes), np.nan) for part in (test, train)]
    known = np.unique(labels)
    if len(known) < 2:
        raise UserError(f"the training videos have {len(known)} class but an SVM takes 2: mend the split")
    for label in log.progress(known, len(known), "idt classify"):
        model = SVC(kernel="precomputed", C=c).fit(train, labels == label)
        for table, part in zip(tables, (test, train), strict=True):
            table[:, label] = model.decision_function(part)
    return tuple(np.where(np.isnan(table), np.nanmin(table, initial=0) - 1, table) for table in tables)  # type: ignore


def present(tables: Sequence[pd.DataFrame], encodings: Encodings) -> Iterator[tuple[list[str], list[int]]]:
    """(videos, labels) of each table's videos that were encoded; none at all is a UserError."""
    for table in tables:
        kept = table[[video in encodings for video in table["video_id"]]]
        if kept.empty:
            raise UserError(f"none of the split's {len(table)} videos is encoded: give the encodings of all slices")
        yield kept["video_id"].tolist(), kept["label"].tolist()


def options(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    parser.add_argument("--encodings", nargs="+", required=True, type=Path, help="what idt encode wrote, all slices")
    parser.add_argument("--manifest", required=True, type=Path, help="manifest.parquet")
    parser.add_argument("--splits", required=True, type=Path, help="splits.parquet")
    parser.add_argument("--split", required=True, type=int)
    parser.add_argument("--c", type=float, default=100.0, help="what an error costs the SVM")
    parser.add_argument("--preset", default="paper", help="named in the table")
    parser.add_argument("--seed", type=int, default=0, help="the one of the vocabulary")
    parser.add_argument("--out", required=True, type=Path, help="folder for test.parquet and train.parquet")


def run(a: argparse.Namespace) -> None:
    """See the module's docstring."""
    _, about = manifest.read_manifest(a.manifest)
    encodings = Encodings(a.encodings, a.split, a.seed)
    tables = [manifest.read_splits(a.splits, a.split, role) for role in ("test", "train")]
    (test, test_labels), (train, labels) = present(tables, encodings)
    pairs, judged = products(encodings, train, train), products(encodings, test, train)
    found = decisions(pairs, np.array(labels), judged, len(about["classes"]), a.c)
    facts = {
        "run": RUN, "preset": a.preset, "split": a.split, "seed": a.seed, "classes": about["classes"],
        "fingerprint": about["fingerprint"], "kind": "decisions", "average": "decisions", "protocol": "whole video",
        "deviations": DEVIATIONS, "code": stage_hash("idt_classify"), "c": a.c, "tracks": encodings.settings,
    }  # fmt: skip
    parts = zip(("test", "train"), tables, (test, train), (test_labels, labels), found, strict=True)
    for subset, table, videos, truth, values in parts:
        more = {"subset": subset, "videos": len(table), "empty": sum(not encodings.counts[video] for video in videos)}
        made = scores.VideoScores(videos, np.array(truth), values, "decisions", facts | more)
        path = a.out / f"{subset}.parquet"
        scores.write_videos(path, made, "whole video")
        log.say(f"{path}: {len(videos)} of {len(table)} videos, top-1 {100 * class_counts.write_counts(path):.1f} %")
