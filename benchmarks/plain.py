"""A dry run's jobs by a scheduler that does nothing but start them when they may: what Snakemake is compared with."""

import os
import re
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.jobs import dry_run
from pipeline.jobs.dry_run import Job

ROOT = Path(__file__).parents[1]
MODULE = re.compile(r"(?:^|\s)python -m (pipeline[\w.]*)")


class Planned(NamedTuple):
    """A job and the shell command that Snakemake would run for it."""

    job: Job
    command: str


def planned(said: str) -> list[Planned]:
    """The jobs of what `snakemake -n --printshellcmds` said."""
    commands = re.findall(r"^Shell command: (.*)$", said, re.M)
    return [Planned(*pair) for pair in zip(dry_run.parse_jobs(said), commands, strict=True)]


def before(jobs: Sequence[Planned]) -> list[set[int]]:
    """The numbers of the jobs that each job waits for: those that make its inputs."""
    makers = {path: number for number, each in enumerate(jobs) for path in each.job.outputs}
    return [{makers[path] for path in each.job.inputs if path in makers} for each in jobs]


def run(jobs: Sequence[Planned], folder: Path, cores: int) -> tuple[float, list[float]]:
    """Every job, on as many threads as Snakemake gives it: seconds by the clock, and those of each job."""
    waits, done, seconds = before(jobs), set(), [0.0] * len(jobs)
    running: dict[Future, int] = {}
    start = time.perf_counter()
    with ThreadPoolExecutor(cores) as pool:
        while len(done) < len(jobs):
            for number, each in enumerate(jobs):
                free = cores - sum(min(jobs[other].job.threads, cores) for other in running.values())
                begun = number in done or number in running.values()
                if not begun and waits[number] <= done and min(each.job.threads, cores) <= free:
                    running[pool.submit(one, each, folder)] = number
            for ended in wait(running, return_when=FIRST_COMPLETED).done:
                number = running.pop(ended)
                seconds[number] = ended.result()
                done.add(number)
    return time.perf_counter() - start, seconds


def one(each: Planned, folder: Path) -> float:
    """Run a job as Snakemake would, in a shell; its seconds by the clock."""
    written = re.findall(r"> (\S+) 2>&1", each.command)
    for path in (*each.job.outputs, *written):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(["bash", "-c", f"set -euo pipefail; {each.command}"], cwd=folder, env=environ, check=False)
    if ended.returncode:
        raise UserError(f"{each.job.rule} failed outside of Snakemake: see {folder / written[0]}")
    return time.perf_counter() - start


def modules(each: Planned) -> list[str]:
    """The modules that a job's command runs, each of which starts an interpreter and imports."""
    return MODULE.findall(each.command)
