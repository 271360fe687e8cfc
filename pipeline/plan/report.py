"""A plan: a line a stage, a line of totals, and what is not known."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pipeline.jobs.dry_run import Job
from pipeline.plan.disk import Room
from pipeline.plan.machines import Machine
from pipeline.plan.schedule import soonest
from pipeline.plan.spans import NOTHING, Span, total
from pipeline.plan.times import HERE, OPEN, Time

STAGES = {
    "fetch": ("demo_archives", "demo_pretrain_archives", "fetch"), "index": ("index", "splits", "coverage"),
    "frames": ("frames",), "flow": ("flow",), "shard": ("quarantine", "shard"),
    "idt": ("idt_sample", "idt_vocabulary", "idt_encode", "idt_classify"), "weights": ("release",),
    "train": ("train", "kmeans"), "score": ("score",), "fuse": ("fuse",),
    "tables": ("table", "paper_table", "architectures"), "report": ("report", "figure"),
}  # fmt: skip


class Line(NamedTuple):
    """A stage: jobs left and done; seconds of GPUs and of cores, and on the machine at the least; bytes; files.

    `open` where some job's figures are missing.
    """

    stage: str
    jobs: int
    done: int
    gpu: Span
    core: Span
    wall: Span
    disk: Span
    files: float
    basis: str
    open: bool


class Plan(NamedTuple):
    """All lines, the last of which is the sum, and sentences about what they leave out."""

    lines: list[Line]
    passes: Span
    notes: list[str]


def stage_of(rule: str) -> str:
    """The stage of a rule, or of all whose names begin like figure_; a rule of no stage here stands for itself."""
    names = {rule, rule.partition("_")[0]}
    return next((stage for stage, rules in STAGES.items() if names & set(rules)), rule)


def plan(
    left: Sequence[Job], done: Sequence[Job], costs: Mapping[int, tuple[Time, Room]], machine: Machine
) -> Plan:  # fmt: skip
    """`costs` of the jobs that are `left`, by their place."""
    names = dict.fromkeys([*STAGES, *(stage_of(job.rule) for job in (*left, *done))])
    chosen = {name: [n for n, job in enumerate(left) if stage_of(job.rule) == name] for name in names}
    counts = {name: sum(stage_of(job.rule) == name for job in done) for name in names}
    lines = [
        _line(name, left, members, counts[name], costs, machine)
        for name, members in chosen.items()
        if members or counts[name]
    ]
    lines.append(_line("all", left, range(len(left)), len(done), costs, machine)._replace(basis=""))
    rooms = [(job.rule, costs[n][1].passes) for n, job in enumerate(left)]
    passes = total(size for rule, size in rooms if rule != "train")
    largest = max((size for rule, size in rooms if rule == "train"), default=NOTHING)
    return Plan(lines, passes.plus(largest), [])


def _line(
    name: str, jobs: Sequence[Job], members: Sequence[int], done: int, costs: Mapping[int, tuple[Time, Room]],
    machine: Machine,
) -> Line:  # fmt: skip
    times, rooms = [costs[n][0] for n in members], [costs[n][1] for n in members]
    wall = soonest([jobs[n] for n in members], times, machine)
    basis = _bases(times)
    return Line(
        name, len(members), done, total(t.gpu for t in times), total(t.core for t in times), wall,
        total(r.stays for r in rooms), sum(r.files for r in rooms), basis, any(t.basis == OPEN for t in times),
    )  # fmt: skip


def _bases(times: Sequence[Time]) -> str:
    """What most jobs' figures stand on first; of several, how many jobs each."""
    found: dict[str, int] = {}
    here = {time.basis for time in times if time.basis.startswith(HERE)}
    for time in times:
        basis = HERE if len(here) > 1 and time.basis in here else time.basis
        found[basis] = found.get(basis, 0) + 1
    ordered = sorted(found, key=lambda basis: -found[basis])
    return "; ".join(basis if len(found) == 1 else f"{basis}, {found[basis]} of {len(times)}" for basis in ordered)


def unknowns(times: Sequence[Time]) -> Iterator[str]:
    """What is in no figure, a clause each, with the sum of its amounts over the jobs."""
    found: dict[str, Span] = {}
    for time in times:
        if time.unknown:
            found[time.unknown] = found.get(time.unknown, NOTHING).plus(time.amount)
    yield from (what.replace("{}", str(amount)) for what, amount in found.items())
