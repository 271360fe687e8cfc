"""Score files: one row a view of a video with its logits, as Parquet; what every stage after training reads.

Columns: video_id, label, clip, crop, place, flip, start, scores (float32, one a class). The metadata say what the
scores are (`kind`: logits, probabilities or decisions), how views are averaged (`average`), the classes in order, the
videos that the split has (`videos`) and what made them. Scores are read in blocks, never as Python lists.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import softmax

from pipeline.common.errors import UserError
from pipeline.common.files import whole_file
from pipeline.formats.manifest import KEY

SCHEMA = pa.schema(
    [
        ("video_id", pa.string()),
        ("label", pa.int32()),
        ("clip", pa.int16()),
        ("crop", pa.int16()),
        ("place", pa.string()),
        ("flip", pa.bool_()),
        ("start", pa.int32()),
        ("scores", pa.list_(pa.float32())),
    ]
)
VIEW = tuple(name for name in SCHEMA.names if name != "scores")  # the columns that say which view a row is
BLOCK = 1 << 22  # scores held at a time while reading; a row group's scores


class VideoScores(NamedTuple):
    """One score a video and class: videos in the file's order, labels (N,), values (N, K), what they are, metadata."""

    videos: list[str]
    labels: np.ndarray
    values: np.ndarray
    kind: str
    facts: dict[str, Any]


class Views(NamedTuple):
    """Every view: a table of the columns VIEW, float32 values (rows, K), what they are, metadata."""

    table: pa.Table
    values: np.ndarray
    kind: str
    facts: dict[str, Any]


def write(path: Path | str, columns: Mapping[str, Any], facts: dict[str, Any]) -> None:
    """One row a view; `columns` by the names of SCHEMA, `scores` as (rows, K) numbers."""
    width = len(facts["classes"])
    values = np.ascontiguousarray(columns["scores"], np.float32).reshape(len(columns["video_id"]), width)
    schema = SCHEMA.set(SCHEMA.get_field_index("scores"), pa.field("scores", pa.list_(pa.float32(), width)))
    lists = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), width)
    table = pa.table({**columns, "scores": lists}, schema=schema)
    table = table.replace_schema_metadata({KEY: json.dumps(facts, sort_keys=True).encode()})
    with whole_file(path) as scratch:
        pq.write_table(table, scratch, max(1, BLOCK // width), use_dictionary=list(VIEW), write_page_checksum=True)


def write_videos(path: Path | str, made: VideoScores, place: str) -> None:
    """One row a video; `place` says what stands there for a view."""
    count = len(made.videos)
    columns = {
        "video_id": made.videos, "label": made.labels, "clip": [0] * count, "crop": [0] * count,
        "place": [place] * count, "flip": [False] * count, "start": [0] * count, "scores": made.values,
    }  # fmt: skip
    write(path, columns, made.facts)


def facts(path: Path | str) -> dict[str, Any]:
    """A score file's metadata alone."""
    with _torn_is_a_sentence(path):
        return _open(path)[1]


def read(path: Path | str, kind: str | None = None) -> VideoScores:
    """Views averaged to videos as the file says, or as `kind` (logits, probabilities) asks.

    Probabilities are each view's softmax, then the mean; logits are the mean of logits.
    """
    with _torn_is_a_sentence(path):
        file, about = _open(path)
        wanted = kind or (about["average"] if about["kind"] == "logits" else about["kind"])
        table = file.read(["video_id", "label"])
        videos, place = numbered(table["video_id"])
        means = np.zeros((len(videos), len(about["classes"])))
        for begin, block in _blocks(file, path, about, wanted):
            add_runs(means, place[begin : begin + len(block)], block)
    means /= np.bincount(place, minlength=len(videos))[:, None]
    _refuse_nan(path, videos, means)
    first = np.unique(place, return_index=True)[1]
    return VideoScores(videos, table["label"].to_numpy()[first], means, wanted, about)


def read_views(path: Path | str, kind: str | None = None) -> Views:
    """Every view as it is, or as `kind` asks; files from before the column `place` are refused."""
    with _torn_is_a_sentence(path):
        file, about = _open(path, VIEW)
        wanted = kind or about["kind"]
        values = np.empty((file.metadata.num_rows, len(about["classes"])), np.float32)
        for begin, block in _blocks(file, path, about, wanted):
            values[begin : begin + len(block)] = block
        return Views(file.read(list(VIEW)), values, wanted, about)


def numbered(names: pa.ChunkedArray) -> tuple[list[str], np.ndarray]:
    """Distinct names in the order in which they come first, and each row's number among them."""
    coded = pa.concat_arrays(names.chunks).dictionary_encode() if len(names) else pa.array([], pa.string())
    return (coded.dictionary.to_pylist(), coded.indices.to_numpy()) if len(names) else ([], np.zeros(0, np.int32))


def add_runs(sums: np.ndarray, place: np.ndarray, values: np.ndarray) -> None:
    """Add each row of `values` (rows, K) to the row of `sums` (N, K) that `place` (rows,) says, run by run."""
    if len(place):
        begins = np.flatnonzero(np.diff(place, prepend=place[0] - 1))
        np.add.at(sums, place[begins], np.add.reduceat(values, begins, axis=0, dtype=sums.dtype))


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


@contextlib.contextmanager
def _torn_is_a_sentence(path: Path | str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as error:  # undecodable text and JSON are ValueErrors
        raise UserError(f"{path} cannot be read as Parquet ({error}): delete it and run again") from error


def _open(path: Path | str, columns: Sequence[str] = ("video_id", "label")) -> tuple[pq.ParquetFile, dict[str, Any]]:
    # With pre_buffer, every block read so far would stay in memory.
    file = pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True)
    metadata = (file.schema_arrow.metadata or {}).get(KEY)
    if missing := [name for name in (*columns, "scores") if name not in file.schema_arrow.names]:
        raise UserError(f"{path} lacks the column {missing[0]}, so it is no score file of this version: score again")
    about = json.loads(metadata) if metadata else {}
    if missing := [key for key in ("kind", "average", "classes", "videos") if key not in about]:
        raise UserError(f"{path} does not say its {missing[0]}, so it was not made by this pipeline: import its scores")
    return file, about


def _blocks(
    file: pq.ParquetFile, path: Path | str, about: Mapping[str, Any], wanted: str
) -> Iterator[tuple[int, np.ndarray]]:
    """First row and values (rows, K) of block after block, as the kind that is wanted."""
    width = len(about["classes"])
    begin = 0
    for batch in file.iter_batches(max(1, BLOCK // width), columns=["scores"]):
        flat = batch.column(0).flatten().to_numpy(zero_copy_only=True)
        if len(flat) != len(batch) * width:
            raise UserError(f"{path} has {len(flat) / len(batch):g} scores a view for {width} classes: score again")
        yield begin, convert(flat.reshape(-1, width), about["kind"], wanted, path)
        begin += len(batch)


def _refuse_nan(path: Path | str, videos: Sequence[str], means: np.ndarray) -> None:
    if (bad := np.isnan(means).any(1)).any():
        raise UserError(
            f"{path} has scores that are no numbers for {bad.sum()} of {len(videos)} videos, the first"
            f" {videos[int(bad.argmax())]}: the training diverged, so train again with a lower rate"
        )


def score_file(root: Path | str, split: int | str, seed: int | str, run: str, subset: str = "test") -> Path:
    """Where a run's scores lie below its data set's folder of runs; `run` is experiment.run or experiment.fusion."""
    return Path(root) / f"split{split}" / f"seed{seed}" / run / f"{subset}.parquet"
