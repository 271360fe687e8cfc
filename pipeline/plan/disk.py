"""What a job leaves on the disk: bytes, and files."""

from collections.abc import Callable
from typing import NamedTuple

from pipeline.idt.parameters import KINDS
from pipeline.inputs import protocols
from pipeline.jobs.dry_run import Job
from pipeline.plan.preparing import modality_bytes
from pipeline.plan.spans import NOTHING, Span, exact
from pipeline.plan.times import Planner

BESIDE = 2  # files of a job beside its outputs: a log and a benchmark; every output has a record of Snakemake's, too
SMALL = exact(100e3)  # bytes of a table or a list
NUMBER = 4  # bytes
RESUME = 3  # times the weights: a training's checkpoint, with gradients' moments


class Room(NamedTuple):
    """Bytes that stay, bytes that are needed meanwhile, and files."""

    stays: Span
    passes: Span
    files: float


def room(p: Planner, job: Job) -> Room:
    """Of one job: as its kind left here, else as reckoned."""
    files = BESIDE + 2 * len(job.outputs)
    size = p.evidence.written(job) or SIZES.get(job.rule, _table)(p, job)
    if job.rule in ("frames", "flow") and not p.config["keep_slices"]:
        return Room(NOTHING, size, files - 2)
    if job.rule == "fetch":
        dataset = p.facts(job.wildcards["dataset"])  # the declared output is a list; videos and archives lie beside it
        return Room(dataset.bytes.plus(dataset.download), NOTHING, files + dataset.videos)
    if job.rule == "shard":
        mib = p.settings(job.wildcards["dataset"])["shard"]["mib"]
        return Room(size, NOTHING, files + size.likely // (mib * 2**20) + 3)
    return Room(size, _resume(p, job), files)


def _resume(p: Planner, job: Job) -> Span:
    return exact(RESUME * NUMBER * p.network(p.recipe(job)).parameters) if job.rule == "train" else NOTHING


def _slice(p: Planner, job: Job) -> Span:
    slices = p.settings(job.wildcards["dataset"])["slices"]
    return modality_bytes(p, job).over(slices)


def _samples(p: Planner, job: Job) -> Span:
    dataset, settings = p.facts(job.wildcards["dataset"]), p.settings(job.wildcards["dataset"])
    return exact(dataset.videos / settings["slices"] * settings["idt"]["sample"] * sum(KINDS.values()) * NUMBER)


def _encodings(p: Planner, job: Job) -> Span:
    dataset, settings = p.facts(job.wildcards["dataset"]), p.settings(job.wildcards["dataset"])
    vocabularies = sum("vocabularies" in name for name in job.inputs)
    numbers = sum(KINDS.values()) * settings["idt"]["clusters"] * vocabularies
    return exact(dataset.videos / settings["slices"] * numbers * NUMBER)


def _weights(p: Planner, job: Job) -> Span:
    return exact(NUMBER * p.network(p.recipe(job)).parameters)


def _scores(p: Planner, job: Job) -> Span:
    """Logits of every view, in float32, of which Parquet saves next to nothing."""
    dataset, recipe, test = p.facts(job.wildcards["dataset"]), p.recipe(job), job.wildcards["subset"] == "test"
    protocol = protocols.named(recipe["protocol" if test else "train_protocol"])
    times = protocols.times(protocol, recipe, max(1, round(dataset.frames.likely / dataset.videos)))
    views = len(times) * len(protocol.places) * (1 + protocol.flips)
    return exact(p.scored(job) * views * dataset.classes * NUMBER)


def _fused(p: Planner, job: Job) -> Span:
    dataset = p.facts(job.wildcards["dataset"])
    return exact(dataset.test * dataset.classes * NUMBER)


def _table(p: Planner, job: Job) -> Span:
    return SMALL


def _archives(p: Planner, job: Job) -> Span:
    return p.facts(job.rule.removesuffix("_archives")).bytes


def _release(p: Planner, job: Job) -> Span:
    return Span(30e6, 200e6, 600e6)


SIZES: dict[str, Callable[[Planner, Job], Span]] = {
    "demo_archives": _archives, "demo_pretrain_archives": _archives, "frames": _slice, "flow": _slice,
    "shard": modality_bytes, "idt_sample": _samples, "idt_encode": _encodings, "release": _release,
    "train": _weights, "score": _scores, "fuse": _fused,
}  # fmt: skip
