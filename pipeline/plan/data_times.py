"""Estimates of the time of the data stages: from archives to shards and improved trajectories."""

from pipeline.formats.modalities import FRAMES, MODALITIES
from pipeline.idt.parameters import DESCRIPTOR_LENGTHS
from pipeline.jobs.dry_run import Job
from pipeline.plan import rates
from pipeline.plan.intervals import ZERO, Interval, exact
from pipeline.plan.planner import ESTIMATED, UNKNOWN, Estimate, JobTime, Planner

UNMEASURED_SETTINGS = Interval(0.3, 1.0, 3.0)  # factor for settings that no benchmark measures
# Rules whose time depends on the number of frames of the data set.
FRAME_RULES = ("frames", "flow", "idt_sample", "idt_encode", "train", "score")
MEASURED_QUALITY = 90  # JPEG quality of the sizes in rates.tsv
EM_STEPS = 100  # at most, to fit a Gaussian mixture


def draw(planner: Planner, job: Job) -> JobTime:
    """Drawing the clips of a demo data set, whose archives have no wildcard `dataset`."""
    rate = rates.rate("draw")
    return planner.cpu_time(job, rate.value.times(planner.demo_dataset(job).videos), rate.basis)


def fetch(planner: Planner, job: Job) -> JobTime:
    """Unpacking; the time of the download depends on the network connection and is unknown."""
    dataset = planner.dataset(job)
    unknown = "the time of downloading {} GB" if dataset.download.likely else ""
    core = rates.rate("unpack").value.times(dataset.bytes)
    return planner.cpu_time(job, core, ESTIMATED, unknown, dataset.download.over(1e9))


def index(planner: Planner, job: Job) -> JobTime:
    """Reading the lists and scanning the folder of videos."""
    rate = rates.index_cost()
    return planner.cpu_time(job, rate.value.times(planner.dataset(job).videos), rate.basis)


def frames(planner: Planner, job: Job) -> JobTime:
    """Decoding and resizing, per source pixel, and JPEG encoding, per stored pixel."""
    dataset, encoding = planner.dataset(job), rates.encoding_cost()
    decoding = rates.decoding_cost(dataset.codec).value.times(dataset.source_pixels)
    frame = decoding.plus(encoding.value.times(dataset.stored_pixels))
    return planner.cpu_time(job, frame.times(slice_frames(planner, job)), encoding.basis)


def flow(planner: Planner, job: Job) -> JobTime:
    """TV-L1 of one slice; its time on a GPU has not been measured."""
    settings, rate = planner.settings(job).flow, rates.flow_rate()
    core = slice_frames(planner, job).times(planner.dataset(job).stored_pixels).over(rate.value)
    if settings.parameters or settings.preset != "opencv":
        core = core.times(UNMEASURED_SETTINGS)
    if planner.on_gpu(job):
        unknown = "TV-L1 on a GPU, which nobody has measured (with flow: backend: cpu it takes {} core hours instead)"
        return JobTime(ZERO, ZERO, ZERO, UNKNOWN, unknown, core.over(3600))
    return planner.cpu_time(job, core, rate.basis)


def shard(planner: Planner, job: Job) -> JobTime:
    """Copying and hashing."""
    rate = rates.rate("pack")
    return planner.cpu_time(job, rate.value.times(modality_bytes(planner, job)), rate.basis)


def slice_frames(planner: Planner, job: Job) -> Interval:
    """The frames of one slice of the job's data set."""
    return planner.dataset(job).frames.over(planner.settings(job).slices)


def modality_bytes(planner: Planner, job: Job) -> Interval:
    """Bytes of all stored pictures of the job's modality."""
    dataset = planner.dataset(job)
    name = "flow" if MODALITIES[job.wildcards.get("modality", FRAMES)].planes else "rgb"
    picture = rates.rate(f"{name}_bytes").value.times(dataset.stored_pixels).plus(rates.rate(f"{name}_header").value)
    settings = planner.settings(job)
    quality = settings.frames.quality if name == "rgb" else settings.flow.quality
    return picture.times(dataset.frames).times(UNMEASURED_SETTINGS if quality != MEASURED_QUALITY else 1.0)


def start_only(planner: Planner, job: Job) -> JobTime:
    """The start of the command; the work itself takes hardly any time."""
    return planner.cpu_time(job, ZERO, rates.rate("start").basis)


def idt_sample(planner: Planner, job: Job) -> JobTime:
    """Trajectories in the first `window` frames of each video."""
    dataset = planner.dataset(job)
    share = planner.settings(job).idt.window * dataset.videos / dataset.frames.likely
    pixels = slice_frames(planner, job).times(min(1.0, share) * dataset.stored_pixels)
    return _trajectories(planner, job, pixels, "tracks_alone")


def idt_encode(planner: Planner, job: Job) -> JobTime:
    """Trajectories of all frames, and their Fisher vectors."""
    pixels = slice_frames(planner, job).times(planner.dataset(job).stored_pixels)
    return _trajectories(planner, job, pixels, "everything")


def _trajectories(planner: Planner, job: Job, pixels: Interval, part: str) -> JobTime:
    rate = rates.trajectory_rate(part)
    return planner.cpu_time(job, pixels.over(rate.value), rate.basis)


def idt_vocabulary(planner: Planner, job: Job) -> JobTime:
    """Expectation maximisation: 8 operations per step, trajectory, Gaussian and descriptor value."""
    settings = planner.settings(job).idt
    tracks = min(settings.vocabulary, settings.sample * planner.dataset(job).train)
    operations = sum(8 * EM_STEPS * tracks * settings.clusters * size / 2 for size in DESCRIPTOR_LENGTHS.values())
    rate = rates.rate("mixture")
    return planner.cpu_time(job, exact(operations).over(rate.value), rate.basis)


def idt_classify(planner: Planner, job: Job) -> JobTime:
    """A kernel matrix, and one SVM per class."""
    dataset, clusters = planner.dataset(job), planner.settings(job).idt.clusters
    length = sum(size * clusters for size in DESCRIPTOR_LENGTHS.values())
    operations = 2 * length * dataset.train * (dataset.train + dataset.test)
    svms = rates.rate("fit").value.times(dataset.train**2 * dataset.classes)
    return planner.cpu_time(job, exact(operations).over(rates.rate("kernel").value).plus(svms), ESTIMATED)


def fixed(name: str) -> Estimate:
    """An estimate of a fixed number of core seconds, the row `name` of rates.tsv."""

    def estimate(planner: Planner, job: Job) -> JobTime:
        unknown = "the time of downloading released weights" if name == "release" else ""
        return planner.cpu_time(job, rates.rate(name).value, rates.rate(name).basis, unknown)

    return estimate


ESTIMATES: dict[str, Estimate] = {
    "demo_archives": draw, "demo_pretrain_archives": draw, "fetch": fetch, "index": index, "splits": index,
    "coverage": index, "frames": frames, "flow": flow, "quarantine": start_only, "shard": shard,
    "idt_sample": idt_sample, "idt_vocabulary": idt_vocabulary, "idt_encode": idt_encode,
    "idt_classify": idt_classify, "release": fixed("release"), "table": fixed("table"), "paper_table": fixed("table"),
    "architectures": fixed("architectures"), "figure": fixed("figure"),
}  # fmt: skip
