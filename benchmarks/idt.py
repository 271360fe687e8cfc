"""How fast improved trajectories are: JPEG frames in, Fisher vectors out, on one core at 320x240.

    python -m benchmarks.idt --out benchmarks/results/idt.json

Everything counts: decoding, eight scales, both flows, features, homography, descriptors, and a Fisher vector with 256
Gaussians a kind. Wall and processor time are both given, since a busy machine stretches the first much and the second
less; the best round is the nearest to an idle machine's. Flow is timed beside OpenCV's, by turns. `--clips` takes
video files; without it the clips in ../shared/clips, or else a synthetic texture in motion.
"""

import argparse
import itertools
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg

from benchmarks import host
from benchmarks.tvl1 import CLIPS, NAMES, machine
from benchmarks.tvl1 import synthetic as textures
from pipeline.common import cli, log
from pipeline.idt.fisher import Encoder, Mixture, Vocabulary, root_normalise
from pipeline.idt.motion import MotionEstimator
from pipeline.idt.parameters import DESCRIPTOR_LENGTHS, SCALE_STEP, Parameters
from pipeline.idt.tracks import follow_tracks, split_by_kind

SIZE = (320, 240)
REACH = 25  # frames a second a core
CLUSTERS = 256
BATCH = 512
WALL, CPU = 0, 1


def read(path: Path, count: int) -> list[bytes]:
    """The first `count` frames of a clip, or all, as JPEGs of 320x240."""
    reader, jpegs = cv2.VideoCapture(str(path)), []
    while len(jpegs) < count:
        good, frame = reader.read()
        if not good:
            break
        small = cv2.resize(frame, SIZE, interpolation=cv2.INTER_AREA)
        jpegs.append(simplejpeg.encode_jpeg(small, quality=90, colorspace="BGR"))
    return jpegs


def clips(paths: Sequence[Path], count: int) -> dict[str, list[bytes]]:
    """Name -> JPEG frames."""
    found = list(paths) or [CLIPS / name for name in NAMES if (CLIPS / name).exists()]
    if found:
        return {path.name: read(path, count) for path in found}
    log.say("no clips given and none in ../shared/clips: a synthetic texture instead")
    shrunk = [cv2.resize(frame, SIZE) for frame in textures(count)]
    return {"synthetic": [simplejpeg.encode_jpeg(frame[..., None], colorspace="GRAY") for frame in shrunk]}


def vocabulary(seed: int = 0) -> Vocabulary:
    """One of the paper's size; what it was fitted to does not change the time that it takes."""
    random, found = np.random.default_rng(seed), {}
    for kind, length in DESCRIPTOR_LENGTHS.items():
        axes = np.linalg.qr(random.normal(size=(length, length)))[0][: length // 2]
        means, variances = random.normal(0, 0.1, (CLUSTERS, length // 2)), np.full((CLUSTERS, length // 2), 0.01)
        parts = (np.full(length, 0.1), axes, np.full(CLUSTERS, 1 / CLUSTERS), means, variances)
        found[kind] = Mixture(*(part.astype(np.float32) for part in parts))
    return found


def grey(jpegs: Sequence[bytes]):
    """The frames, decoded one at a time."""
    return (simplejpeg.decode_jpeg(jpeg, colorspace="GRAY")[..., 0] for jpeg in jpegs)


def follow(jpegs: Sequence[bytes], parameters: Parameters) -> int:
    """Tracks alone; how many there are."""
    return sum(len(found.scale) for found in follow_tracks(grey(jpegs), parameters))


def encode(jpegs: Sequence[bytes], parameters: Parameters, chosen: Vocabulary) -> int:
    """Tracks and their Fisher vectors, as pipeline.idt.encode does; how many tracks there are."""
    encoder, waiting, count = Encoder(chosen), [], 0
    for found in itertools.chain(follow_tracks(grey(jpegs), parameters), [None]):
        if found is not None:
            waiting.append(found.descriptors)
            count += len(found.descriptors)
        if waiting and (found is None or sum(map(len, waiting)) >= BATCH):
            encoder.add({kind: root_normalise(part) for kind, part in split_by_kind(np.concatenate(waiting)).items()})
            waiting = []
    encoder.vector()
    return count


def timed(function: Callable[[], Any]) -> tuple[float, float, Any]:
    """Wall seconds, processor seconds, and what came back."""
    wall, busy = time.perf_counter(), time.process_time()
    result = function()
    return time.perf_counter() - wall, time.process_time() - busy, result


def speed(jpegs: Sequence[bytes], work: Callable[[], int], rounds: int) -> dict[str, Any]:
    """Frames a second: the median round by wall time, the median and the best by processor time."""
    runs = [timed(work) for _ in range(rounds)]
    rates = [sorted(len(jpegs) / run[axis] for run in runs) for axis in (WALL, CPU)]
    return {
        "frames_per_second_wall": round(statistics.median(rates[WALL]), 1),
        "frames_per_second_cpu": round(statistics.median(rates[CPU]), 1),
        "frames_per_second_best": round(max(rates[WALL]), 1),
        "frames_per_second_cpu_best": round(max(rates[CPU]), 1),
        "tracks_per_frame": round(runs[0][2] / len(jpegs), 1),
    }


def against_opencv(jpegs: Sequence[bytes], rounds: int) -> dict[str, Any]:
    """Flow at every scale between two frames, ours and OpenCV's Farneback by turns: processor milliseconds."""
    first, second = list(grey(jpegs[20:22]))
    motion = MotionEstimator(SIZE[1], SIZE[0], Parameters(features="none"))

    def ours() -> list[np.ndarray]:
        return motion._flow(first, second, motion.expand(first), motion.expand(second))

    def theirs() -> np.ndarray:
        levels = len(motion.sizes) - 1
        return cv2.calcOpticalFlowFarneback(first, second, None, 1 / SCALE_STEP, levels, 10, 2, 7, 1.5, 0)  # type: ignore

    ours(), theirs()
    pairs = [(timed(ours)[CPU], timed(theirs)[CPU]) for _ in range(5 * rounds)]
    away = np.hypot(*(ours()[0] - np.moveaxis(theirs(), -1, 0)))
    return {
        "ours_ms": round(1e3 * statistics.median(pair[0] for pair in pairs), 2),
        "opencv_ms": round(1e3 * statistics.median(pair[1] for pair in pairs), 2),
        "times_opencv": round(statistics.median(pair[1] / pair[0] for pair in pairs), 2),
        "median_difference_px": round(float(np.median(away)), 4),
    }


def memory(jpegs: Sequence[bytes]) -> list[dict[str, float]]:
    """The process's largest size after a clip, and after a video many times as long."""
    rows = []
    for times in (1, 4, 16):
        follow(list(jpegs) * times, Parameters())
        rows.append({"frames": len(jpegs) * times, "largest_mib": round(host.largest(), 1)})
    return rows


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """The whole measurement."""
    cv2.setNumThreads(1)
    found, chosen = clips(options.clips, options.frames), vocabulary()
    encode(next(iter(found.values()))[:20], Parameters(), chosen)  # compiled before the clock starts
    grown = memory(next(iter(found.values())))
    per_clip = {}
    for name, jpegs in found.items():
        per_clip[name] = {
            "frames": len(jpegs),
            "everything": speed(jpegs, lambda jpegs=jpegs: encode(jpegs, Parameters(), chosen), options.rounds),
            "tracks_alone": speed(jpegs, lambda jpegs=jpegs: follow(jpegs, Parameters()), options.rounds),
            "flow": against_opencv(jpegs, options.rounds),
        }
        log.say(f"{name}: {json.dumps(per_clip[name])}")
    first = next(iter(found.values()))
    others = [Parameters(features=name) for name in ("sift", "orb", "none")] + [Parameters(flow="tvl1")]
    variants = {
        f"{other.features}, {other.flow}": speed(first, lambda other=other: encode(first, other, chosen), 1)
        for other in others
    }
    return {
        "machine": machine() | {"size": list(SIZE), "load": [round(part, 1) for part in os.getloadavg()]},
        "reach_frames_per_second": REACH,
        "clips": per_clip,
        "variants_of_the_first_clip": variants,
        "memory": grown,
    }


def table(result: dict[str, Any]) -> str:
    """A result as Markdown."""
    lines = [
        "| clip | frames/s a core, wall | by processor time | best round | tracks a frame | flow: times OpenCV |",
        "|---|---|---|---|---|---|",
    ]
    for name, clip in result["clips"].items():
        whole, flow = clip["everything"], clip["flow"]
        speeds = f"{whole['frames_per_second_wall']} | {whole['frames_per_second_cpu']}"
        best = f"{whole['frames_per_second_best']} | {whole['tracks_per_frame']} | {flow['times_opencv']}"
        lines.append(f"| {name} | {speeds} | {best} |")
    return "\n".join(lines)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("--clips", nargs="+", type=Path, default=[], help="video files")
    parser.add_argument("--frames", type=int, default=100, help="of each clip, at most")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="the JSON file to write")
    a = parser.parse_args(argv)
    result = measured(a)
    print(table(result))
    host.keep(a.out, result)


if __name__ == "__main__":
    cli.run(main)
