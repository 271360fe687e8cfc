"""Estimates of the bytes and files that a job leaves on the disk."""

from collections.abc import Callable
from typing import NamedTuple

from pipeline.idt.parameters import DESCRIPTOR_LENGTHS
from pipeline.inputs import protocols
from pipeline.jobs.dry_run import Job
from pipeline.plan.data_times import modality_bytes
from pipeline.plan.intervals import ZERO, Interval, exact
from pipeline.plan.planner import Planner

EXTRA_FILES = 2  # of every job: a log and a benchmark
TABLE_BYTES = exact(100e3)  # of a table or a list
FLOAT_BYTES = 4
CHECKPOINT_FACTOR = 3  # size of a training checkpoint relative to the weights, with the optimizer's state


class DiskUse(NamedTuple):
    """Bytes that stay, bytes that are needed until other jobs have run, and the number of files."""

    kept: Interval
    temporary: Interval
    files: float


def disk_use(planner: Planner, job: Job) -> DiskUse:
    """The disk use of one job: as much as equal jobs wrote here, else as estimated."""
    files = EXTRA_FILES + 2 * len(job.outputs)  # Snakemake keeps a record of every output
    size = planner.history.size(job) or SIZES.get(job.rule, _table)(planner, job)
    if job.rule in ("frames", "flow") and not planner.config["keep_slices"]:
        return DiskUse(ZERO, size, files - 2)
    if job.rule == "fetch":  # its output is only a list; videos and archives are written beside it
        dataset = planner.dataset(job)
        return DiskUse(dataset.bytes.plus(dataset.download), ZERO, files + dataset.videos)
    if job.rule == "shard":
        mib = planner.settings(job).shard.mib
        return DiskUse(size, ZERO, files + size.likely // (mib * 2**20) + 3)
    if job.rule == "train":
        checkpoint = exact(CHECKPOINT_FACTOR * FLOAT_BYTES * planner.network(planner.recipe(job)).parameters)
        return DiskUse(size, checkpoint, files)
    return DiskUse(size, ZERO, files)


def _slice(planner: Planner, job: Job) -> Interval:
    return modality_bytes(planner, job).over(planner.settings(job).slices)


def _sampled_tracks(planner: Planner, job: Job) -> Interval:
    settings = planner.settings(job)
    tracks = planner.dataset(job).videos / settings.slices * settings.idt.sample
    return exact(tracks * sum(DESCRIPTOR_LENGTHS.values()) * FLOAT_BYTES)


def _fisher_vectors(planner: Planner, job: Job) -> Interval:
    settings = planner.settings(job)
    vocabularies = sum("vocabularies" in name for name in job.inputs)
    length = sum(DESCRIPTOR_LENGTHS.values()) * settings.idt.clusters * vocabularies
    return exact(planner.dataset(job).videos / settings.slices * length * FLOAT_BYTES)


def _weights(planner: Planner, job: Job) -> Interval:
    return exact(FLOAT_BYTES * planner.network(planner.recipe(job)).parameters)


def _scores(planner: Planner, job: Job) -> Interval:
    """Logits of every view in float32, which Parquet hardly compresses."""
    dataset, recipe, part = planner.dataset(job), planner.recipe(job), job.wildcards["part"]
    protocol = protocols.parse(recipe.protocol_of(part))
    times = protocols.clip_times(protocol, recipe, max(1, round(dataset.frames.likely / dataset.videos)))
    views = len(times) * len(protocol.positions) * (1 + protocol.flips)
    return exact(planner.num_scored(job) * views * dataset.classes * FLOAT_BYTES)


def _fused(planner: Planner, job: Job) -> Interval:
    dataset = planner.dataset(job)
    return exact(dataset.test * dataset.classes * FLOAT_BYTES)


def _table(planner: Planner, job: Job) -> Interval:
    return TABLE_BYTES


def _demo_archives(planner: Planner, job: Job) -> Interval:
    return planner.demo_dataset(job).bytes


def _release(planner: Planner, job: Job) -> Interval:
    return Interval(30e6, 200e6, 600e6)


SIZES: dict[str, Callable[[Planner, Job], Interval]] = {
    "demo_archives": _demo_archives, "demo_pretrain_archives": _demo_archives, "frames": _slice, "flow": _slice,
    "shard": modality_bytes, "idt_sample": _sampled_tracks, "idt_encode": _fisher_vectors, "release": _release,
    "train": _weights, "score": _scores, "fuse": _fused,
}  # fmt: skip
