"""What must hold after every kill of the workflow: what it takes for whole is whole, and no training begins anew."""

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
import torch

from pipeline.jobs import records
from pipeline.jobs.records import Record
from pipeline.train import checkpoint
from tests.helpers.killing import tree

TIMED = "metrics"  # files that tell seconds, beside what is the same each time
RUN = "results/runs/*/*/*/*/"
TAKEN = "trained to the end before"
OWN = (".snakemake", "results/benchmarks", "logs")  # Snakemake's, and what tells of time


def recorded(folder: Path) -> dict[str, Record]:
    """Every declared output that Snakemake has seen made, by its path, and the job that made it."""
    found = {path: records.read(folder, path) for path in _named(folder / ".snakemake" / "metadata")}
    return {path: record for path, record in found.items() if record}


def marked(folder: Path) -> set[str]:
    """Declared outputs that Snakemake knows to be half-made, if they are there: it makes them again."""
    return set(_named(folder / ".snakemake" / "incomplete"))


def taken_for_whole(folder: Path, declared: Iterable[str]) -> list[str]:
    """Declared outputs that are there and that nothing says to be half-made."""
    half = marked(folder)
    return sorted(path for path in declared if path not in half and (folder / path).exists())


def differing(whole: Path, killed: Path, paths: list[str]) -> list[str]:
    """Those of the outputs that are not what the undisturbed run made, a sentence each."""
    return [f"{path} is not what the undisturbed run made" for path in paths if not same(whole / path, killed / path)]


def same(one: Path, other: Path) -> bool:
    """Byte for byte; curves of a training but for the seconds, which must be there and go up."""
    if one.is_dir():
        return tree(one) == tree(other)
    if one.read_bytes() == other.read_bytes():
        return True
    if not one.name.startswith(TIMED):
        return False
    curves = [pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path) for path in (one, other)]
    if not all(curve["seconds"].is_monotonic_increasing for curve in curves):
        return False
    return curves[0].drop(columns="seconds").equals(curves[1].drop(columns="seconds"))


def checkpoints(folder: Path) -> dict[str, int]:
    """Run folder -> the step that its training would go on from, or has ended at; one that cannot be read raises."""
    left = folder.glob(f"{RUN}{checkpoint.RESUME_FILE}")
    going = {path.parent: torch.load(path, weights_only=True)["step"] for path in left}
    ended = {
        path.parents[1]: int(pd.read_parquet(path.with_name("metrics.parquet"))["step"].max())
        for path in folder.glob(f"{RUN}{checkpoint.FINISHED_FOLDER}/weights.safetensors")
    }
    return {path.relative_to(folder).as_posix(): step for path, step in sorted((going | ended).items())}


def restarted(folder: Path, best: dict[str, int], logs: set[str]) -> list[str]:
    """Trainings that had reached a checkpoint of step `best` and went back behind it, by the `logs` written since."""
    now, wrong = checkpoints(folder), []
    for run, step in best.items():
        log = f"logs/train/{run.removeprefix('results/runs/')}.log"
        said = (folder / log).read_text() if log in logs else ""
        resumed = [int(number) for number in re.findall(r"^resumed at step (\d+) of", said, re.M)]
        done = (folder / run / "weights.safetensors").exists()
        begun = (done and TAKEN not in said) or "afresh" in said or re.search(r"^train \w+ \d+/", said, re.M)
        if log in logs and (resumed < [step] if resumed else begun):
            wrong.append(f"{run} had a checkpoint of step {step}, but its log says: {said.strip()[:300]!r}")
        elif not done and now.get(run, 0) < step:
            wrong.append(f"{run} had a checkpoint of step {step} and now has one of step {now.get(run, 0)}")
    return wrong


def unlike(whole: Path, killed: Path) -> list[str]:
    """At the end: what was made otherwise, what is missing, and what an attempt has left lying about."""
    outputs = list(recorded(whole))
    missing = [path for path in outputs if not (killed / path).exists()]
    wrong = [f"{path} is missing" for path in missing]
    wrong += differing(whole, killed, [path for path in outputs if path not in missing])
    files, others = _files(whole), _files(killed)
    wrong += [f"{path} is left over" for path in sorted(others - files)]
    return wrong + [f"{path} is missing" for path in sorted(files - others - set(missing))]


def _files(folder: Path) -> set[str]:
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    return {path for path in paths if not path.startswith(OWN)}


def _named(records_folder: Path) -> Iterator[str]:
    """The paths that Snakemake's records are of: their names are those, encoded, in parts where they are long."""
    for path in records_folder.rglob("*"):
        if path.is_file():
            parts = (part.removeprefix("@") for part in path.relative_to(records_folder).parts)
            yield urlsafe_b64decode("".join(parts)).decode()
