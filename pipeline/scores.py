"""Score files: one row a view of a video with its logits, as Parquet; what every stage after training reads.

Columns: video_id, label, clip, crop, flip, start, scores (list of float32, one a class). The metadata say what the
scores are (`kind`: logits, probabilities or decisions), how views are averaged (`average`), the classes in order, the
videos that the split has (`videos`) and what made them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from scipy.special import softmax

from pipeline.errors import UserError
from pipeline.manifest import read_parquet, write_parquet

SCHEMA = pa.schema(
    [
        ("video_id", pa.string()),
        ("label", pa.int32()),
        ("clip", pa.int16()),
        ("crop", pa.int16()),
        ("flip", pa.bool_()),
        ("start", pa.int32()),
        ("scores", pa.list_(pa.float32())),
    ]
)


class VideoScores(NamedTuple):
    """One score a video and class: videos in the file's order, labels (N,), values (N, K), what they are, metadata."""

    videos: list[str]
    labels: np.ndarray
    values: np.ndarray
    kind: str
    facts: dict[str, Any]


def write(path: Path | str, columns: Mapping[str, Sequence[Any]], facts: dict[str, Any]) -> None:
    """One row a view; `columns` by the names of SCHEMA."""
    write_parquet(path, pa.table(columns, schema=SCHEMA), facts)


def read(path: Path | str, kind: str | None = None) -> VideoScores:
    """Views averaged to videos as the file says, or as `kind` (logits, probabilities) asks.

    Probabilities are each view's softmax, then the mean; logits are the mean of logits.
    """
    table, facts = read_parquet(path, SCHEMA.names)
    values = np.stack(table["scores"].to_list())
    wanted = kind or (facts["average"] if facts["kind"] == "logits" else facts["kind"])
    videos, first, place = np.unique(table["video_id"].to_numpy(str), return_index=True, return_inverse=True)
    values = convert(values, facts["kind"], wanted, path)
    sums = np.zeros((len(videos), values.shape[1]))
    np.add.at(sums, place, values)
    means = sums / np.bincount(place)[:, None]
    order = np.argsort(first)
    return VideoScores(videos[order].tolist(), table["label"].to_numpy()[first[order]], means[order], wanted, facts)


def convert(values: np.ndarray, kind: str, wanted: str, source: Path | str) -> np.ndarray:
    """Scores (N, K) of one kind as another; only logits turn into probabilities."""
    if kind == wanted:
        return values
    if (kind, wanted) == ("logits", "probabilities"):
        return softmax(values, axis=1)
    raise UserError(f"{source} holds {kind}, from which {wanted} cannot be had: use the scores that they were made of")


def top1(scores: VideoScores, among: Sequence[int] | None = None) -> float:
    """Share of videos whose own class scores highest; `among` keeps some labels' videos, all classes competing."""
    keep = np.isin(scores.labels, among) if among is not None else np.ones(len(scores.labels), bool)
    return float((scores.values[keep].argmax(1) == scores.labels[keep]).mean()) if keep.any() else float("nan")
