"""The files that a result was made from, as an indented tree of lines."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.jobs import records
from pipeline.jobs.metadata import read_metadata, short_sha256
from pipeline.jobs.records import benchmark_row, logged_environment, wall_seconds

MAX_SINGLE = 3  # similar inputs that are listed one by one; more of them become one entry
MAX_LENGTH = 90  # characters of a value that are shown
CLOCK_TOLERANCE = 2.0  # seconds between the end of a job and its file's modification time that are ignored


class Walk(NamedTuple):
    """The state of a walk through the tree: files that were printed, and unknown property -> number of files."""

    printed: set[str]
    unknown: dict[str, int]

    def count_unknown(self, name: str) -> str:
        """Count a property that is not recorded; returns the line that says so."""
        self.unknown[name] = self.unknown.get(name, 0) + 1
        return f"{name} is not known"


def tree(folder: Path, output: str, walk: Walk | None = None, similar: Sequence[str] = ()) -> Iterator[str]:
    """The lines of a file and, indented, of the files that it was made from.

    `folder` is the working directory of the workflow and `output` a path in it. `similar` are further files of the
    same rule and settings, which the same entry describes.
    """
    walk = walk or Walk(set(), {})
    title = f"{output} and {len(similar)} like it" if similar else output
    if output in walk.printed:
        yield f"{title} (see above)"
        return
    walk.printed.update([output, *similar])
    record = records.read(folder, output)
    yield title
    yield from (f"    {line}" for line in describe(folder, output, record, walk, similar))
    for first, *others in group_inputs(folder, input_paths(record) if record else []):
        yield from (f"  | {line}" for line in tree(folder, first, walk, others))


def describe(
    folder: Path, output: str, record: records.Record | None, walk: Walk, similar: Sequence[str] = ()
) -> Iterator[str]:
    """The lines about one file: its job, settings, hash, metadata and environment."""
    path = folder / output
    if not path.exists():
        yield "gone: deleted since, or temporary"
    metadata = read_metadata(path) if path.exists() else {}
    environment = metadata.pop("environment", None) or logged_environment(folder, record)
    if record is None:
        is_made = output.startswith(("data/", "results/"))
        yield walk.count_unknown("the job that made it") if is_made else "a file of yours, not made by the workflow"
    else:
        yield job_line(folder, record, similar)
        yield from values_line("settings", {key: value for key, value in record.settings.items() if key != "code"})
    if path.is_file():
        yield f"sha256: {short_sha256(path)}, {path.stat().st_size:,} bytes"
        if record and record.end_time and abs(path.stat().st_mtime - record.end_time) > CLOCK_TOLERANCE:
            yield f"CHANGED since its job ended: its time is {local_time(path.stat().st_mtime)}"
    yield from values_line("metadata", metadata)
    if environment:
        yield environment_line(environment)
    elif record is not None:
        walk.count_unknown("commit, lock, GPU and driver")


def input_paths(record: records.Record) -> list[str]:
    """A job's inputs and the user's own folder of videos, which Snakemake does not track."""
    return [*record.inputs, *filter(None, [record.video_folder])]


def group_inputs(folder: Path, inputs: Sequence[str]) -> list[list[str]]:
    """Inputs in groups of the same folder, suffix, rule and settings; up to MAX_SINGLE similar ones stay single."""
    groups: dict[str, list[str]] = {}
    for path in inputs:
        record = records.read(folder, path)
        job = record and (record.rule, {**record.settings, "videos": ""})  # the hash of a slice's videos always differs
        key = f"{Path(path).parent} {''.join(Path(path).suffixes)} {job}"
        groups.setdefault(key, []).append(path)
    entries = ([paths] if len(paths) > MAX_SINGLE else [[path] for path in paths] for paths in groups.values())
    return [entry for group in entries for entry in group]


def job_line(folder: Path, record: records.Record, similar: Sequence[str]) -> str:
    """Rule, end, wall time, peak memory and code hash of a job; the summed time if there are `similar` files."""
    parts = [f"made by: {record.rule}"]
    if record.end_time:
        parts.append(local_time(record.end_time))
    parts.append(job_cost(folder, record))
    if similar:
        others = filter(None, (records.read(folder, path) for path in similar))
        total = sum(wall_seconds(folder, job) or 0 for job in (record, *others))
        parts.append(f"all {len(similar) + 1} {total:.0f} s")
    code = record.settings.get("code")
    return ", ".join([*parts, *([f"code {code}"] if code else [])])


def job_cost(folder: Path, record: records.Record) -> str:
    """Wall time and peak memory of a job's last attempt."""
    seconds = wall_seconds(folder, record)
    peak = benchmark_row(folder, record).get("max_rss", "-").replace("NA", "-")
    return f"{'wall time unknown' if seconds is None else f'{seconds:.1f} s'}{'' if peak == '-' else f', {peak} MB'}"


def values_line(title: str, values: dict[str, Any]) -> Iterator[str]:
    """`title: name value; name value`, without empty values; no line if all are empty."""
    texts = [f"{name} {_shorten(value)}" for name, value in values.items() if value not in (None, "", [], {})]
    if texts:
        yield f"{title}: {'; '.join(texts)}"


def environment_line(environment: dict[str, Any]) -> str:
    """The environment of a job (`pipeline.common.environment`) in a line."""
    dirty = {True: " with changes", False: "", None: ""}[environment.get("dirty")]
    differing = environment.get("not_as_locked") or {}
    lock = f"lock {environment.get('lock') or 'unknown'}" + (f" (but {_shorten(differing)})" if differing else "")
    gpu = " + ".join(environment.get("gpu") or ["no GPU"])
    driver = f", driver {environment['driver']}" if environment.get("driver") else ""
    versions = f"Python {environment.get('python')}, torch {environment.get('torch')}"
    return f"ran in: commit {environment.get('commit') or 'unknown'}{dirty}, {lock}, {versions}, {gpu}{driver}"


def local_time(time: float) -> str:
    """Seconds since 1970 as local date and time."""
    return datetime.fromtimestamp(time).isoformat(" ", "seconds")


def _shorten(value: Any) -> str:
    if isinstance(value, dict):
        value = ", ".join(f"{name} {_shorten(item)}" for name, item in value.items())
    text = " ".join(str(value).split())
    if len(text) <= MAX_LENGTH:
        return text
    return f"({len(value)} of them)" if isinstance(value, list) else f"{text[:MAX_LENGTH]}..."
