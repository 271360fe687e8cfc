"""manifest.parquet and splits.parquet: which videos there are, and who trains and who tests."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.common.errors import UserError
from pipeline.common.files import whole_file

MANIFEST = ("video_id", "path", "class", "label", "bytes", "slice")
SPLITS = ("video_id", "class", "label", "split", "role", "present")
KEY = b"actionbench"  # where a Parquet file's schema keeps our metadata, as JSON


def fingerprint(videos: Iterable[tuple[str, str, int]]) -> str:
    """Twelve hex digits over every (video_id, class, bytes), in any order: the same data set has the same one."""
    digest = hashlib.sha256()
    for video, name, size in sorted(videos):
        digest.update(f"{video}\t{name}\t{size}\n".encode())
    return digest.hexdigest()[:12]


def write_parquet(path: Path | str, table: pd.DataFrame | pa.Table, metadata: Mapping[str, Any]) -> None:
    """A table with `metadata` as JSON in its schema, written whole."""
    arrow = table if isinstance(table, pa.Table) else pa.Table.from_pandas(table, preserve_index=False)
    kept = {KEY: json.dumps(metadata, sort_keys=True).encode()}
    with whole_file(path) as scratch:
        pq.write_table(arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), **kept}), scratch)


def read_parquet(path: Path | str, columns: Iterable[str]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The table and its metadata; a file that is not ours is the user's error."""
    try:
        arrow = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path} cannot be read as Parquet ({error}): delete it and run again") from error
    missing = set(columns) - set(arrow.column_names)
    metadata = (arrow.schema.metadata or {}).get(KEY)
    if missing or metadata is None:
        raise UserError(
            f"{path} lacks {', '.join(sorted(missing)) or 'our metadata'}: it was not made by this pipeline"
        )
    return arrow.to_pandas(), json.loads(metadata)


def read_manifest(path: Path | str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The videos present, and {dataset, classes, fingerprint}."""
    return read_parquet(path, MANIFEST)


def read_splits(path: Path | str, split: int, role: str) -> pd.DataFrame:
    """The rows of one split and role, in the official order; `present` says whether the video's file was found."""
    table, _ = read_parquet(path, SPLITS)
    chosen = table[(table["split"] == split) & (table["role"] == role)]
    if chosen.empty:
        known = sorted(table["split"].unique().tolist())
        raise UserError(
            f"{path} has no {role} videos in split {split}, only splits {known}: change splits in config.yaml"
        )
    return chosen.reset_index(drop=True)
