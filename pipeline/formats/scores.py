"""Score files: Parquet tables with one row per view of a video, which all stages after training read.

Columns: video_id, label, clip, crop, place, flip, start, scores (float32, one per class). The metadata record what the
scores are (`kind`: logits, probabilities or decisions), how the views of a video are averaged (`average`), the classes
in the order of the scores, the number of videos in the split (`videos`) and how the scores were made. Scores are read
in blocks, to bound the memory.
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

from pipeline.common.errors import UserError, unreadable
from pipeline.common.files import whole_file
from pipeline.formats.manifest import METADATA_KEY

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
VIEW_COLUMNS = tuple(name for name in SCHEMA.names if name != "scores")  # the columns that identify a view
BLOCK = 1 << 22  # scores in a row group, and scores read at a time


class VideoScores(NamedTuple):
    """Scores averaged over views: videos in the order of the file, labels (N,), values (N, K), their kind, metadata."""

    videos: list[str]
    labels: np.ndarray
    values: np.ndarray
    kind: str
    metadata: dict[str, Any]


class Views(NamedTuple):
    """Scores of every view: a table of VIEW_COLUMNS, values (rows, K) as float32, their kind, metadata."""

    table: pa.Table
    values: np.ndarray
    kind: str
    metadata: dict[str, Any]


def write(path: Path | str, columns: Mapping[str, Any], metadata: dict[str, Any]) -> None:
    """Write one row per view. `columns` has the names of SCHEMA; its `scores` are numbers of shape (rows, K)."""
    width = len(metadata["classes"])
    values = np.ascontiguousarray(columns["scores"], np.float32).reshape(len(columns["video_id"]), width)
    schema = SCHEMA.set(SCHEMA.get_field_index("scores"), pa.field("scores", pa.list_(pa.float32(), width)))
    lists = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), width)
    table = pa.table({**columns, "scores": lists}, schema=schema)
    table = table.replace_schema_metadata({METADATA_KEY: json.dumps(metadata, sort_keys=True).encode()})
    with whole_file(path) as scratch:
        pq.write_table(
            table, scratch, max(1, BLOCK // width), use_dictionary=list(VIEW_COLUMNS), write_page_checksum=True
        )


def write_videos(path: Path | str, scores: VideoScores, place: str) -> None:
    """Write one row per video; `place` describes what was scored instead of a view, such as `fused`."""
    count = len(scores.videos)
    columns = {
        "video_id": scores.videos, "label": scores.labels, "clip": [0] * count, "crop": [0] * count,
        "place": [place] * count, "flip": [False] * count, "start": [0] * count, "scores": scores.values,
    }  # fmt: skip
    write(path, columns, scores.metadata)


def read_metadata(path: Path | str) -> dict[str, Any]:
    """The metadata of a score file."""
    with _unreadable_as_user_error(path):
        return _open(path)[1]


def read(path: Path | str, kind: str | None = None) -> VideoScores:
    """Scores per video: the mean over its views of what the file's `average` says, or of `kind` if given.

    For probabilities, softmax is applied to each view before the mean; logits are averaged as they are.
    """
    with _unreadable_as_user_error(path):
        file, metadata = _open(path)
        kind = kind or (metadata["average"] if metadata["kind"] == "logits" else metadata["kind"])
        table = file.read(["video_id", "label"])
        videos, index = factorize(table["video_id"])
        means = np.zeros((len(videos), len(metadata["classes"])))
        for begin, block in _blocks(file, path, metadata, kind):
            add_rows(means, index[begin : begin + len(block)], block)
    means /= np.bincount(index, minlength=len(videos))[:, None]
    _refuse_nan(path, videos, means)
    first_rows = np.unique(index, return_index=True)[1]
    return VideoScores(videos, table["label"].to_numpy()[first_rows], means, kind, metadata)


def read_views(path: Path | str, kind: str | None = None) -> Views:
    """Scores per view, converted to `kind` if given; raises UserError for old files without the column `place`."""
    with _unreadable_as_user_error(path):
        file, metadata = _open(path, VIEW_COLUMNS)
        kind = kind or metadata["kind"]
        values = np.empty((file.metadata.num_rows, len(metadata["classes"])), np.float32)
        for begin, block in _blocks(file, path, metadata, kind):
            values[begin : begin + len(block)] = block
        return Views(file.read(list(VIEW_COLUMNS)), values, kind, metadata)


def factorize(names: pa.ChunkedArray) -> tuple[list[str], np.ndarray]:
    """The distinct names in the order of their first occurrence, and the index of each row's name among them."""
    if not len(names):
        return [], np.zeros(0, np.int32)
    encoded = pa.concat_arrays(names.chunks).dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy()


def add_rows(sums: np.ndarray, index: np.ndarray, values: np.ndarray) -> None:
    """sums[index] += values, also where `index` repeats: sums (N, K), index (rows,), values (rows, K).

    Consecutive rows with the same index are summed first, which is much faster than `np.add.at` alone.
    """
    if len(index):
        begins = np.flatnonzero(np.diff(index, prepend=index[0] - 1))
        np.add.at(sums, index[begins], np.add.reduceat(values, begins, axis=0, dtype=sums.dtype))


def convert(values: np.ndarray, kind: str, target: str, source: Path | str) -> np.ndarray:
    """Scores (N, K) of one kind as another; only logits can be converted, to probabilities."""
    if kind == target:
        return values
    if (kind, target) == ("logits", "probabilities"):
        return softmax(values, axis=1)
    raise UserError(f"{source} holds {kind}, which cannot be converted to {target}: use the scores they were made from")


@contextlib.contextmanager
def _unreadable_as_user_error(path: Path | str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as error:  # invalid UTF-8 and JSON raise ValueError
        raise unreadable(path, error, "cannot be read as Parquet") from error


def _open(path: Path | str, columns: Sequence[str] = ("video_id", "label")) -> tuple[pq.ParquetFile, dict[str, Any]]:
    # pre_buffer would keep all blocks in memory.
    file = pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True)
    document = (file.schema_arrow.metadata or {}).get(METADATA_KEY)
    if missing := [name for name in (*columns, "scores") if name not in file.schema_arrow.names]:
        raise UserError(f"{path} lacks the column {missing[0]}, so it is not a score file of this version: score again")
    metadata = json.loads(document) if document else {}
    if missing := [key for key in ("kind", "average", "classes", "videos") if key not in metadata]:
        raise UserError(f"{path} lacks its {missing[0]}, so it was not made by this pipeline: import its scores")
    return file, metadata


def _blocks(
    file: pq.ParquetFile, path: Path | str, metadata: Mapping[str, Any], kind: str
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the first row and the values (rows, K), converted to `kind`, of each block."""
    width = len(metadata["classes"])
    begin = 0
    for batch in file.iter_batches(max(1, BLOCK // width), columns=["scores"]):
        flat = batch.column(0).flatten().to_numpy(zero_copy_only=True)
        if len(flat) != len(batch) * width:
            raise UserError(f"{path} has {len(flat) / len(batch):g} scores per view for {width} classes: score again")
        yield begin, convert(flat.reshape(-1, width), metadata["kind"], kind, path)
        begin += len(batch)


def _refuse_nan(path: Path | str, videos: Sequence[str], means: np.ndarray) -> None:
    if (invalid := np.isnan(means).any(1)).any():
        raise UserError(
            f"{path} has NaN scores for {invalid.sum()} of {len(videos)} videos (first:"
            f" {videos[int(invalid.argmax())]}): the training diverged, so train again with a lower learning rate"
        )


def score_file(root: Path | str, split: int | str, seed: int | str, run: str, subset: str = "test") -> Path:
    """The path of a run's scores in `root`, its data set's folder of runs; `run` is EXPERIMENT.RUN."""
    return Path(root) / f"split{split}" / f"seed{seed}" / run / f"{subset}.parquet"
