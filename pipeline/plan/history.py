"""The time and disk space of jobs that ran here, from Snakemake's benchmark files and the files that exist."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv
from pipeline.jobs.dry_run import Job
from pipeline.plan.intervals import Interval, from_measurements

IGNORED_WILDCARDS = ("split", "seed", "slice")  # they change a job's data but not its cost
COLUMNS = ("s", "cpu_time")
SAMPLING_SECONDS = 30.0  # Snakemake measures the CPU time of a running job at this interval
Key = tuple[str, ...]


class MeasuredTime(NamedTuple):
    """The time of earlier jobs with the same key: wall seconds, core seconds, and how many jobs were measured."""

    wall: Interval
    core: Interval
    jobs: int


class History(NamedTuple):
    """Key of a job -> (wall, core) seconds of its earlier jobs, and the bytes that each of them wrote."""

    seconds: Mapping[Key, list[tuple[float, float]]]
    sizes: Mapping[Key, list[float]]

    def time(self, job: Job) -> MeasuredTime | None:
        """The time of earlier jobs of the same key; None if there are none."""
        pairs = self.seconds.get(job_key(job))
        if not pairs:
            return None
        wall, core = (from_measurements(list(values)) for values in zip(*pairs, strict=True))
        return MeasuredTime(wall, core, len(pairs))

    def size(self, job: Job) -> Interval | None:
        """The bytes that earlier jobs of the same key wrote; None if there are none."""
        sizes = self.sizes.get(job_key(job))
        return from_measurements(sizes) if sizes else None


def job_key(job: Job) -> Key:
    """Jobs of the same key cost the same: the rule and its wildcards, except IGNORED_WILDCARDS.

    Backward flow has the key of forward flow.
    """
    values = [value for name, value in sorted(job.wildcards.items()) if name not in IGNORED_WILDCARDS]
    return (job.rule, *("flow" if job.rule == "flow" and value == "backward" else value for value in values))


def read_history(jobs: Iterable[Job]) -> History:
    """The history of all jobs of a DAG, finished or not, in the working directory."""
    seconds: dict[Key, list[tuple[float, float]]] = {}
    sizes: dict[Key, list[float]] = {}
    for job in jobs:
        if job.benchmark and (path := Path(job.benchmark)).exists():
            seconds.setdefault(job_key(job), []).append(_read_benchmark(path))
        if job.outputs and all(Path(path).exists() for path in job.outputs):
            sizes.setdefault(job_key(job), []).append(sum(map(_bytes, job.outputs)))
    return History(seconds, sizes)


def _read_benchmark(path: Path) -> tuple[float, float]:
    """(wall, core) seconds. Of a job shorter than SAMPLING_SECONDS the core time is incomplete: at least the wall's."""
    rows = read_tsv(path, COLUMNS)
    try:
        wall = float(rows[-1]["s"])
    except (IndexError, ValueError, TypeError) as error:
        raise UserError(f"{path} is no benchmark file of Snakemake's ({error}): move it away") from error
    try:
        core = float(rows[-1]["cpu_time"])
    except (ValueError, TypeError):
        core = 0.0
    return wall, core if core and wall >= SAMPLING_SECONDS else max(core, wall)


def _bytes(name: str) -> int:
    path = Path(name)
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
