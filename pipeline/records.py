"""Snakemake's own records of the jobs that made files: rule, inputs, params, times; read from .snakemake/metadata."""

import ast
import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import UserError

PART = 254  # characters of a file name that Snakemake fills before it begins a folder
LARGEST = 64 << 20  # bytes of a record that is read


class Record(NamedTuple):
    """The job that made a file; `settings` are the stage's params, `begun` and `ended` are seconds since 1970."""

    rule: str
    inputs: list[str]
    logs: list[str]
    settings: dict[str, Any]
    begun: float | None
    ended: float | None


def home(path: Path | str) -> Path:
    """The folder that Snakemake worked in: the nearest one above `path` that has its .snakemake."""
    for folder in Path(path).absolute().parents:
        if (folder / ".snakemake").is_dir():
            return folder
    raise UserError(f"no folder above {path} has a .snakemake: give a result where the workflow made it")


def read(folder: Path, output: str) -> Record | None:
    """The record of a file by its path below `folder`, as rules name it; None where there is none that can be read."""
    name = urlsafe_b64encode(output.encode()).decode()
    parts = [name[start : start + PART] for start in range(0, len(name), PART)]
    path = folder.joinpath(".snakemake", "metadata", *(f"@{part}" for part in parts[:-1]), parts[-1])
    try:
        if path.stat().st_size > LARGEST:
            return None
        found = json.loads(path.read_text("utf-8"))
        return Record(
            str(found["rule"]), list(found.get("input") or []), list(found.get("log") or []),
            settings(found.get("params") or []), found.get("starttime"), found.get("endtime"),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        return None


def settings(params: list[Any]) -> dict[str, Any]:
    """A stage's settings among a job's params, which Snakemake keeps as the text of Python values, without names."""
    for text in params:
        try:
            value = ast.literal_eval(str(text))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(value, dict) and "code" in value:
            return {str(key): setting for key, setting in value.items()}
    return {}
