"""Snakemake's reasons in words, by its records of the jobs that made what is there."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.jobs import records
from pipeline.jobs.dry_run import Job
from pipeline.why.code_changes import code_change

NAMED = 3  # files of a group that are named
LONGEST = 60  # characters of a value that are shown
BY_ANOTHER = "Input files updated by another job: "
HASHED = {  # settings that are hashes of what lies in a folder, which say nothing themselves
    "videos": "videos of the slice changed",
    "files": "videos of the folder or its lists changed",
    "others": "files that are no listed videos changed",
}
PLAIN = {
    "Missing output files: ": "not made yet: {}",
    "Incomplete output files: ": "a job that made it was cut off: {}",
    "Updated input files: ": "newer than what was made of it: {}",
    "Forced execution": "its job was cut off, or it is forced",
    "Code has changed since last execution": "the rule's command in rules/ has changed",
    "Software environment definition has changed since last execution": "its file in envs/ has changed",
}


def causes(job: Job, makers: dict[str, str], folder: Path) -> Iterator[str]:
    """Why a job would run, a clause each; `makers` says which rule would make a file anew."""
    for part in re.split(r"; (?=[A-Z])", job.reason):
        if part.startswith(BY_ANOTHER):
            made = dict.fromkeys(makers.get(path, "another job") for path in part.removeprefix(BY_ANOTHER).split(", "))
            yield f"made of what {' and '.join(made)} would make anew"
        elif part.startswith("Set of input files"):
            yield changed_inputs(job, folder)
        elif part.startswith("Params have changed"):
            yield from changed_settings(job, part, folder)
        else:
            yield plain(part)


def plain(part: str) -> str:
    """A reason of Snakemake's that needs no more than other words."""
    for theirs, ours in PLAIN.items():
        if part.startswith(theirs):
            return ours.format(named(part.removeprefix(theirs).split(", ")))
    return part[:1].lower() + part[1:]


def changed_inputs(job: Job, folder: Path) -> str:
    """Which inputs came and went."""
    record = _record(job, folder)
    before = record.inputs if record else []
    come = [path for path in job.inputs if path not in before]
    gone = [path for path in before if path not in job.inputs]
    parts = [f"{named(come)} came"] * bool(come) + [f"{named(gone)} went"] * bool(gone)
    return f"other inputs: {', '.join(parts) or 'in another order'}"


def changed_settings(job: Job, part: str, folder: Path) -> Iterator[str]:
    """Old and new values of the settings that differ; of code, the modules."""
    before, _, now = part.partition("now: ")
    record, new = _record(job, folder), literal(now)
    old = record.settings if record else literal(before)
    if not (old and new):
        yield f"other parameters: {_short(before.partition('before: ')[2])} -> {_short(now)}"
        return
    if old.get("code") != new.get("code"):
        yield code_change(job.rule, folder / job.outputs[0], record.begun if record else None)
    yield from (words for name, words in HASHED.items() if old.get(name) != new.get(name))
    told = dict.fromkeys(("code", *HASHED), 0)
    yield from differences({**old, **told}, {**new, **told}, job.rule)


def differences(old: Any, new: Any, name: str) -> Iterator[str]:
    """`name.key old -> new` for what differs in two values, as deep as mappings go."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from differences(old.get(key), new.get(key), f"{name}.{key}")
    elif old != new and isinstance(old, list) and isinstance(new, list):
        gone, come = ([each for each in one if each not in other] for one, other in ((old, new), (new, old)))
        yield f"{name}: {len(come) or len(gone)} of {len(new)} changed, first {_pair(gone[:1], come[:1])}"
    elif old != new:
        yield f"{name} {_pair(old, new)}"


def literal(text: str) -> dict[str, Any]:
    """The settings in a text of parameters: the Python mapping that begins with the code's hash."""
    start = text.find("{'code'")
    for end in (match.end() for match in re.finditer("}", text[start:]) if start >= 0):
        try:
            return dict(ast.literal_eval(text[start : start + end]))
        except (ValueError, SyntaxError):
            continue
    return {}


def explain(jobs: Sequence[Job], folder: Path) -> Iterator[str]:
    """One line a rule and set of causes, in the order of the stages, with how many jobs and which files."""
    makers = {path: job.rule for job in jobs for path in job.outputs}
    groups: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        if job.outputs:
            clauses = dict.fromkeys(
                re.sub(r"^not made yet: .*", "not made yet", c) for c in causes(job, makers, folder)
            )
            groups.setdefault((job.rule, "; ".join(clauses)), []).append(job)
    for (rule, why), members in groups.items():
        yield f"{rule}, {_count(members)}: {why}\n    {named(sorted(job.outputs[0] for job in members))}"


def named(paths: Sequence[str]) -> str:
    """The first few paths and how many more."""
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(paths[:NAMED]) + more


def _record(job: Job, folder: Path) -> records.Record | None:
    return next(filter(None, (records.read(folder, path) for path in job.outputs)), None)


def _count(members: Sequence[Job]) -> str:
    return "1 job" if len(members) == 1 else f"{len(members)} jobs"


def _pair(old: Any, new: Any) -> str:
    before, after = _short(old), _short(new)
    if before != after:
        return f"{before} -> {after}"
    place = next((n for n, (a, b) in enumerate(zip(str(old), str(new), strict=False)) if a != b), LONGEST)
    start = max(0, place - LONGEST // 2)
    return f"...{_short(str(old)[start:])} -> ...{_short(str(new)[start:])}"


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
