"""How fast TV-L1 is: ours, OpenCV's and DIS by turns on the same real frames, and how far ours is from OpenCV's.

    python -m benchmarks.tvl1 --out benchmarks/results/tvl1-cpu.json
    python -m benchmarks.tvl1 --device cuda --out benchmarks/results/tvl1-cuda.json

Speeds drift with the machine's load, so every ratio is taken within one round, the engines one after the other, and the
median of the rounds is reported. `--clips` takes video files; without it the clips in ../shared/clips, or else a
synthetic texture in motion.
"""

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import llvmlite.binding
import numba
import numpy as np

from benchmarks import host
from pipeline.common import cli, log
from pipeline.common.errors import UserError
from pipeline.flow import tvl1
from pipeline.flow.tvl1 import cpu, cuda, driver, vector
from pipeline.flow.tvl1.parameters import resolve
from pipeline.flow.tvl1.pyramid import level_sizes

CLIPS = Path(__file__).parents[2] / "shared" / "clips"
NAMES = ("test.avi", "arm_wrestling.mp4", "demo.mp4", "surveillance_fights/fight/fi005.mp4")
SIZE = (340, 256)
SKIP = 10  # frames: past what encoders do to the first

# Counted in pipeline/flow/tvl1/sweep.py; a multiply-add is two, a root and a quotient one each.
FLOPS = {"threshold": 11, "primal": 10, "change": 7, "dual": 26}

CHAINS = 2_000_000  # rounds of the multiply-adds that find a core's peak
# Counted in the machine code for sm_90: one iteration of a thread's 16 pixels is 876 instructions, none of them spills.
INSTRUCTIONS = 876 / 16
BYTES = 4 * (6 + 4 + 6)  # a pixel a launch: u, q and data in, u and q out


def read(path: Path, count: int) -> np.ndarray:
    """`count` grey frames (T, 256, 340) from the middle of a clip, shrunk by area."""
    reader = cv2.VideoCapture(str(path))
    frames = []
    for index in range(SKIP + count):
        good, frame = reader.read()
        if not good:
            raise UserError(f"{path} has {index} frames but the benchmark needs {SKIP + count}: name a longer clip")
        if index >= SKIP:
            grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
            frames.append(cv2.resize(grey, SIZE, interpolation=cv2.INTER_AREA))
    return np.stack(frames)


def synthetic(count: int) -> np.ndarray:
    """A texture that turns and zooms a little from frame to frame."""
    noise = np.random.default_rng(0).normal(size=SIZE[::-1]).astype(np.float32)
    waves = np.sum([cv2.GaussianBlur(noise, (0, 0), sigma) * sigma for sigma in (1.5, 3, 6)], axis=0)
    grey = cv2.normalize(waves, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    centre = (SIZE[0] / 2, SIZE[1] / 2)
    turns = [cv2.getRotationMatrix2D(centre, 0.7 * index, 1.01**index) for index in range(count)]
    return np.stack([cv2.warpAffine(grey, turn, SIZE, borderMode=cv2.BORDER_REFLECT) for turn in turns])


def clips(paths: Sequence[Path], count: int) -> dict[str, np.ndarray]:
    """Name -> frames (T, 256, 340)."""
    found = list(paths) or [CLIPS / name for name in NAMES if (CLIPS / name).exists()]
    if not found:
        log.say("no clips given and none in ../shared/clips: a synthetic texture instead")
        return {"synthetic": synthetic(count)}
    return {path.name: read(path, count) for path in found}


def dis(frames: np.ndarray) -> np.ndarray:
    """OpenCV's DIS, medium preset: another algorithm, for scale."""
    algorithm: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flows = [algorithm.calc(first, second, None) for first, second in itertools.pairwise(frames)]
    return np.moveaxis(np.stack(flows), -1, 1)


def timed(function: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """Seconds a call, and what the last one returned."""
    start = time.perf_counter()
    for _ in range(repeats):
        result = function()
    return (time.perf_counter() - start) / repeats, result


def compare(frames: np.ndarray, rounds: int, backend: str, **parameters: Any) -> dict[str, Any]:
    """Ours, OpenCV and DIS on one clip, on one core each: pairs a second, ratios, end-point differences in pixels."""
    engines = {
        "ours": (lambda: tvl1.flow(frames, backend=backend, threads=1, **parameters), 5),
        "opencv": (lambda: tvl1.flow(frames, backend="opencv", threads=1, **parameters), 1),
        "dis": (lambda: dis(frames), 3),
    }
    engines["ours"][0]()  # compiled, and its cache filled, before the clock starts
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    flows = {}
    for _ in range(rounds):
        for name, (engine, repeats) in engines.items():
            taken, flows[name] = timed(engine, repeats)
            seconds[name].append(taken / (len(frames) - 1))
    ratios = [theirs / ours for ours, theirs in zip(seconds["ours"], seconds["opencv"], strict=True)]
    return {
        "pairs_per_second": {name: round(1 / statistics.median(values), 2) for name, values in seconds.items()},
        "times_opencv": round(statistics.median(ratios), 1),
        "times_opencv_each_round": [round(ratio, 1) for ratio in ratios],
        "difference_to_opencv": {name: difference(flows[name], flows["opencv"]) for name in ("ours", "dis")},
        "mean_motion": round(float(np.hypot(flows["opencv"][:, 0], flows["opencv"][:, 1]).mean()), 3),
    }


def difference(flow: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Mean and 95th percentile of the end-point difference, pixels."""
    away = np.hypot(flow[:, 0] - reference[:, 0], flow[:, 1] - reference[:, 1])
    return {"mean": round(float(away.mean()), 4), "p95": round(float(np.percentile(away, 95)), 4)}


def scaling(frames: np.ndarray) -> list[dict[str, float]]:
    """Pairs a second by number of threads up to all cores: the median of three, the thread counts by turns.

    Where threads do not hinder each other the processor's time a pair stays the same, even on a busy machine.
    """
    counts = sorted({1, *(2**k for k in range(1, 12) if 2**k < tvl1.available_cores()), tvl1.available_cores()})
    clip = np.concatenate([frames, frames[-2:0:-1]] * 4)
    runs: dict[int, list[tuple[float, float]]] = {count: [] for count in counts}
    for _ in range(3):
        for count in counts:
            before = time.process_time()
            taken, _ = timed(lambda count=count: tvl1.flow(clip, backend="cpu", threads=count))
            runs[count].append((taken / (len(clip) - 1), (time.process_time() - before) / (len(clip) - 1)))
    seconds, busy = ({count: statistics.median(run[i] for run in runs[count]) for count in counts} for i in range(2))
    return [
        {
            "threads": count,
            "pairs_per_second": round(1 / seconds[count], 1),
            "speedup": round(seconds[1] / seconds[count], 2),
            "processor_ms_per_pair": round(1e3 * busy[count], 2),
        }
        for count in counts
    ]


@numba.njit(nogil=True)
def multiply_add(numbers: np.ndarray, count: int) -> None:
    """Twelve independent chains of vector multiply-adds: what the arithmetic ports can do at most."""
    x = vector.load(numbers, 0)
    a = b = c = d = e = f = g = h = i = j = k = m = x
    for _ in range(count):
        a, b, c, d, e, f = a * x + x, b * x + x, c * x + x, d * x + x, e * x + x, f * x + x
        g, h, i, j, k, m = g * x + x, h * x + x, i * x + x, j * x + x, k * x + x, m * x + x
    vector.store(numbers, 0, a + b + c + d + e + f + g + h + i + j + k + m)


def arithmetic(frames: np.ndarray, rounds: int) -> dict[str, Any]:
    """What share of a core's multiply-add peak is reached, by a whole pair and by its sweeps alone."""
    alone = {"scales": 1, "warps": 1, "median": 0, "epsilon": 0}  # 300 sweeps, one warp
    return {
        "flops_per_pixel_iteration": sum(FLOPS.values()),
        "whole": share(frames, rounds, resolve()),
        "sweeps": share(frames, rounds, resolve(**alone)),
    }


def share(frames: np.ndarray, rounds: int, parameters: dict[str, Any]) -> dict[str, float]:
    """Speed and peak by turns, on one core."""
    out, numbers = np.empty((len(frames) - 1, 2, *frames.shape[1:]), np.float32), np.full(16, 0.5, np.float32)
    multiply_add(numbers, 1)
    peaks, rates, iterations = [], [], 0
    for _ in range(rounds):
        taken, _ = timed(lambda: multiply_add(numbers, CHAINS))
        peaks.append(12 * 2 * vector.LANES * CHAINS / taken)
        taken, iterations = timed(lambda: cpu.flow_of_run(frames, out, parameters))
        rates.append(iterations / taken)
    flops = sum(FLOPS.values())
    return {
        "pixel_iterations_per_pair": round(iterations / len(out)),
        "ns_per_pixel_iteration": round(1e9 / statistics.median(rates), 3),
        "peak_gflops_per_core": round(statistics.median(peaks) / 1e9, 1),
        "share_of_peak": round(statistics.median(flops * r / p for r, p in zip(rates, peaks, strict=True)), 3),
    }


def machine() -> dict[str, Any]:
    """What was measured, and on what."""
    return {
        "processor": f"{host.processor()} ({llvmlite.binding.get_host_cpu_name()})",
        "cores": tvl1.available_cores(),
        "opencv": cv2.__version__,
        "numba": numba.__version__,
        "numpy": np.__version__,
        "size": list(SIZE),
        "date": time.strftime("%Y-%m-%d"),
    }


def summary(per_clip: dict[str, Any]) -> dict[str, Any]:
    """All clips in a few numbers."""
    away = [result["difference_to_opencv"]["ours"] for result in per_clip.values()]
    return {
        "times_opencv": round(statistics.geometric_mean(result["times_opencv"] for result in per_clip.values()), 1),
        "difference_to_opencv": {
            "mean": round(statistics.mean(clip["mean"] for clip in away), 4),
            "worst_mean": max(clip["mean"] for clip in away),
            "worst_p95": max(clip["p95"] for clip in away),
        },
    }


def on_cpu(options: argparse.Namespace) -> dict[str, Any]:
    """The whole CPU measurement."""
    cv2.setNumThreads(1)  # a core against a core
    found = clips(options.clips, options.pairs + 1)
    per_clip = {}
    for name, frames in found.items():
        per_clip[name] = compare(frames, options.rounds, "cpu")
        log.say(f"{name}: {json.dumps(per_clip[name])}")
    frames = next(iter(found.values()))
    return {
        "machine": machine(),
        "parameters": resolve(),
        "pairs": options.pairs,
        "rounds": options.rounds,
        **summary(per_clip),
        "clips": per_clip,
        "scaling": scaling(frames),
        "arithmetic": arithmetic(frames, options.rounds),
    }


def on_cuda(options: argparse.Namespace) -> dict[str, Any]:
    """The whole GPU measurement: speed by preset and batch, its floors, and the difference to OpenCV."""
    if missing := driver.unavailable_reason():
        raise UserError(f"TV-L1 cannot be measured on a GPU because {missing}: leave out --device cuda")
    found = clips(options.clips, options.pairs + 1)
    gpu = driver.open_device()
    per_clip = {name: compare(frames, options.rounds, "cuda") for name, frames in found.items()}
    frames = np.concatenate([turned(clip, 65) for clip in found.values()])
    presets = ("opencv-cuda", "opencv")
    return {
        "machine": machine() | {"gpu": gpu.name, "tile": gpu.tile._asdict()},
        **summary(per_clip),
        "clips": per_clip,
        "presets": {name: batches(gpu, frames, options.rounds, name) for name in presets},
        "flow": {name: whole(turned(frames, 513), options.rounds, name) for name in presets},
    }


def turned(frames: np.ndarray, count: int) -> np.ndarray:
    """The clip there and back again, until there are `count` frames."""
    return np.resize(np.concatenate([frames, frames[-2:0:-1]]), (count, *frames.shape[1:]))


def batches(gpu: driver.Gpu, frames: np.ndarray, rounds: int, preset: str) -> list[dict[str, float]]:
    """Pairs a second, transfers included, at several batch sizes; the larger floor and the share of it."""
    parameters = resolve(preset)
    levels = level_sizes(*frames.shape[1:], parameters["scales"], parameters["scale_step"])
    rows = []
    for pairs in (8, 64, 256):
        clip, out = turned(frames, pairs + 1), np.empty((pairs, 2, *frames.shape[1:]), np.float32)
        engine = cuda.Batch(gpu, levels, pairs, parameters)
        engine.run(clip, out)
        runs = [timed(lambda engine=engine, clip=clip, out=out: engine.run(clip, out)) for _ in range(rounds)]
        gpu.free()
        seconds, iterations = statistics.median(taken for taken, _ in runs) / pairs, runs[0][1] / pairs
        floors = floor(gpu, iterations, out[0].nbytes + frames[0].nbytes)
        rows.append(
            {
                "pairs": pairs,
                "pairs_per_second": round(1 / seconds, 1),
                "pixel_iterations_per_pair": round(iterations),
                **{f"floor_us_{name}": round(1e6 * value, 1) for name, value in floors.items()},
                "share_of_floor": round(max(floors.values()) / seconds, 3),
            }
        )
        log.say(f"{preset}: {json.dumps(rows[-1])}")
    return rows


def whole(frames: np.ndarray, rounds: int, preset: str) -> dict[str, float]:
    """Pairs a second of `tvl1.flow` as a stage calls it: allocation, both transfers and all."""
    runs = [timed(lambda: tvl1.flow(frames, backend="cuda", preset=preset))[0] for _ in range(rounds)]
    return {"pairs": len(frames) - 1, "pairs_per_second": round((len(frames) - 1) / statistics.median(runs), 1)}


def floor(gpu: driver.Gpu, iterations: float, transferred: int) -> dict[str, float]:
    """Seconds a pair cannot go below, counted: instructions issued, bytes of device memory, bytes over the bus.

    The first takes every pixel-iteration once, without the tiles' overlap; the second reads u, q and data and writes u
    and q once in `depth` iterations; the last assumes 16 lanes of PCI Express 5.
    """
    issue = gpu.attribute("MULTIPROCESSOR_COUNT") * 4 * 32 * gpu.attribute("CLOCK_RATE") * 1e3
    memory = gpu.attribute("MEMORY_CLOCK_RATE") * 1e3 * 2 * gpu.attribute("GLOBAL_MEMORY_BUS_WIDTH") / 8
    return {
        "instructions": INSTRUCTIONS * iterations / issue,
        "memory": BYTES / gpu.tile.depth * iterations / memory,
        "transfer": transferred / 63e9,
    }


def table(result: dict[str, Any]) -> str:
    """A result as Markdown."""
    lines = [
        "| clip | ours, pairs/s a core | OpenCV | DIS | times OpenCV | mean / p95 difference to OpenCV (px) |",
        "|---|---|---|---|---|---|",
    ]
    for name, clip in result["clips"].items():
        speed, away = clip["pairs_per_second"], clip["difference_to_opencv"]["ours"]
        speeds = f"{speed['ours']} | {speed['opencv']} | {speed['dis']} | {clip['times_opencv']}"
        lines.append(f"| {name} | {speeds} | {away['mean']} / {away['p95']} |")
    return "\n".join(lines)


def main(argv: Sequence[str]) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--clips", type=Path, nargs="*", default=[], help="video files")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--pairs", type=int, default=4, help="pairs of frames a clip")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="JSON file for the result")
    parser.add_argument("--table", type=Path, help="measure nothing: print this result as Markdown")
    options = parser.parse_args(argv)
    if options.table:
        print(table(json.loads(options.table.read_text())))
        return
    result = on_cuda(options) if options.device == "cuda" else on_cpu(options)
    print(json.dumps(result, indent=1))
    host.keep(options.out, result)


if __name__ == "__main__":
    cli.run(main)
