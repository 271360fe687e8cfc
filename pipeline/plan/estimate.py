"""A target's jobs as a plan: what each stage costs, and notes on what stands out."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pipeline.common.errors import UserError
from pipeline.config.settings import load_yaml, merge
from pipeline.jobs.dry_run import Job, dry_run, parse_jobs
from pipeline.plan import (
    computing,
    disk,
    evidence,
    preparing,
    report,
)
from pipeline.plan.machines import Machine
from pipeline.plan.schedule import chain
from pipeline.plan.spans import NOTHING, Span, short
from pipeline.plan.times import ON_GPU, Planner, Time
from pipeline.workflow.checks import check

CHECKPOINT = 1e8  # bytes of a training's, from which on it is worth a word
NAMED = 4  # runs that are named
FORCED = "--forceall"  # a dry run of every job of a target, done or not


def configuration(files: Sequence[Path], said: Sequence[str], base: Path) -> dict[str, Any]:
    """config.yaml under --configfile's files and --config's values, as Snakemake puts them over each other."""
    config = load_yaml(base)
    for path in files:
        config = merge(config, load_yaml(path) or {})
    if said:
        config = merge(config, _values(said))
    if not isinstance(config, dict):
        raise UserError(f"{files[-1] if files else base} holds no keys: write key: value")
    check(config)
    return config


def _values(said: Sequence[str]) -> dict[str, Any]:
    from snakemake.cli import parse_config  # type: ignore[import-untyped]  # a second to import

    try:
        return dict(parse_config(said))
    except Exception as error:  # of several kinds
        raise UserError(f"--config {' '.join(said)} cannot be read ({error}): write key=value") from error


def jobs_of(targets: Sequence[str], options: Sequence[str], cores: int, folder: Path) -> tuple[list[Job], list[Job]]:
    """(jobs that would run, every job of the targets); the second is asked for only where something is made already."""
    made = (folder / "data").exists() or (folder / "results").exists()
    ways = [[*options], [*options, FORCED]][: 1 + made]
    with ThreadPoolExecutor(len(ways)) as pool:
        found = list(pool.map(lambda way: parse_jobs(dry_run(targets, way, cores)), ways))
    found = [[job for job in jobs if job.outputs] for jobs in found]
    return found[0], found[-1]


def planned(left: list[Job], every: list[Job], config: Mapping[str, Any], machine: Machine) -> report.Plan:
    """The plan of jobs, from what lies in the working directory."""
    names = {job.outputs[0] for job in left}
    done = [job for job in every if job.outputs[0] not in names]
    estimates = {**preparing.ESTIMATES, **computing.ESTIMATES}
    planner = Planner(config, machine, evidence.gathered(every), estimates)
    times = [planner.time(job) for job in left]
    costs = {place: (times[place], disk.room(planner, job)) for place, job in enumerate(left)}
    found = report.plan(left, done, costs, machine)
    return found._replace(notes=list(notes(planner, left, times, found)))


def notes(planner: Planner, jobs: Sequence[Job], times: Sequence[Time], found: report.Plan) -> Iterator[str]:
    """Sentences below the table: the machine, what passes, what stands on little, what is not known."""
    machine = planner.machine
    yield f"On {machine}. Likely (low - high); what is done is not counted but in its column."
    if found.passes.likely > CHECKPOINT:
        slices = "" if planner.config["keep_slices"] else "slices that are deleted once packed, and "
        yield f"Meanwhile {found.passes.over(1e9)} GB more for {slices}the checkpoint of a training."
    longest = chain(jobs, times).over(3600)
    if longest.likely > 1:
        yield f"The longest chain of jobs takes {longest} hours, on however many machines such as this one."
    yield from full(found) if machine.own else ()
    if any(ON_GPU in time.basis for time in times):
        yield "GPU hours are reckoned from counted operations and a published peak: nothing of them has been measured."
    yield from idle(machine, [job.threads for job in jobs if planner.on_gpu(job) and job.rule == "train"])
    yield from dearest(jobs, times)
    for dataset in sorted({job.wildcards["dataset"] for job in jobs if job.rule in preparing.OF_FRAMES}):
        yield f"{planner.facts(dataset).known[:1].upper()}{planner.facts(dataset).known[1:]}."
    yield f"Not known: {'; '.join(report.unknowns(times)) or 'nothing that a job waits for'}."


def idle(machine: Machine, threads: Sequence[int]) -> Iterator[str]:
    """That cores are too few to keep all GPUs at work with trainings that ask for so many threads."""
    at_once = machine.cores // min(min(threads, default=1), machine.cores)
    if at_once < machine.gpus:
        yield (
            f"{machine.cores} cores keep {at_once} of {machine.gpus} GPUs at work, as a training asks for"
            f" {min(threads)} threads: --set-threads train=N, or more cores."
        )


def dearest(jobs: Sequence[Job], times: Sequence[Time]) -> Iterator[str]:
    """Which few runs take most of the training, where these are many."""
    runs: dict[str, tuple[Span, Span]] = {}
    for job, time in zip(jobs, times, strict=True):
        if job.rule == "train":
            gpu, core = runs.get(job.wildcards["run"], (NOTHING, NOTHING))
            runs[job.wildcards["run"]] = gpu.plus(time.gpu), core.plus(time.core)
    ordered = sorted(runs, key=lambda run: [span.likely for span in runs[run]], reverse=True)
    if len(ordered) > NAMED:
        told = ((run, *runs[run]) for run in ordered[:NAMED])
        words = ", ".join(f"{run} {(gpu if gpu.likely else core).over(3600)}" for run, gpu, core in told)
        kind = "GPU" if runs[ordered[0]][0].likely else "core"
        yield f"The longest trainings, {kind} hours of all splits: {words}. tables.rows in config.yaml leaves rows out."


def full(found: report.Plan) -> Iterator[str]:
    """What the disk of the working directory is too small for, where it is."""
    whole, disk = found.lines[-1], os.statvfs(".")
    needed = whole.disk.plus(found.passes)
    if needed.high > (free := disk.f_bavail * disk.f_frsize):
        yield f"This disk has {short(free / 1e9)} GB free but {needed.over(1e9)} are needed: take another --directory."
    if disk.f_files and whole.files > disk.f_favail:
        yield f"This disk has room for {disk.f_favail:,} files but {short(whole.files)} are needed: take another."
