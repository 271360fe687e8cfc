"""Counts per class of a score file: videos scored, right at top-1 and right at top-5.

A score file of a full test set holds up to a hundred million numbers, so its counts are cached in a small JSON beside
it (test.hits.json), and tables take seconds. The stages that write scores also write the counts (`write_counts`); a
table recounts a file that has no counts or has changed since. The JSON is not declared as an output of any rule: it is
a cache that may be deleted, with the size and time of the score file as its stamp, and a new kind of count must not
make everything be scored again.
"""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.common.errors import UserError
from pipeline.common.files import whole_file
from pipeline.formats import scores

METADATA_KEYS = ("protocol", "seed", "preset", "deviations")  # of the score file, kept with its counts
KEYS = {"stamp", "classes", "scored", "top1", "top5", "videos", "facts"}  # of the JSON


class ClassCounts(NamedTuple):
    """Counts per class, K each, in the order of `classes`; `videos` is how many videos the split lists."""

    classes: list[str]
    scored: list[int]
    top1: list[int]
    top5: list[int]
    videos: int
    metadata: dict[str, Any]

    def total(self, name: str, classes: Sequence[str] | None = None) -> int:
        """The sum of `scored`, `top1` or `top5` over some classes or all; raises UserError for an unknown class."""
        counts = getattr(self, name)
        if classes is None:
            return sum(counts)
        if unknown := [name for name in classes if name not in self.classes]:
            known = ", ".join(self.classes)
            raise UserError(f"groups names the class {unknown[0]}, which is not one of {known}: correct groups")
        return sum(counts[self.classes.index(name)] for name in classes)


def read_or_count(path: Path) -> ClassCounts:
    """The counts of a score file: from the JSON beside it, or counted and written there if that is not up to date."""
    cache, stamp = path.with_suffix(".hits.json"), _stamp(path)
    if (document := _read(cache)) and document.pop("stamp") == stamp:
        metadata = document.pop("facts")
        return ClassCounts(**document, metadata=metadata)
    counts = count(path)
    document = counts._asdict()
    _write(cache, {"stamp": stamp, "facts": document.pop("metadata"), **document})
    return counts


def write_counts(path: Path) -> float:
    """Write the counts beside a new score file, so that no table has to read it, and return its top-1 accuracy."""
    counts = read_or_count(path)
    return counts.total("top1") / max(1, counts.total("scored"))


def count(path: Path) -> ClassCounts:
    """The counts of a score file, from its scores."""
    averaged = scores.read(path)
    labels, metadata = averaged.labels, averaged.metadata
    classes = metadata["classes"]
    masks = np.ones(len(labels), bool), *(in_top_k(averaged.values, labels, k) for k in (1, 5))
    scored, top1, top5 = (np.bincount(labels[mask], minlength=len(classes)).tolist() for mask in masks)
    selected = {key: metadata[key] for key in METADATA_KEYS if key in metadata}
    return ClassCounts(classes, scored, top1, top5, int(metadata["videos"]), selected)


def in_top_k(values: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Whether each video's class is among its `k` highest scores: values (N, K), labels (N,) -> bool (N,).

    Of classes with equal scores, the one with the smaller label ranks higher, as in argmax.
    """
    label_scores = np.take_along_axis(values, labels[:, None].astype(int), 1)
    smaller_label = np.arange(values.shape[1]) < labels[:, None]
    return ((values > label_scores) | ((values == label_scores) & smaller_label)).sum(1) < k


def _stamp(path: Path) -> list[int]:
    state = path.stat()
    return [state.st_size, state.st_mtime_ns]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and set(document) == KEYS else None


def _write(path: Path, document: dict[str, Any]) -> None:
    # Of two tables that are made at once, one may delete the other's temporary file, but then writes the same counts.
    with contextlib.suppress(FileNotFoundError), whole_file(path) as scratch:
        scratch.write_text(json.dumps(document), "utf-8")
