"""manifest.parquet (the videos of a data set) and splits.parquet (their train and test parts); Parquet metadata."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.common.errors import UserError, unreadable
from pipeline.common.files import whole_file

VIDEO_COLUMNS = ("video_id", "path", "class", "label", "bytes", "slice")
SPLIT_COLUMNS = ("video_id", "class", "label", "split", "role", "present")
METADATA_KEY = b"actionbench"  # of the pipeline's metadata, as JSON, in the schema of a Parquet file


def fingerprint(videos: Iterable[tuple[str, str, int]]) -> str:
    """Twelve hex digits that identify a data set: a hash over every (video_id, class, bytes), in any order."""
    digest = hashlib.sha256()
    for video, name, size in sorted(videos):
        digest.update(f"{video}\t{name}\t{size}\n".encode())
    return digest.hexdigest()[:12]


def write_parquet(path: Path | str, table: pd.DataFrame | pa.Table, metadata: Mapping[str, Any]) -> None:
    """Write a table with `metadata` as JSON in its schema, atomically."""
    arrow = table if isinstance(table, pa.Table) else pa.Table.from_pandas(table, preserve_index=False)
    added = {METADATA_KEY: json.dumps(metadata, sort_keys=True).encode()}
    with whole_file(path) as scratch:
        pq.write_table(arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), **added}), scratch)


def read_parquet(path: Path | str, columns: Iterable[str]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The table and its metadata; raises UserError if the file lacks the metadata or one of `columns`."""
    try:
        arrow = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise unreadable(path, error, "cannot be read as Parquet") from error
    missing = set(columns) - set(arrow.column_names)
    metadata = (arrow.schema.metadata or {}).get(METADATA_KEY)
    if missing or metadata is None:
        raise UserError(
            f"{path} lacks {', '.join(sorted(missing)) or 'the metadata'}, so it was not made by this pipeline:"
            " make it again"
        )
    return arrow.to_pandas(), json.loads(metadata)


def read_manifest(path: Path | str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The videos that have a file, and the metadata {dataset, classes, fingerprint}."""
    return read_parquet(path, VIDEO_COLUMNS)


def read_splits(path: Path | str, split: int, role: str) -> pd.DataFrame:
    """The rows of one split and role (train or test), in the official order; `present` is whether the file exists."""
    table, _ = read_parquet(path, SPLIT_COLUMNS)
    rows = table[(table["split"] == split) & (table["role"] == role)]
    if rows.empty:
        splits = sorted(table["split"].unique().tolist())
        raise UserError(
            f"{path} has no {role} videos in split {split}, only splits {splits}: change splits in config.yaml"
        )
    return rows.reset_index(drop=True)
