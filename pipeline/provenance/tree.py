"""Every file that a result was made of, as an indented tree of lines."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.files import sha256
from pipeline.jobs import records
from pipeline.jobs.metadata import DIGEST, own_facts
from pipeline.jobs.records import benchmark, logged, seconds

ALIKE = 3  # files of one kind that are each shown; of more, the first
LONGEST = 90  # characters of a value that are shown
SLACK = 2.0  # seconds between a job's end and its file's time that mean nothing
HASHED = 1 << 30  # bytes up to which a file is hashed


class Seen(NamedTuple):
    """What the walk has come by: files already shown, and what was not known about how many."""

    files: set[str]
    unknown: dict[str, int]

    def miss(self, what: str) -> str:
        self.unknown[what] = self.unknown.get(what, 0) + 1
        return f"{what} is not known"


def tree(folder: Path, output: str, seen: Seen | None = None, like: Sequence[str] = ()) -> Iterator[str]:
    """Lines about a file, then, indented, about what it was made of; `like` are files that differ in name alone."""
    seen = seen or Seen(set(), {})
    also = f" and {len(like)} like it" if like else ""
    if output in seen.files:
        yield f"{output}{also} (see above)"
        return
    seen.files.update([output, *like])
    record = records.read(folder, output)
    yield f"{output}{also}"
    yield from (f"    {line}" for line in about(folder, output, record, seen, like))
    for first, *rest in alike(folder, made_of(record) if record else []):
        yield from (f"  | {line}" for line in tree(folder, first, seen, rest))


def about(
    folder: Path, output: str, record: records.Record | None, seen: Seen, like: Sequence[str] = ()
) -> Iterator[str]:
    """What is known of one file: its job, its settings, its own facts, what it ran in."""
    path = folder / output
    if not path.exists():
        yield "gone: deleted since, or temporary"
    facts = own_facts(path) if path.exists() else {}
    ran_in = facts.pop("environment", None) or logged(folder, record)
    if record is None:
        yield seen.miss("the job that made it") if not given(output) else "given, not made by the workflow"
    else:
        yield made_by(folder, record, like)
        yield from words("settings", {k: v for k, v in record.settings.items() if k != "code"})
    if path.is_file():
        yield f"sha256: {digest(path)}, {path.stat().st_size:,} bytes"
        if record and record.ended and abs(path.stat().st_mtime - record.ended) > SLACK:
            yield f"CHANGED since its job ended: its time is {moment(path.stat().st_mtime)}"
    yield from words("facts", facts)
    if ran_in:
        yield in_words(ran_in)
    elif record is not None:
        seen.miss("commit, lock, GPU and driver")


def made_of(record: records.Record) -> list[str]:
    """A job's inputs, and the user's own folder of videos, which is none of Snakemake's files."""
    return [*record.inputs, *filter(None, [record.folder])]


def made_by(folder: Path, record: records.Record, like: Sequence[str]) -> str:
    """Rule, time, duration, memory, code."""
    parts = [f"made by: {record.rule}"]
    if record.ended:
        parts.append(moment(record.ended))
    parts.append(took(folder, record))
    if like:
        others = filter(None, (records.read(folder, path) for path in like))
        total = sum(seconds(folder, each) or 0 for each in (record, *others))
        parts.append(f"all {len(like) + 1} {total:.0f} s")
    code = record.settings.get("code")
    return ", ".join([*parts, *([f"code {code}"] if code else [])])


def took(folder: Path, record: records.Record) -> str:
    """Wall time and largest memory, of the attempt that finished."""
    lasted = seconds(folder, record)
    peak = benchmark(folder, record).get("max_rss", "-").replace("NA", "-")
    return f"{'wall time unknown' if lasted is None else f'{lasted:.1f} s'}{'' if peak == '-' else f', {peak} MB'}"


def digest(path: Path) -> str:
    """The beginning of a file's SHA-256; of archives it is `fetched.tsv` that knows."""
    return sha256(path)[:DIGEST] if path.stat().st_size <= HASHED else "not taken of a file so large"


def alike(folder: Path, inputs: Sequence[str]) -> list[list[str]]:
    """Inputs grouped where more than a few were made by one rule with the same settings into one folder."""
    groups: dict[str, list[str]] = {}
    for path in inputs:
        record = records.read(folder, path)
        job = record and (record.rule, {**record.settings, "videos": ""})  # a slice's own, and no setting
        kind = f"{Path(path).parent} {''.join(Path(path).suffixes)} {job}"
        groups.setdefault(kind, []).append(path)
    return [part for group in groups.values() for part in ([group] if len(group) > ALIKE else [[p] for p in group])]


def words(title: str, values: dict[str, Any]) -> Iterator[str]:
    """`title: name value, name value`, without what is empty or too long to read."""
    shown = [f"{name} {_short(value)}" for name, value in values.items() if value not in (None, "", [], {})]
    if shown:
        yield f"{title}: {'; '.join(shown)}"


def in_words(facts: dict[str, Any]) -> str:
    """An environment as a line."""
    dirty = {True: " with changes", False: "", None: ""}[facts.get("dirty")]
    differing = facts.get("not_as_locked") or {}
    lock = f"lock {facts.get('lock') or 'unknown'}" + (f" (but {_short(differing)})" if differing else "")
    gpu = " + ".join(facts.get("gpu") or ["no GPU"])
    driver = f", driver {facts['driver']}" if facts.get("driver") else ""
    versions = f"Python {facts.get('python')}, torch {facts.get('torch')}"
    return f"ran in: commit {facts.get('commit') or 'unknown'}{dirty}, {lock}, {versions}, {gpu}{driver}"


def given(output: str) -> bool:
    """Whether a path is a user's own, outside what the workflow makes."""
    return not output.startswith(("data/", "results/"))


def moment(time: float) -> str:
    """Local time to the second."""
    return datetime.fromtimestamp(time).isoformat(" ", "seconds")


def _short(value: Any) -> str:
    if isinstance(value, dict):
        value = ", ".join(f"{name} {_short(each)}" for name, each in value.items())
    text = " ".join(str(value).split())
    if len(text) <= LONGEST:
        return text
    return f"({len(value)} of them)" if isinstance(value, list) else f"{text[:LONGEST]}..."
