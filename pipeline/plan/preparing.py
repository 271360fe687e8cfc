"""How long the data stages take, from archive to shards and improved trajectories."""

from pipeline.idt.parameters import KINDS
from pipeline.jobs.dry_run import Job
from pipeline.plan import rates
from pipeline.plan.facts import Facts
from pipeline.plan.spans import NOTHING, Span, exact
from pipeline.plan.times import OPEN, RECKONED, Estimate, Planner, Time

OTHER = Span(0.3, 1.0, 3.0)  # times as much, with settings that no benchmark has
# Rules whose cost hangs on how many frames a data set has.
OF_FRAMES = ("frames", "flow", "idt_sample", "idt_encode", "train", "score")
MEASURED_QUALITY = 90  # of the JPEGs whose bytes rates.tsv tells
ROUNDS = 100  # of a mixture's fitting, at most


def draw(p: Planner, job: Job) -> Time:
    """Drawing a demo's clips."""
    found = rates.rate("draw")
    return p.work(job, found.value.times(p.facts(job.rule.removesuffix("_archives")).videos), found.basis)


def fetch(p: Planner, job: Job) -> Time:
    """Unpacking; how long a download takes is the network's affair."""
    dataset = p.facts(job.wildcards["dataset"])
    missing = "the time of downloading {} GB" if dataset.download.likely else ""
    return p.work(job, rates.rate("unpack").value.times(dataset.bytes), RECKONED, missing, dataset.download.over(1e9))


def index(p: Planner, job: Job) -> Time:
    """Reading lists and finding videos."""
    found = rates.indexing()
    return p.work(job, found.value.times(p.facts(job.wildcards["dataset"]).videos), found.basis)


def of_slice(p: Planner, job: Job) -> tuple[Facts, Span]:
    """A data set, and the frames of one of its slices."""
    dataset = p.facts(job.wildcards["dataset"])
    return dataset, dataset.frames.over(p.settings(job.wildcards["dataset"])["slices"])


def frames(p: Planner, job: Job) -> Time:
    """Decoding and shrinking by the source's pixels, JPEG by the stored ones."""
    dataset, count = of_slice(p, job)
    each = rates.decoding(dataset.codec).value.times(dataset.source).plus(rates.encoding().value.times(dataset.stored))
    return p.work(job, each.times(count), rates.encoding().basis)


def flow(p: Planner, job: Job) -> Time:
    """TV-L1 of a slice; what it takes on a GPU nobody has measured."""
    dataset, count = of_slice(p, job)
    settings, found = p.settings(job.wildcards["dataset"])["flow"], rates.flow_pixels()
    core = count.times(dataset.stored).over(found.value)
    if settings["parameters"] or settings["preset"] != "opencv":
        core = core.times(OTHER)
    if p.on_gpu(job):
        more = "TV-L1 on a GPU, which nobody has measured (with flow: backend: cpu it takes {} core hours instead)"
        return Time(NOTHING, NOTHING, NOTHING, OPEN, more, core.over(3600))
    return p.work(job, core, found.basis)


def shard(p: Planner, job: Job) -> Time:
    """Copying and hashing."""
    found = rates.rate("pack")
    return p.work(job, found.value.times(modality_bytes(p, job)), found.basis)


def modality_bytes(p: Planner, job: Job) -> Span:
    """Those of a data set's pictures of a job's modality."""
    dataset = p.facts(job.wildcards["dataset"])
    name = "rgb" if job.wildcards.get("modality", "rgb") == "rgb" else "flow"
    picture = rates.rate(f"{name}_bytes").value.times(dataset.stored).plus(rates.rate(f"{name}_header").value)
    stage = p.settings(job.wildcards["dataset"])["frames" if name == "rgb" else "flow"]
    return picture.times(dataset.frames).times(OTHER if stage["quality"] != MEASURED_QUALITY else 1.0)


def nothing(p: Planner, job: Job) -> Time:
    """A start and no more."""
    return p.work(job, NOTHING, rates.rate("start").basis)


def idt_sample(p: Planner, job: Job) -> Time:
    """Tracks of `window` frames of each video."""
    dataset, count = of_slice(p, job)
    longest = p.settings(job.wildcards["dataset"])["idt"]["window"] * dataset.videos / dataset.frames.likely
    return _tracks(p, job, count.times(min(1.0, longest) * dataset.stored), "tracks_alone")


def idt_encode(p: Planner, job: Job) -> Time:
    """Tracks of all frames, and their Fisher vectors."""
    dataset, count = of_slice(p, job)
    return _tracks(p, job, count.times(dataset.stored), "everything")


def _tracks(p: Planner, job: Job, pixels: Span, part: str) -> Time:
    found = rates.track_pixels(part)
    return p.work(job, pixels.over(found.value), found.basis)


def idt_vocabulary(p: Planner, job: Job) -> Time:
    """Expectation maximisation: 8 operations a track, Gaussian and number of each step."""
    settings, dataset = p.settings(job.wildcards["dataset"])["idt"], p.facts(job.wildcards["dataset"])
    tracks = min(settings["vocabulary"], settings["sample"] * dataset.train)
    operations = sum(8 * ROUNDS * tracks * settings["clusters"] * size / 2 for size in KINDS.values())
    found = rates.rate("mixture")
    return p.work(job, exact(operations).over(found.value), found.basis)


def idt_classify(p: Planner, job: Job) -> Time:
    """A matrix of kernels, and a machine a class."""
    settings, dataset = p.settings(job.wildcards["dataset"])["idt"], p.facts(job.wildcards["dataset"])
    numbers = sum(size * settings["clusters"] for size in KINDS.values())
    operations = 2 * numbers * dataset.train * (dataset.train + dataset.test)
    machines = rates.rate("fit").value.times(dataset.train**2 * dataset.classes)
    return p.work(job, exact(operations).over(rates.rate("kernel").value).plus(machines), RECKONED)


def plain(name: str) -> Estimate:
    """So many core seconds, from rates.tsv."""

    def found(p: Planner, job: Job) -> Time:
        more = "the time of downloading released weights" if name == "release" else ""
        return p.work(job, rates.rate(name).value, rates.rate(name).basis, more)

    return found


ESTIMATES: dict[str, Estimate] = {
    "demo_archives": draw, "demo_pretrain_archives": draw, "fetch": fetch, "index": index, "splits": index,
    "coverage": index, "frames": frames,
    "flow": flow, "quarantine": nothing, "shard": shard, "idt_sample": idt_sample, "idt_vocabulary": idt_vocabulary,
    "idt_encode": idt_encode, "idt_classify": idt_classify, "release": plain("release"), "table": plain("table"),
    "paper_table": plain("table"), "architectures": plain("architectures"),
    "figure": plain("figure"),
}  # fmt: skip
