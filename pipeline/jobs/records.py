"""Snakemake's own records of the jobs that made files: rule, inputs, params, times; read from .snakemake/metadata."""

import ast
import json
import re
import shlex
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.environment import read_log
from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv

PART = 254  # characters of a file name that Snakemake fills before it begins a folder
LARGEST = 64 << 20  # bytes of a record that is read


class Record(NamedTuple):
    """The job that made a file; `settings` are the stage's params, `begun` and `ended` are seconds since 1970.

    `folder` is the user's own folder of videos that it read, which is none of Snakemake's files, or "".
    """

    rule: str
    inputs: list[str]
    logs: list[str]
    settings: dict[str, Any]
    begun: float | None
    ended: float | None
    folder: str = ""


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
            own_folder(str(found.get("shellcmd"))),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        return None


def own_folder(command: str) -> str:
    """The folder of videos in the command of a job of frames or index; "" where it is the workflow's own."""
    match = re.search(r"-m pipeline\.(?:frames|index\b.* --videos) ('[^']*'|\S+) ", command)
    folder = shlex.split(match[1])[0] if match else ""
    return "" if folder.startswith("data/raw/") else folder


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


LOG = 1 << 20  # characters of a log that are read


def seconds(folder: Path, record: Record) -> float | None:
    """A job's wall time: its benchmark's, else what Snakemake's records span."""
    measured = benchmark(folder, record).get("s")
    if measured:
        return float(measured)
    return record.ended - record.begun if record.ended and record.begun else None


def logged(folder: Path, record: Record | None) -> dict[str, Any]:
    """The environment that the job's log tells."""
    for log in record.logs if record else []:
        if (folder / log).exists():
            with open(folder / log, encoding="utf-8", errors="replace") as file:
                if found := read_log(file.read(LOG)):
                    return found
    return {}


def benchmark(folder: Path, record: Record) -> dict[str, str]:
    """The row of the job's benchmark, which lies under results/benchmarks as its log under logs."""
    for log in record.logs:
        path = folder / "results" / "benchmarks" / Path(*Path(log).parts[1:]).with_suffix(".tsv")
        if path.exists() and (rows := read_tsv(path)):
            return rows[-1]
    return {}
