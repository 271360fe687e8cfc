"""Estimates of the time of training and scoring, from counted operations and the pictures that have to be loaded."""

from collections.abc import Mapping

from pipeline.config.fusion_methods import FUSION_METHODS
from pipeline.config.recipe import Recipe
from pipeline.formats.modalities import INPUTS
from pipeline.inputs import protocols
from pipeline.inputs.crops import WHOLE_PICTURE
from pipeline.jobs.dry_run import Job
from pipeline.plan import rates
from pipeline.plan.intervals import ZERO, Interval, exact, total
from pipeline.plan.planner import ESTIMATED, GPU_ESTIMATED, UNKNOWN, Estimate, JobTime, Planner
from pipeline.workflow import runs

SMALL_NETWORK = 2e8  # multiply-adds per clip below which a network does not use a core fully


def train(planner: Planner, job: Job) -> JobTime:
    """Forward and backward pass of `steps` times `batch` clips."""
    recipe = planner.recipe(job)
    clips = recipe.steps * recipe.batch
    operations = training_factor(recipe).times(2 * planner.network(recipe).multiply_adds * clips)
    pictures = {name: (recipe.frames or 1) * length * clips for name, length in recipe.stack.items()}
    return network_time(planner, job, recipe, operations, pictures)


def training_factor(recipe: Recipe) -> Interval:
    """Cost of a training step as a multiple of the forward pass.

    The gradients by a layer's input and by its weights cost as much as the forward pass each; frozen layers below the
    first trained one need neither.
    """
    if recipe.trainable == "head":
        return Interval(1.0, 1.05, 1.3)
    is_partial = recipe.trainable != "all" or "stage" in recipe.options
    return Interval(1.0, 2.0, 3.0) if is_partial else exact(3.0)


def score(planner: Planner, job: Job) -> JobTime:
    """Forward pass of the views of the test protocol; with whole pictures or videos, of their area or length."""
    recipe, dataset = planner.recipe(job), planner.dataset(job)
    videos, protocol = planner.num_scored(job), protocols.parse(recipe.protocol_of(job.wildcards["part"]))
    length = max(1, round(dataset.frames.likely / dataset.videos))
    times = protocols.clip_times(protocol, recipe, length)
    clips = sum(map(len, times)) / (recipe.frames or 1) * len(protocol.positions) * (1 + protocol.flips)
    if WHOLE_PICTURE in protocol.positions:
        clips *= 4 / 3 * (recipe.short_side / recipe.crop) ** 2
    pictures = {name: sum(map(len, times)) * size * videos for name, size in recipe.stack.items()}
    operations = exact(2 * planner.network(recipe).multiply_adds * clips * videos)
    return network_time(planner, job, recipe, operations, pictures)


def network_time(
    planner: Planner, job: Job, recipe: Recipe, operations: Interval, pictures: Mapping[str, float]
) -> JobTime:
    """The time of `operations` on inputs of `pictures` (modality -> count), loaded by all threads but one."""
    loading = _loading(planner, job, pictures)
    if not planner.on_gpu(job):
        is_small = planner.network(recipe).multiply_adds < SMALL_NETWORK
        speed = rates.rate("training_small") if is_small else rates.training_rate()
        return planner.cpu_time(job, operations.over(speed.value).plus(loading), speed.basis)
    start, peaks = rates.rate("start_torch").value, planner.machine.peaks
    if peaks is None:
        unknown = f"what {planner.machine.gpu} computes: machines.tsv does not have it"
        return JobTime(start, start.plus(loading), ZERO, UNKNOWN, unknown)
    peak = peaks.single if recipe.precision == "fp32" else peaks.half
    busy = operations.over(rates.rate("share_of_peak").value).over(peak * job.gpus)
    wall = start.plus(busy.at_least(loading.over(max(1, planner.threads(job) - 1))))
    return JobTime(wall, loading.plus(wall), wall.times(job.gpus), GPU_ESTIMATED)


def _loading(planner: Planner, job: Job, pictures: Mapping[str, float]) -> Interval:
    """Core seconds of loading; an RGB difference needs two pictures."""
    pixels = planner.dataset(job).stored_pixels
    return total(
        rates.loader_cost(rgb=not INPUTS[name].kind.planes).value.times(
            count * (1 + INPUTS[name].is_difference) * pixels
        )
        for name, count in pictures.items()
    )


def kmeans(planner: Planner, job: Job) -> JobTime:
    """Descriptors of some videos, and their cluster centres."""
    core = rates.rate("centres").value
    if not planner.on_gpu(job):
        return planner.cpu_time(job, core, ESTIMATED)
    wall = core.over(planner.threads(job))
    return JobTime(wall, core, wall.times(job.gpus), GPU_ESTIMATED)


def fuse(planner: Planner, job: Job) -> JobTime:
    """Reading and averaging scores; for a fitted method also one SVM per class."""
    rate, dataset = rates.rate("fuse"), planner.dataset(job)
    method = runs.fusion(planner.config, job.wildcards["dataset"], job.wildcards["run"]).method
    if not FUSION_METHODS[method].fitted:
        return planner.cpu_time(job, rate.value, rate.basis)
    svms = rates.rate("fit").value.times(dataset.train**2 * dataset.classes)
    return planner.cpu_time(job, rate.value.plus(svms), ESTIMATED)


ESTIMATES: dict[str, Estimate] = {"train": train, "score": score, "kmeans": kmeans, "fuse": fuse}
