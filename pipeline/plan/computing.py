"""How long networks take to train and to score, from counted operations and what has to be read for them."""

from collections.abc import Mapping

from pipeline.config.fusion_methods import FUSION_METHODS
from pipeline.config.recipes import Recipe
from pipeline.inputs import protocols
from pipeline.inputs.crops import WHOLE
from pipeline.jobs.dry_run import Job
from pipeline.plan import rates
from pipeline.plan.spans import NOTHING, Span, exact, total
from pipeline.plan.times import (
    ON_GPU,
    OPEN,
    RECKONED,
    Estimate,
    Planner,
    Time,
)
from pipeline.workflow import runs

SMALL = 2e8  # multiply-adds of a clip below which a network does not fill a core


def train(p: Planner, job: Job) -> Time:
    """Steps times batch clips, forward and backward."""
    recipe = p.recipe(job)
    seen = recipe["steps"] * recipe["batch"]
    operations = backward(recipe).times(2 * p.network(recipe).multiply_adds * seen)
    counts = {name: (recipe["frames"] or 1) * length * seen for name, length in recipe["stack"].items()}
    return compute(p, job, recipe, operations, counts)


def backward(recipe: Recipe) -> Span:
    """Times the forward pass that a step computes: the gradient by what a layer got and by its weights cost as much
    each, but not below what is fixed."""
    if recipe["trains"] == "head":
        return Span(1.0, 1.05, 1.3)
    partly = recipe["trains"] != "all" or "stage" in recipe["options"]
    return Span(1.0, 2.0, 3.0) if partly else exact(3.0)


def score(p: Planner, job: Job) -> Time:
    """Views of the test protocol, forward; the area of whole pictures and the times of whole videos count."""
    recipe, dataset = p.recipe(job), p.facts(job.wildcards["dataset"])
    videos, name = p.scored(job), "protocol" if job.wildcards["subset"] == "test" else "train_protocol"
    protocol, length = protocols.named(recipe[name]), max(1, round(dataset.frames.likely / dataset.videos))
    chosen = protocols.times(protocol, recipe, length)
    share = sum(map(len, chosen)) / (recipe["frames"] or 1) * len(protocol.places) * (1 + protocol.flips)
    if WHOLE in protocol.places:
        share *= 4 / 3 * (recipe["short_side"] / recipe["crop"]) ** 2
    counts = {name: sum(map(len, chosen)) * size * videos for name, size in recipe["stack"].items()}
    operations = exact(2 * p.network(recipe).multiply_adds * share * videos)
    return compute(p, job, recipe, operations, counts)


def compute(p: Planner, job: Job, recipe: Recipe, operations: Span, pictures: Mapping[str, float]) -> Time:
    """A job of a network: `operations`, fed with `pictures` of its inputs, by one thread fewer than the job has."""
    stored, start = p.facts(job.wildcards["dataset"]).stored, rates.rate("start_torch").value
    feeds = (rates.reading(name != "flow").value.times(count * (1 + (name == "difference")) * stored)
             for name, count in pictures.items())  # fmt: skip
    feed = total(feeds)
    if not p.on_gpu(job):
        small = p.network(recipe).multiply_adds < SMALL
        speed = rates.rate("training_small") if small else rates.training()
        return p.work(job, operations.over(speed.value).plus(feed), speed.basis)
    peaks = p.machine.peaks
    if peaks is None:
        missing = f"what {p.machine.gpu} computes: machines.tsv does not have it"
        return Time(start, start.plus(feed), NOTHING, OPEN, missing)
    most = peaks.single if recipe["precision"] == "fp32" else peaks.half
    busy = operations.over(rates.rate("share_of_peak").value).over(most * job.gpus)
    wall = start.plus(busy.at_least(feed.over(max(1, p.threads(job) - 1))))
    return Time(wall, feed.plus(wall), wall.times(job.gpus), ON_GPU)


def kmeans(p: Planner, job: Job) -> Time:
    """Descriptors of some videos, and their centres."""
    core = rates.rate("centres").value
    if not p.on_gpu(job):
        return p.work(job, core, RECKONED)
    wall = core.over(p.threads(job))
    return Time(wall, core, wall.times(job.gpus), ON_GPU)


def fuse(p: Planner, job: Job) -> Time:
    """Reading and averaging scores; a machine a class where it is fitted."""
    core = rates.rate("fuse").value
    dataset = p.facts(job.wildcards["dataset"])
    method = runs.fusion(p.config, job.wildcards["dataset"], job.wildcards["run"])["method"]
    if FUSION_METHODS[method].fitted:
        core = core.plus(rates.rate("fit").value.times(dataset.train**2 * dataset.classes))
    return p.work(job, core, RECKONED if FUSION_METHODS[method].fitted else rates.rate("fuse").basis)


ESTIMATES: dict[str, Estimate] = {"train": train, "score": score, "kmeans": kmeans, "fuse": fuse}
