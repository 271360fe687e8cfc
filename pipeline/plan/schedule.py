"""A lower bound of the time that jobs need on a machine, from its cores, its GPUs and the critical path."""

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter

from pipeline.jobs.dry_run import Job
from pipeline.plan.intervals import Interval
from pipeline.plan.machines import Machine
from pipeline.plan.planner import JobTime

JOB_OVERHEAD = 0.3  # seconds in which Snakemake does nothing but start and finish one job


def shortest_time(jobs: Sequence[Job], times: Sequence[JobTime], machine: Machine) -> Interval:
    """Seconds: the largest of the times that cores, GPUs and the critical path need. A job occupies all its threads."""
    occupied = [time.wall.times(min(job.threads, machine.cores)) for job, time in zip(jobs, times, strict=True)]
    path = critical_path(jobs, times)
    bounds = []
    for index in range(3):  # low, likely, high
        core = sum(max(wall[index], time.core[index]) for wall, time in zip(occupied, times, strict=True))
        gpu = sum(time.gpu[index] for time in times)
        largest = max(core / machine.cores, gpu / max(machine.gpus, 1), path[index])
        bounds.append(largest + JOB_OVERHEAD * len(jobs))
    return Interval(*bounds)


def critical_path(jobs: Sequence[Job], times: Sequence[JobTime]) -> Interval:
    """Seconds of the longest chain of jobs that wait for each other's outputs."""
    makers = {path: number for number, job in enumerate(jobs) for path in job.outputs}
    before = {n: {makers[path] for path in job.inputs if path in makers} - {n} for n, job in enumerate(jobs)}
    order = list(TopologicalSorter(before).static_order())
    return Interval(*(_longest(order, before, [time.wall[index] for time in times]) for index in range(3)))


def _longest(order: Sequence[int], before: Mapping[int, set[int]], seconds: Sequence[float]) -> float:
    ends: dict[int, float] = {}
    for number in order:
        ends[number] = seconds[number] + max((ends[other] for other in before[number]), default=0.0)
    return max(ends.values(), default=0.0)
