"""What jobs took and wrote here: Snakemake's benchmark files, and the files that are there."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv
from pipeline.jobs.dry_run import Job
from pipeline.plan.spans import Span, measured

ALIKE = ("split", "seed", "slice")  # wildcards that change what a job works on but not how much it is
COLUMNS = ("s", "cpu_time")
LOOK = 30.0  # seconds between two looks of Snakemake at a job
Key = tuple[str, ...]


class Taken(NamedTuple):
    """What a job of the same kind took: seconds on the wall, seconds of cores, and of how many jobs that is known."""

    wall: Span
    core: Span
    jobs: int


class Evidence(NamedTuple):
    """By kind of job: (wall, core) seconds, and bytes of what was written."""

    seconds: Mapping[Key, list[tuple[float, float]]]
    sizes: Mapping[Key, list[float]]

    def taken(self, job: Job) -> Taken | None:
        """None where no job of the kind has run here."""
        found = self.seconds.get(kind(job))
        if not found:
            return None
        wall, core = (measured(list(values)) for values in zip(*found, strict=True))
        return Taken(wall, core, len(found))

    def written(self, job: Job) -> Span | None:
        """Bytes of a job of the kind; None where there is none."""
        found = self.sizes.get(kind(job))
        return measured(found) if found else None


def kind(job: Job) -> Key:
    """A job's rule and all that tells it from another but split, seed and slice; flow costs the same either way."""
    kept = [value for name, value in sorted(job.wildcards.items()) if name not in ALIKE]
    return (job.rule, *("flow" if job.rule == "flow" and value == "backward" else value for value in kept))


def gathered(jobs: Iterable[Job]) -> Evidence:
    """The evidence of the jobs of a whole DAG, done or not, in the working directory."""
    seconds: dict[Key, list[tuple[float, float]]] = {}
    sizes: dict[Key, list[float]] = {}
    for job in jobs:
        if job.benchmark and (path := Path(job.benchmark)).exists():
            seconds.setdefault(kind(job), []).append(_seconds(path))
        if job.outputs and all(Path(path).exists() for path in job.outputs):
            sizes.setdefault(kind(job), []).append(sum(map(_bytes, job.outputs)))
    return Evidence(seconds, sizes)


def _seconds(path: Path) -> tuple[float, float]:
    """On the wall and of cores. Of a job that is shorter than LOOK Snakemake has seen but a part of the latter."""
    rows = read_tsv(path, COLUMNS)
    try:
        wall = float(rows[-1]["s"])
    except (IndexError, ValueError, TypeError) as error:
        raise UserError(f"{path} is no benchmark file of Snakemake's ({error}): delete it") from error
    try:
        core = float(rows[-1]["cpu_time"])
    except (ValueError, TypeError):
        core = 0.0
    return wall, core if core and wall >= LOOK else max(core, wall)


def _bytes(name: str) -> int:
    path = Path(name)
    parts = path.rglob("*") if path.is_dir() else [path]
    return sum(part.stat().st_size for part in parts if part.is_file())
