"""The plan of a target's jobs, and the notes below its table."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pipeline.common.errors import UserError
from pipeline.config.settings import load_yaml, merge
from pipeline.jobs.dry_run import Job, dry_run, parse_jobs
from pipeline.plan import data_times, network_times
from pipeline.plan.disk import disk_use
from pipeline.plan.history import read_history
from pipeline.plan.intervals import ZERO, Interval, format_number
from pipeline.plan.machines import Machine
from pipeline.plan.planner import GPU_ESTIMATED, JobTime, Planner
from pipeline.plan.schedule import critical_path
from pipeline.plan.summary import Plan, summarise, unknown_costs
from pipeline.workflow.checks import check

ESTIMATES = {**data_times.ESTIMATES, **network_times.ESTIMATES}
NOTED_BYTES = 1e8  # temporary bytes from which on a note mentions them
MAX_RUNS = 4  # runs that are named
FORCE_ALL = "--forceall"  # Snakemake's option to run every job of a target, finished or not


def load_config(files: Sequence[Path], assignments: Sequence[str], base: Path) -> dict[str, Any]:
    """The config that Snakemake would use: `base`, updated by --configfile's files and --config's assignments."""
    config = load_yaml(base)
    for path in files:
        config = merge(config, load_yaml(path) or {})
    if assignments:
        config = merge(config, _parse_assignments(assignments))
    if not isinstance(config, dict):
        raise UserError(f"{files[-1] if files else base} holds no keys: write key: value")
    check(config)
    return config


def _parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    from snakemake.cli import parse_config  # type: ignore[import-untyped]  # takes a second to import

    try:
        return dict(parse_config(assignments))
    except Exception as error:  # its type depends on the value
        raise UserError(f"--config {' '.join(assignments)} cannot be read ({error}): write key=value") from error


def list_jobs(targets: Sequence[str], options: Sequence[str], cores: int, folder: Path) -> tuple[list[Job], list[Job]]:
    """(jobs that would run, all jobs of the targets), from two dry runs; from one if nothing has been made yet."""
    has_outputs = (folder / "data").exists() or (folder / "results").exists()
    dry_runs = [[*options], [*options, FORCE_ALL]] if has_outputs else [[*options]]
    with ThreadPoolExecutor(len(dry_runs)) as pool:
        outputs = list(pool.map(lambda extended: dry_run(targets, extended, cores), dry_runs))
    jobs = [[job for job in parse_jobs(output) if job.outputs] for output in outputs]
    return jobs[0], jobs[-1]


def make_plan(jobs: list[Job], all_jobs: list[Job], config: Mapping[str, Any], machine: Machine) -> Plan:
    """The plan of the `jobs` to run, among `all_jobs` of the targets, from the files of the working directory."""
    outputs = {job.outputs[0] for job in jobs}
    done = [job for job in all_jobs if job.outputs[0] not in outputs]
    planner = Planner(config, machine, read_history(all_jobs), ESTIMATES)
    times = [planner.time(job) for job in jobs]
    costs = [(time, disk_use(planner, job)) for time, job in zip(times, jobs, strict=True)]
    plan = summarise(jobs, done, costs, machine)
    return plan._replace(notes=list(notes(planner, jobs, times, plan)))


def notes(planner: Planner, jobs: Sequence[Job], times: Sequence[JobTime], plan: Plan) -> Iterator[str]:
    """Sentences below the table: machine, temporary files, bottlenecks, the basis of the numbers, unknown costs."""
    machine = planner.machine
    yield f"On {machine}. Likely (low - high); finished jobs are counted only in the column `done`."
    if plan.temporary.likely > NOTED_BYTES:
        slices = "" if planner.config["keep_slices"] else "slices that are deleted once packed, and "
        yield f"Meanwhile {plan.temporary.over(1e9)} GB more for {slices}the checkpoint of a training."
    path = critical_path(jobs, times).over(3600)
    if path.likely > 1:
        yield f"The longest chain of jobs takes {path} hours, on however many machines such as this one."
    yield from disk_notes(plan) if machine.is_local else ()
    if any(GPU_ESTIMATED in time.basis for time in times):
        yield "GPU hours are estimated from counted operations and a published peak: none of them has been measured."
    yield from idle_gpus(machine, [job.threads for job in jobs if planner.on_gpu(job) and job.rule == "train"])
    yield from longest_trainings(jobs, times)
    for dataset in sorted({job.wildcards["dataset"] for job in jobs if job.rule in data_times.FRAME_RULES}):
        basis = planner.dataset_size(dataset).basis
        yield f"{basis[:1].upper()}{basis[1:]}."
    yield f"Not known: {'; '.join(unknown_costs(times)) or 'nothing that a job waits for'}."


def idle_gpus(machine: Machine, threads: Sequence[int]) -> Iterator[str]:
    """A note if the cores are too few to run a training job, which uses so many `threads`, on every GPU."""
    concurrent = machine.cores // min(min(threads, default=1), machine.cores)
    if concurrent < machine.gpus:
        yield (
            f"{machine.cores} cores keep {concurrent} of {machine.gpus} GPUs at work, as a training asks for"
            f" {min(threads)} threads: --set-threads train=N, or more cores."
        )


def longest_trainings(jobs: Sequence[Job], times: Sequence[JobTime]) -> Iterator[str]:
    """A note that names the runs that take most of the training time, if there are more than MAX_RUNS."""
    runs: dict[str, tuple[Interval, Interval]] = {}
    for job, time in zip(jobs, times, strict=True):
        if job.rule == "train":
            gpu, core = runs.get(job.wildcards["run"], (ZERO, ZERO))
            runs[job.wildcards["run"]] = gpu.plus(time.gpu), core.plus(time.core)
    ordered = sorted(runs, key=lambda run: [time.likely for time in runs[run]], reverse=True)
    if len(ordered) > MAX_RUNS:
        longest = ((run, *runs[run]) for run in ordered[:MAX_RUNS])
        hours = ", ".join(f"{run} {(gpu if gpu.likely else core).over(3600)}" for run, gpu, core in longest)
        unit = "GPU" if runs[ordered[0]][0].likely else "core"
        yield f"The longest trainings, {unit} hours of all splits: {hours}. tables.rows in config.yaml leaves rows out."


def disk_notes(plan: Plan) -> Iterator[str]:
    """Notes if the disk of the working directory has too little space or too few inodes for the plan."""
    totals, disk = plan.rows[-1], os.statvfs(".")
    needed = totals.disk.plus(plan.temporary)
    if needed.high > (free := disk.f_bavail * disk.f_frsize):
        gigabytes = format_number(free / 1e9)
        yield f"This disk has {gigabytes} GB free but {needed.over(1e9)} are needed: take another --directory."
    if disk.f_files and totals.files > disk.f_favail:
        files = format_number(totals.files)
        yield f"This disk has room for {disk.f_favail:,} files but {files} are needed: take another."
