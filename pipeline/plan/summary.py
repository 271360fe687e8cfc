"""The plan of a target: costs summed per stage and in total, and what they leave out."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipeline.jobs.dry_run import Job
from pipeline.plan.disk import DiskUse
from pipeline.plan.intervals import ZERO, Interval, total
from pipeline.plan.machines import Machine
from pipeline.plan.planner import MEASURED, UNKNOWN, JobTime
from pipeline.plan.schedule import shortest_time

STAGES = {
    "fetch": ("demo_archives", "demo_pretrain_archives", "fetch"), "index": ("index", "splits", "coverage"),
    "frames": ("frames",), "flow": ("flow",), "shard": ("quarantine", "shard"),
    "idt": ("idt_sample", "idt_vocabulary", "idt_encode", "idt_classify"), "weights": ("release",),
    "train": ("train", "kmeans"), "score": ("score",), "fuse": ("fuse",),
    "tables": ("table", "paper_table", "architectures"), "report": ("report", "figure"),
}  # fmt: skip


class StageCost(NamedTuple):
    """The cost of a stage: jobs to run and finished jobs; seconds of GPUs and of cores; bytes and files.

    `wall` is the shortest time that the machine needs, in seconds. `incomplete` says that some job's cost is unknown.
    """

    stage: str
    jobs: int
    done: int
    gpu: Interval
    core: Interval
    wall: Interval
    disk: Interval
    files: float
    basis: str
    incomplete: bool


class Plan(NamedTuple):
    """A row per stage and a last row of totals, the temporary bytes, and notes: sentences for the user."""

    rows: list[StageCost]
    temporary: Interval
    notes: list[str]


def stage_of(rule: str) -> str:
    """The stage of a rule; all figure_... rules are of `figure`, and an unknown rule is a stage of its own."""
    names = {rule, rule.partition("_")[0]}
    return next((stage for stage, rules in STAGES.items() if names & set(rules)), rule)


def summarise(
    jobs: Sequence[Job], done: Sequence[Job], costs: Sequence[tuple[JobTime, DiskUse]], machine: Machine
) -> Plan:
    """The plan of `jobs` to run, with the cost of each, beside the finished jobs `done`."""
    stages = dict.fromkeys([*STAGES, *(stage_of(job.rule) for job in (*jobs, *done))])
    done_counts = Counter(stage_of(job.rule) for job in done)
    rows = []
    for stage in stages:
        indices = [index for index, job in enumerate(jobs) if stage_of(job.rule) == stage]
        if indices or done_counts[stage]:
            members, member_costs = [jobs[index] for index in indices], [costs[index] for index in indices]
            rows.append(_stage_cost(stage, members, member_costs, done_counts[stage], machine))
    rows.append(_stage_cost("all", jobs, costs, len(done), machine)._replace(basis=""))
    return Plan(rows, _temporary_bytes(jobs, [disk for _, disk in costs]), [])


def _temporary_bytes(jobs: Sequence[Job], disks: Sequence[DiskUse]) -> Interval:
    """The sum over the jobs, but of checkpoints only the largest, since a training deletes its own."""
    sizes = [(job.rule, disk.temporary) for job, disk in zip(jobs, disks, strict=True)]
    checkpoint = max((size for rule, size in sizes if rule == "train"), default=ZERO)
    return total(size for rule, size in sizes if rule != "train").plus(checkpoint)


def _stage_cost(
    stage: str, jobs: Sequence[Job], costs: Sequence[tuple[JobTime, DiskUse]], done: int, machine: Machine
) -> StageCost:
    times, disks = [time for time, _ in costs], [disk for _, disk in costs]
    return StageCost(
        stage, len(jobs), done, total(time.gpu for time in times), total(time.core for time in times),
        shortest_time(jobs, times, machine), total(disk.kept for disk in disks), sum(disk.files for disk in disks),
        _combined_basis(times), any(time.basis == UNKNOWN for time in times),
    )  # fmt: skip


def _combined_basis(times: Sequence[JobTime]) -> str:
    """The bases of the jobs' times, the most frequent first; if they differ, with the number of jobs of each."""
    measured = {time.basis for time in times if time.basis.startswith(MEASURED)}
    counts = Counter(
        MEASURED if len(measured) > 1 and time.basis in measured else time.basis for time in times
    ).most_common()
    return "; ".join(basis if len(counts) == 1 else f"{basis}, {count} of {len(times)}" for basis, count in counts)


def unknown_costs(times: Sequence[JobTime]) -> Iterator[str]:
    """A clause for every cost that the times leave out, with its amount summed over the jobs."""
    amounts: dict[str, Interval] = {}
    for time in times:
        if time.unknown:
            amounts[time.unknown] = amounts.get(time.unknown, ZERO).plus(time.amount)
    yield from (unknown.replace("{}", str(amount)) for unknown, amount in amounts.items())
