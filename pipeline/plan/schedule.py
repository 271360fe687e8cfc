"""How soon jobs can be done on a machine: no sooner than its cores and GPUs allow, nor than their longest chain."""

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter

from pipeline.jobs.dry_run import Job
from pipeline.plan.machines import Machine
from pipeline.plan.spans import Span
from pipeline.plan.times import Time

OVERHEAD = 0.3  # seconds in which Snakemake does nothing but begin and end one job


def soonest(jobs: Sequence[Job], times: Sequence[Time], machine: Machine) -> Span:
    """Seconds: the largest of what cores, GPUs and the longest chain of jobs need. A job holds all its threads."""
    held = [time.wall.times(min(job.threads, machine.cores)) for job, time in zip(jobs, times, strict=True)]
    longest = chain(jobs, times)
    found = []
    for place in range(3):
        cores = sum(max(one[place], time.core[place]) for one, time in zip(held, times, strict=True)) / machine.cores
        gpus = sum(time.gpu[place] for time in times) / max(machine.gpus, 1)
        found.append(max(cores, gpus, longest[place]) + OVERHEAD * len(jobs))
    return Span(*found)


def chain(jobs: Sequence[Job], times: Sequence[Time]) -> Span:
    """Seconds of the longest chain of jobs that wait for each other's files."""
    makers = {path: number for number, job in enumerate(jobs) for path in job.outputs}
    before = {n: {makers[path] for path in job.inputs if path in makers} - {n} for n, job in enumerate(jobs)}
    order = list(TopologicalSorter(before).static_order())
    return Span(*(_longest(order, before, [time.wall[place] for time in times]) for place in range(3)))


def _longest(order: Sequence[int], before: Mapping[int, set[int]], seconds: Sequence[float]) -> float:
    ends: dict[int, float] = {}
    for number in order:
        ends[number] = seconds[number] + max((ends[other] for other in before[number]), default=0.0)
    return max(ends.values(), default=0.0)
