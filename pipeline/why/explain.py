"""Snakemake's reasons for running jobs, in words, with the details from its records of the earlier jobs."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.jobs import records
from pipeline.jobs.dry_run import Job
from pipeline.why.code_changes import code_change

MAX_FILES = 3  # files of a group that are named
MAX_LENGTH = 60  # characters of a value that are shown
INPUT_REMADE = "Input files updated by another job: "
HASHED_SETTINGS = {  # settings whose value is a hash of a folder's content, which means nothing to a reader
    "videos": "videos of the slice changed",
    "files": "videos of the folder or its lists changed",
    "others": "files that are no listed videos changed",
}
REASONS = {  # beginning of Snakemake's reason: our words, with {} for the files that follow it
    "Missing output files: ": "not made yet: {}",
    "Incomplete output files: ": "the job that made it was interrupted: {}",
    "Updated input files: ": "an input is newer: {}",
    "Forced execution": "its job was interrupted, or it is forced",
    "Code has changed since last execution": "the rule's command in rules/ has changed",
    "Software environment definition has changed since last execution": "its file in envs/ has changed",
}


def explain(jobs: Sequence[Job], folder: Path) -> Iterator[str]:
    """A line per rule and set of reasons: the number of jobs, the reasons, and on a second line the files.

    `folder` is the working directory of the workflow.
    """
    makers = {path: job.rule for job in jobs for path in job.outputs}
    groups: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        if job.outputs:
            clauses = (re.sub(r"^not made yet: .*", "not made yet", clause) for clause in reasons(job, makers, folder))
            groups.setdefault((job.rule, "; ".join(dict.fromkeys(clauses))), []).append(job)
    for (rule, why), members in groups.items():
        yield f"{rule}, {count_jobs(members)}: {why}\n    {first_files(sorted(job.outputs[0] for job in members))}"


def reasons(job: Job, makers: dict[str, str], folder: Path) -> Iterator[str]:
    """The reasons why a job would run, a clause each. `makers` maps a file to the rule that would make it again."""
    for reason in re.split(r"; (?=[A-Z])", job.reason):
        if reason.startswith(INPUT_REMADE):
            paths = reason.removeprefix(INPUT_REMADE).split(", ")
            rules = dict.fromkeys(makers.get(path, "another job") for path in paths)
            yield f"its input is made again by {' and '.join(rules)}"
        elif reason.startswith("Set of input files"):
            yield changed_inputs(job, folder)
        elif reason.startswith("Params have changed"):
            yield from changed_settings(job, reason, folder)
        else:
            yield rephrase(reason)


def rephrase(reason: str) -> str:
    """A reason that needs no details, in the words of REASONS."""
    for beginning, text in REASONS.items():
        if reason.startswith(beginning):
            return text.format(first_files(reason.removeprefix(beginning).split(", ")))
    return reason[:1].lower() + reason[1:]


def changed_inputs(job: Job, folder: Path) -> str:
    """The input files that were added and removed since the recorded job."""
    record = _record(job, folder)
    before = record.inputs if record else []
    added = [path for path in job.inputs if path not in before]
    removed = [path for path in before if path not in job.inputs]
    parts = [f"{first_files(added)} added"] * bool(added) + [f"{first_files(removed)} removed"] * bool(removed)
    return f"other inputs: {', '.join(parts) or 'in another order'}"


def changed_settings(job: Job, reason: str, folder: Path) -> Iterator[str]:
    """The settings that differ, with both values; for the code hash, the modules that changed."""
    before, _, now = reason.partition("now: ")
    record, new = _record(job, folder), parse_settings(now)
    old = record.settings if record else parse_settings(before)
    if not (old and new):
        yield f"other parameters: {_shorten(before.partition('before: ')[2])} -> {_shorten(now)}"
        return
    if old.get("code") != new.get("code"):
        yield code_change(job.rule, folder / job.outputs[0], record.start_time if record else None)
    yield from (text for name, text in HASHED_SETTINGS.items() if old.get(name) != new.get(name))
    ignored = dict.fromkeys(("code", *HASHED_SETTINGS), 0)
    yield from differences({**old, **ignored}, {**new, **ignored}, job.rule)


def differences(old: Any, new: Any, name: str) -> Iterator[str]:
    """`name.key old -> new` for every difference of two values; mappings are compared key by key, at any depth."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from differences(old.get(key), new.get(key), f"{name}.{key}")
    elif old != new and isinstance(old, list) and isinstance(new, list):
        removed = [item for item in old if item not in new]
        added = [item for item in new if item not in old]
        change = _change(removed[:1], added[:1])
        yield f"{name}: {len(added) or len(removed)} of {len(new)} changed, first {change}"
    elif old != new:
        yield f"{name} {_change(old, new)}"


def parse_settings(text: str) -> dict[str, Any]:
    """The stage's settings in Snakemake's text of all params: the Python mapping that begins with the code hash."""
    start = text.find("{'code'")
    for end in (match.end() for match in re.finditer("}", text[start:]) if start >= 0):
        try:
            return dict(ast.literal_eval(text[start : start + end]))
        except (ValueError, SyntaxError):
            continue
    return {}


def first_files(paths: Sequence[str]) -> str:
    """The first MAX_FILES paths, and the number of the others."""
    more = f" and {len(paths) - MAX_FILES} more" if len(paths) > MAX_FILES else ""
    return ", ".join(paths[:MAX_FILES]) + more


def count_jobs(jobs: Sequence[Job]) -> str:
    """`1 job` or `N jobs`."""
    return "1 job" if len(jobs) == 1 else f"{len(jobs)} jobs"


def _record(job: Job, folder: Path) -> records.Record | None:
    return next(filter(None, (records.read(folder, path) for path in job.outputs)), None)


def _change(old: Any, new: Any) -> str:
    """`old -> new`; of long values the part around the first difference."""
    before, after = _shorten(old), _shorten(new)
    if before != after:
        return f"{before} -> {after}"
    pairs = enumerate(zip(str(old), str(new), strict=False))
    first = next((index for index, (a, b) in pairs if a != b), MAX_LENGTH)
    start = max(0, first - MAX_LENGTH // 2)
    return f"...{_shorten(str(old)[start:])} -> ...{_shorten(str(new)[start:])}"


def _shorten(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}..."
