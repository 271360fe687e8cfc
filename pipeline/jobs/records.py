"""Snakemake's records of the jobs that made files (rule, inputs, params, times), read from .snakemake/metadata."""

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

MAX_NAME = 254  # characters of an encoded path; Snakemake splits longer ones into folders
MAX_RECORD = 64 << 20  # bytes; a larger record is not read
MAX_LOG = 1 << 20  # characters of a log that are read


class Record(NamedTuple):
    """The job that made a file; `settings` are the stage's params, times are seconds since 1970.

    `video_folder` is the user's own folder of videos that the job read, which Snakemake does not track; "" for others.
    """

    rule: str
    inputs: list[str]
    logs: list[str]
    settings: dict[str, Any]
    start_time: float | None
    end_time: float | None
    video_folder: str = ""


def workflow_folder(path: Path | str) -> Path:
    """The working directory of Snakemake: the nearest folder above `path` that holds .snakemake."""
    for folder in Path(path).absolute().parents:
        if (folder / ".snakemake").is_dir():
            return folder
    raise UserError(f"no folder above {path} has a .snakemake: give a result where the workflow made it")


def read(folder: Path, output: str) -> Record | None:
    """The record of a file, by its path relative to `folder` as rules name it; None without a readable record."""
    name = urlsafe_b64encode(output.encode()).decode()
    parts = [name[start : start + MAX_NAME] for start in range(0, len(name), MAX_NAME)]
    path = folder.joinpath(".snakemake", "metadata", *(f"@{part}" for part in parts[:-1]), parts[-1])
    try:
        if path.stat().st_size > MAX_RECORD:
            return None
        record = json.loads(path.read_text("utf-8"))
        return Record(
            str(record["rule"]), list(record.get("input") or []), list(record.get("log") or []),
            parse_settings(record.get("params") or []), record.get("starttime"), record.get("endtime"),
            video_folder(str(record.get("shellcmd"))),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        return None


def video_folder(command: str) -> str:
    """The user's folder of videos in the command of a frames or index job; "" if the workflow fetched the videos."""
    match = re.search(r"-m pipeline\.(?:frames|index\b.* --videos) ('[^']*'|\S+) ", command)
    folder = shlex.split(match[1])[0] if match else ""
    return "" if folder.startswith("data/raw/") else folder


def parse_settings(params: list[Any]) -> dict[str, Any]:
    """The stage's settings among a job's params, which Snakemake stores as unnamed texts of Python literals."""
    for text in params:
        try:
            value = ast.literal_eval(str(text))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(value, dict) and "code" in value:
            return {str(key): setting for key, setting in value.items()}
    return {}


def wall_seconds(folder: Path, record: Record) -> float | None:
    """A job's wall time, from its benchmark file or else from the times of its record."""
    benchmark = benchmark_row(folder, record).get("s")
    if benchmark:
        return float(benchmark)
    return record.end_time - record.start_time if record.end_time and record.start_time else None


def logged_environment(folder: Path, record: Record | None) -> dict[str, Any]:
    """The environment at the beginning of the job's log; {} if no log has it."""
    for log in record.logs if record else []:
        if (folder / log).exists():
            with open(folder / log, encoding="utf-8", errors="replace") as file:
                if environment := read_log(file.read(MAX_LOG)):
                    return environment
    return {}


def benchmark_row(folder: Path, record: Record) -> dict[str, str]:
    """The last row of the job's benchmark file: results/benchmarks/X.tsv for logs/X.log; {} without one."""
    for log in record.logs:
        path = folder / "results" / "benchmarks" / Path(*Path(log).parts[1:]).with_suffix(".tsv")
        if path.exists() and (rows := read_tsv(path)):
            return rows[-1]
    return {}
