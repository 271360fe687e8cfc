"""How fast data is prepared and read: ours and the usual ways by turns, on one core, on the same files.

    python -m benchmarks.data --out benchmarks/results/data.json

Speeds drift with the machine's load, so every ratio is taken within one round, the ways one after the other, and the
median of the rounds is reported. Seconds are the processor's, those of child processes too: on one core that is the
clock's time less what other programs take. Clips: a UCF-101-like XviD AVI and a 640x360 H.264 MP4, made of those in
../shared/clips or else drawn.
"""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import ffmpeg
import numpy as np
import pandas as pd

from benchmarks import datapeers as peers
from benchmarks import host
from pipeline.common import cli
from pipeline.formats import manifest, quarantine
from pipeline.formats.shards import ShardReader
from pipeline.frames import __main__ as frames_command
from pipeline.frames import video
from pipeline.frames.decoders import pyav_frames
from pipeline.shard import __main__ as shard_command

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
SIZE = (peers.WIDTH, peers.HEIGHT)
CLIP = 16  # frames
HALF = (170, 128)  # what C3D and its kin shrink frames to, before a crop of 112
TOP, LEFT, CROP = 8, 29, 112
JOB = """
import sys
from benchmarks import host
from pipeline.frames import __main__ as frames_command
frames_command.main(sys.argv[1:])
print(host.largest())
"""

Ways = Mapping[str, Callable[[], Any]]

# What is promised, by the names of the results.
TARGETS = {
    "decode ucf-like: times ffmpeg-python and scale": 5,
    "decode ucf-like: times ffmpeg-python": 5,
    "decode ucf-like: times cv2.VideoCapture": 0.95,
    "decode h264 640x360: times ffmpeg-python and scale": 2.5,
    "decode h264 640x360: times ffmpeg-python": 2.5,
    "decode h264 640x360: times cv2.VideoCapture": 0.95,
    "preparation: times ffmpeg, folder of jpgs, pack": 3.5,
    "reads: times decoding from memory": 0.95,
    "reads 16x112: times folder and PIL": 2.3,
    "reads, I/O alone: times folder of jpgs": 5,
}
LIMITS = {"memory of a slice job, GiB": 1.5, "index ucf101, s": 5, "index kinetics 300,000, s": 60, "dry run, s": 20}


def by_turns(ways: Ways, rounds: int) -> dict[str, list[float]]:
    """Seconds of every way in every round; a first round is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            start = busy()
            way()
            seconds[name] += [busy() - start] * (number > 0)
    return seconds


def busy() -> float:
    """Processor seconds of this process and of its ended children."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def ratios(seconds: Mapping[str, Sequence[float]], what: str) -> dict[str, float]:
    """How many times faster `ours` is than each other way: the median over the rounds."""
    ours = seconds["ours"]
    return {
        f"{what}: times {name}": round(statistics.median(b / a for a, b in zip(ours, theirs, strict=True)), 2)
        for name, theirs in seconds.items()
        if name != "ours"
    }


def clips(folder: Path) -> dict[str, Path]:
    """The two clips, 164 and 300 frames."""
    xvid, h264 = folder / "ucf.avi", folder / "h264.mp4"
    if (SHARED / "clips").exists():
        shutil.copy(SHARED / "clips/test.avi", xvid)
        source = ffmpeg.input(str(SHARED / "clips/arm_wrestling.mp4"))
    else:
        drawn = ffmpeg.input("testsrc2=size=320x240:rate=25:duration=6.56", format="lavfi")
        drawn.output(str(xvid), vcodec="mpeg4", vtag="xvid", bf=2, **{"q:v": 5}).run(peers.FFMPEG, capture_stderr=True)
        source = ffmpeg.input("testsrc2=size=640x360:rate=30:duration=10", format="lavfi")
    scaled = source.filter("scale", 640, 360).output(str(h264), vcodec="libx264", pix_fmt="yuv420p", an=None)
    scaled.run(peers.FFMPEG, capture_stderr=True)
    return {"ucf-like": xvid, "h264 640x360": h264}


def ours(path: Path) -> int:
    """Decode and resize as the frames stage does, up to the JPEG encoder."""
    return sum(1 for _ in pyav_frames(path, video.read_header(path), SIZE))


def decoding(files: Mapping[str, Path], rounds: int) -> dict[str, float]:
    """Decode and resize one video."""
    result = {}
    for name, path in files.items():
        ways = {"ours": lambda path=path: ours(path)}
        ways |= {peer: lambda path=path, run=run: run(path) for peer, run in peers.decoders().items()}
        seconds = by_turns(ways, rounds)
        count = ours(path)
        result |= {f"decode {name}: frames a second, {way}": round(count / min(s)) for way, s in seconds.items()}
        result |= ratios(seconds, f"decode {name}")
    return result


def write_manifest(folder: Path, videos: Sequence[Path]) -> None:
    """A manifest of two classes in one slice."""
    rows = [(f"{'ab'[n % 2]}/{n:04d}.avi", str(path), "ab"[n % 2], n % 2, 1, "0000") for n, path in enumerate(videos)]
    facts = {"dataset": "d", "classes": ["a", "b"], "fingerprint": "0" * 12}
    manifest.write_parquet(folder / "manifest.parquet", pd.DataFrame(rows, columns=list(manifest.VIDEO_COLUMNS)), facts)


def prepare(folder: Path, threads: int = 1) -> Path:
    """Frames and shards of the manifest in `folder`, both stages' own commands."""
    slice_file, table, listed = folder / "0000.h5", folder / "manifest.parquet", folder / "quarantine.tsv"
    frames_command.main([str(table), str(slice_file), "--slice=0000", f"--quarantine={listed}", f"--threads={threads}"])
    quarantine.read([listed])
    out = folder / "rgb"
    tables = [f"--manifest={table}", f"--quarantine={listed}"]
    shard_command.main(["pack", str(slice_file), *tables, "--modality=rgb", f"--out={out}"])
    return out


def prepare_as_usual(folder: Path, videos: Sequence[Path]) -> Path:
    """ffmpeg to folders of JPEGs, then one HDF5 file of them."""
    shutil.rmtree(folder / "jpg", ignore_errors=True)
    places = [folder / "jpg" / f"{number:04d}" for number in range(len(videos))]
    for path, place in zip(videos, places, strict=True):
        peers.jpeg_folder(path, place)
    peers.pack_folders(places, folder / "usual.h5")
    return folder / "jpg"


def preparation(folder: Path, path: Path, count: int, rounds: int) -> dict[str, float]:
    """Raw clips to shards."""
    videos = [path] * count
    write_manifest(folder, videos)
    ways = {
        "ours": lambda: prepare(folder),
        "ffmpeg, folder of jpgs, pack": lambda: prepare_as_usual(folder, videos),
    }
    seconds = by_turns(ways, rounds)
    speeds = {f"preparation: clips a second, {way}": round(count / min(s), 2) for way, s in seconds.items()}
    return speeds | ratios(seconds, "preparation")


def shrunk(clip: np.ndarray) -> np.ndarray:
    """A clip of whole frames, shrunk exactly and cropped to 112."""
    small = [cv2.resize(picture, HALF, interpolation=cv2.INTER_AREA) for picture in clip]
    return np.stack([picture[TOP : TOP + CROP, LEFT : LEFT + CROP] for picture in small])


def reading(folder: Path, clips_a_round: int, rounds: int) -> dict[str, float]:
    """Random clips of 16 frames from the shards that `preparation` left, and from folders; all in the page cache."""
    reader, generator = ShardReader(folder / "rgb"), np.random.default_rng(0)
    jpg = export(folder)
    videos = generator.choice(reader.videos, clips_a_round).tolist()
    starts = [int(generator.integers(reader.count(name) - CLIP)) for name in videos]
    wanted = [(name, range(start, start + CLIP)) for name, start in zip(videos, starts, strict=True)]
    held = [reader.jpegs(name, numbers) for name, numbers in wanted]
    place = {name: jpg / name[:-4] for name in reader.videos}

    def each(function: Callable[[str, range], Any]) -> Callable[[], None]:
        return lambda: [function(name, numbers) for name, numbers in wanted] and None

    decoded = {"ours": each(reader.rgb), "decoding from memory": lambda: [peers.from_memory(jpegs) for jpegs in held]}
    window = (TOP * 2, LEFT * 2, CROP * 2, CROP * 2)
    resized = {"ours": each(lambda name, n: np.ascontiguousarray(reader.rgb(name, n, window, HALF[::-1])))}
    resized["our exact mode"] = each(lambda name, numbers: shrunk(reader.rgb(name, numbers)))
    if peers.optional("PIL"):
        box = (LEFT, TOP, LEFT + CROP, TOP + CROP)
        resized["folder and PIL"] = each(lambda name, numbers: peers.pil_clip(place[name], numbers, HALF, box))
    files = {"ours": each(reader.buffers), "folder of jpgs": each(lambda name, n: peers.read_folder(place[name], n))}
    result = ratios(by_turns(decoded, rounds), "reads") | ratios(by_turns(files, 4 * rounds), "reads, I/O alone")
    seconds = by_turns(resized, rounds)
    speeds = {f"reads 16x112: clips a second, {way}": round(clips_a_round / min(s)) for way, s in seconds.items()}
    return result | speeds | ratios(seconds, "reads 16x112")


def export(folder: Path) -> Path:
    """The shards' own JPEGs as folders, so that both sides read the same bytes."""
    shard_command.main(["export", str(folder / "rgb"), str(folder / "same"), "--format=jpg"])
    return folder / "same"


def run(*arguments: str) -> tuple[float, str]:
    """Seconds of a command in a process of its own, and what it printed."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stderr[-500:]}")
    return time.perf_counter() - start, done.stdout


def memory(folder: Path, path: Path) -> dict[str, float]:
    """Peak memory of a frames job on four threads, and of one with ten times the videos."""
    result = {}
    for count in (8, 80):
        write_manifest(folder, [path] * count)
        options = ("--slice=0000", f"--quarantine={folder}/q.tsv", "--threads=4")
        _, said = run("-c", JOB, f"{folder}/manifest.parquet", f"{folder}/m.h5", *options)
        result[f"memory of a slice job of {count} videos, GiB"] = round(float(said.split()[-1]) / 1024, 2)
    return result | {"memory of a slice job, GiB": max(result.values())}


def indexing(folder: Path) -> dict[str, float]:
    """The index's command on empty files under the data sets' names."""
    result, lists = {}, SHARED / "annotations" / "ucf101"
    if lists.exists():
        names = {line.split()[0] for path in lists.glob("t*list0*.txt") for line in path.read_text().splitlines()}
        touch(folder / "ucf", sorted(names))
        options = (f"--lists={lists}", "--layout=ucf101", "--slices=64", f"--videos={folder}/ucf", f"--out={folder}")
        result["index ucf101, s"] = run("-m", "pipeline.index", "manifest", "--dataset=d", *options)[0]
    rows = [f"action {n % 400},{n:011x},0,10,{'val' if n % 15 == 0 else 'train'}" for n in range(300_000)]
    (folder / "train.csv").write_text("label,youtube_id,time_start,time_end,split\n" + "\n".join(rows))
    touch(folder / "kinetics", [f"{n % 400}/{n:011x}_000000_000010.mp4" for n in range(300_000)])
    options = (f"--lists={folder}", "--layout=kinetics", "--slices=800", f"--videos={folder}/kinetics")
    options = (*options, f"--out={folder}")
    result["index kinetics 300,000, s"] = run("-m", "pipeline.index", "manifest", "--dataset=d", *options)[0]
    return {name: round(seconds, 1) for name, seconds in result.items()}


def touch(root: Path, names: Sequence[str]) -> None:
    """Empty files."""
    for folder in {name.split("/")[0] for name in names}:
        (root / folder).mkdir(parents=True)
    for name in names:
        os.close(os.open(root / name, os.O_CREAT))


def dry_run(folder: Path) -> dict[str, float]:
    """`snakemake -n` of the preparation of UCF-101, HMDB51 and Kinetics-400 together."""
    sets = {"hmdb51": {"layout": "hmdb51", "slices": 24}, "kinetics400": {"layout": "kinetics", "slices": 800}}
    (folder / "three.yaml").write_text(json.dumps({"datasets": sets}))
    targets = [f"data/{name}/shards/{kind}" for name in ("ucf101", *sets) for kind in ("rgb", "flow")]
    where = ["--snakefile", f"{ROOT}/Snakefile", "--directory", str(folder), "--workflow-profile", "none"]
    config = ["--configfile", f"{ROOT}/config.yaml", f"{folder}/three.yaml"]
    seconds, _ = run("-m", "snakemake", "-n", "--cores=1", "--quiet=all", *where, *config, "--", *targets)
    return {"dry run, s": round(seconds, 1)}


def machine() -> dict[str, Any]:
    """What it was measured on."""
    versions = {name: getattr(peers.optional(name), "__version__", None) for name in ("av", "cv2", "decord", "PIL")}
    return {**host.facts(), **versions}


def measure(rounds: int) -> dict[str, float]:
    """Everything, on one core but for memory, index and dry run."""
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(every)})
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = clips(folder)
        result = decoding(files, rounds)
        result |= preparation(folder, files["ucf-like"], 16, rounds)
        result |= reading(folder, 32, rounds)
        os.sched_setaffinity(0, every)
        return result | memory(folder, files["h264 640x360"]) | indexing(folder) | dry_run(folder)


def table(result: Mapping[str, float]) -> str:
    """What is promised beside what was measured, as Markdown."""
    lines = ["| | promised | measured | |", "|---|---|---|---|"]
    for promised, sign, good in ((TARGETS, "at least", float.__ge__), (LIMITS, "at most", float.__le__)):
        for name, bar in promised.items():
            if name in result:
                verdict = "" if good(float(result[name]), float(bar)) else "missed"
                lines.append(f"| {name} | {sign} {bar} | {result[name]} | {verdict} |")
    return "\n".join(lines)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON file for the result")
    a = parser.parse_args(argv)
    result = measure(a.rounds)
    print(table(result))
    host.keep(a.out, {"machine": machine(), "rounds": a.rounds, **result})


if __name__ == "__main__":
    cli.run(main)
