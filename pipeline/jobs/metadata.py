"""The metadata inside a result file (Parquet, safetensors, attributes of an HDF5 store), and the hash of a file."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.common.files import sha256
from pipeline.formats.hdf5 import open_hdf5
from pipeline.formats.manifest import METADATA_KEY

MAX_HEADER = 64 << 20  # bytes; a safetensors header that claims more is refused
DIGITS = 12  # hex digits of a SHA-256 that are shown
MAX_HASHED = 1 << 30  # bytes; a larger file is not hashed


def read_metadata(path: Path) -> dict[str, Any]:
    """The metadata of a file or a folder of shards; {} if it has none, {"unreadable": reason} if it is damaged."""
    try:
        if path.is_dir():
            index = path / "index.parquet"
            return {**_parquet(index), "shards_tsv": sha256(path / "shards.tsv")[:DIGITS]} if index.exists() else {}
        reader = {".parquet": _parquet, ".safetensors": _safetensors, ".h5": _hdf5}.get(path.suffix)
        return reader(path) if reader else {}
    except (OSError, ValueError, KeyError, pa.ArrowInvalid) as error:
        return {"unreadable": str(error)}


def short_sha256(path: Path) -> str:
    """The first digits of a file's SHA-256; "too large" above MAX_HASHED (fetched.tsv has the hashes of archives)."""
    return sha256(path)[:DIGITS] if path.stat().st_size <= MAX_HASHED else "too large"


def _parquet(path: Path) -> dict[str, Any]:
    return json.loads((pq.read_schema(path).metadata or {})[METADATA_KEY])


def _safetensors(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > MAX_HEADER:
            raise ValueError(f"its header claims {size:,} bytes")
        return json.loads(json.loads(file.read(size))["__metadata__"]["actionbench"])


def _hdf5(path: Path) -> dict[str, Any]:
    with open_hdf5(path) as file:
        return {name: value.item() if hasattr(value, "item") else value for name, value in file.attrs.items()}
