"""What is left of a training step's speed on synthetic data when it is fed from shards; memory, and the share of peak.

    python -m benchmarks.training --out benchmarks/results/training-cuda.json
    python -m benchmarks.training --device cpu --pictures 64 --threads 1 --rounds 3 --steps 1 --out ...
    python -m benchmarks.training --device cpu --tiny --threads 2 --rounds 2 --steps 3

Both ways are `pipeline.train.trainer`'s step on the same network: with one chunk that lies on the device, over and
over, and with chunks that pipeline.train's loader makes of shards. They take turns, ratios are taken within a round and
their median is reported; what was read ahead meanwhile is thrown away before the shards' turn. The share of peak (MFU)
is three times the forward pass's multiply-adds, of two operations each, for forward and backward, over the time of a
synthetic step and the device's dense peak in the precision used. On a CPU, where a step takes long, --pictures makes it
smaller, and operations are also told a second of processor time, which others on the machine do not take away.
"""

import argparse
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import host
from benchmarks.trainingshards import tasks_of
from pipeline.common import cli, log
from pipeline.common.errors import UserError
from pipeline.config import recipes
from pipeline.config.recipe import Recipe
from pipeline.inputs import fast_volumes
from pipeline.inputs.normalise import Normaliser
from pipeline.models import from_recipe
from pipeline.models.device import pick_device
from pipeline.plan import machines
from pipeline.train.dataset import ChunkSampler, TrainingClips
from pipeline.train.distributed import ProcessGroup
from pipeline.train.loader import step_chunks, training_loader
from pipeline.train.shared_memory import PREFETCH
from pipeline.train.trainer import Chunk, Training

ROOT = Path(__file__).parents[1]
TARGET = 0.9
CLASSES = 101
ALONE = ProcessGroup(1, 0, 0)
# name -> experiment, run, clips a step on one device
RUNS = {
    "I3D RGB": ("i3d", "i3d_rgb_scratch", 6),
    "I3D flow": ("i3d", "i3d_flow_scratch", 6),
    "2014 spatial": ("two_stream", "spatial_scratch_09", 256),
    "2014 temporal": ("two_stream", "temporal", 256),
}
TINY: dict[str, Recipe] = {
    "i3d": {"short_side": 128, "crop": 64, "frames": 16, "options": {"width": 0.125}},
    "two_stream": {"options": {"width": 0.05}},
}


def recipe_of(name: str, a: argparse.Namespace) -> Recipe:
    """A paper's recipe with as many clips and steps as are measured."""
    experiment, run, clips = RUNS[name]
    recipe = recipes.load(ROOT / "experiments" / f"{experiment}.yaml", "paper").run(run)
    if a.tiny:
        changes = TINY[experiment]
        recipe, clips = replace(recipe, **{**changes, "options": {**recipe.options, **changes["options"]}}), 2
    if a.pictures:
        each = (recipe.frames or 1) * sum(recipe.stack.values())
        clips = min(clips, max(1, a.pictures // each))
    once = {"batch": clips, "micro_batch": None, "bn_batch": None, "plateau": None, "milestones": [], "warmup_steps": 0}
    return replace(recipe, **once, steps=(a.rounds + 1) * (a.steps + ahead(a)), precision=a.precision)


def ahead(a: argparse.Namespace) -> int:
    """Chunks that the loader reads ahead."""
    return PREFETCH * (a.threads - 1)


def synthetic(recipe: Recipe, device: torch.device) -> Chunk:
    """A batch of noise on the device."""
    size = recipe.batch
    made = tuple(
        (_noise((size, *shape), kind, device), torch.zeros(size, *shift, device=device))
        for shape, kind, shift in fast_volumes.buffer_shapes(recipe)
    )
    labels = torch.arange(size, device=device) % CLASSES
    return made, labels, torch.zeros_like(labels)


def _noise(shape: tuple[int, ...], kind: type, device: torch.device) -> torch.Tensor:
    noise = torch.randint(256, shape, dtype=torch.uint8, device=device)
    return noise if np.dtype(kind) == np.uint8 else noise.float()


def multiply_adds(recipe: Recipe) -> int:
    """Of one clip's forward pass, counted without computing it."""
    meta = [torch.empty(1, *shape, device="meta") for shape, _, _ in fast_volumes.buffer_shapes(recipe)]
    with torch.device("meta"):
        twin = from_recipe.build(recipe, CLASSES).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        twin(*meta)
    return counter.get_total_flops() // 2


def peak(device: torch.device, precision: str) -> float | None:
    """The device's dense peak in operations a second; None where it is not known."""
    if device.type != "cuda":
        return None
    found = machines.find_peaks(torch.cuda.get_device_name(device))
    return found and (found.single if precision == "fp32" else found.half)


def timed(device: torch.device, way: Callable[[], None]) -> tuple[float, float]:
    """Seconds until the device is done, and those of this process on processors."""
    wait = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    wait()
    start, busy = time.perf_counter(), time.process_time()
    way()
    wait()
    return time.perf_counter() - start, time.process_time() - busy


def measure(recipe: Recipe, folder: Path, a: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """One recipe, both ways by turns; the first round is not counted."""
    data = TrainingClips(tasks_of(folder, recipe), recipe, 0)
    torch.manual_seed(0)
    net = from_recipe.build(recipe, CLASSES).to(device)
    training = Training(recipe, net, Normaliser(recipe, data.tasks[0][0].readers, device), 0, ALONE)
    training.train_mode()
    if a.compile:
        training.compile()
    chunk, sampler = synthetic(recipe, device), ChunkSampler(recipe, ALONE, 0)
    stream = step_chunks(training_loader(data, sampler, a.threads - 1, device), sampler.chunks_per_step)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds: dict[str, list[float]] = {"synthetic": [], "shards": [], "processor": []}
    for number in range(a.rounds + 1):
        for name, source in (("synthetic", itertools.repeat([chunk])), ("shards", stream)):
            if name == "shards":
                list(itertools.islice(stream, ahead(a)))
            taken, busy = timed(device, lambda source=source: train(training, itertools.islice(source, a.steps)))
            seconds[name] += [taken / a.steps] * (number > 0)
            seconds["processor"] += [busy / a.steps] * (number > 0 and name == "synthetic")
    return facts(recipe, seconds, multiply_adds(recipe), a, device)


def train(training: Training, fed: Iterator[list[Chunk]]) -> None:
    """A step on each; schedules do not matter here, so the rate stays the first step's."""
    for chunks in fed:
        training.step = 0
        training.train_step(chunks)


def facts(
    recipe: Recipe, seconds: dict[str, list[float]], macs: int, a: argparse.Namespace, device: torch.device
) -> dict[str, Any]:
    """Medians over the rounds."""
    each = [alone / fed for alone, fed in zip(seconds["synthetic"], seconds["shards"], strict=True)]
    step = statistics.median(seconds["synthetic"])
    most, work = peak(device, a.precision), 3 * 2 * macs * recipe.batch
    own = work / statistics.median(seconds["processor"]) / 1e9 if device.type == "cpu" else None
    memory = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None
    return {
        "input": [list(shape) for shape, _, _ in fast_volumes.buffer_shapes(recipe)],
        "clips_per_step": recipe.batch,
        "share_of_synthetic": round(statistics.median(each), 3),
        "share_of_synthetic_each_round": [round(share, 3) for share in each],
        "clips_per_second": {
            name: round(recipe.batch / statistics.median(seconds[name]), 3) for name in ("synthetic", "shards")
        },
        "forward_multiply_adds_per_clip_G": round(macs / 1e9, 3),
        "tera_operations_per_second": round(work / step / 1e12, 3),
        "giga_operations_per_processor_second": own and round(own, 1),
        "mfu": most and round(work / step / most, 3),
        "gpu_memory_GiB": memory and round(memory, 2),
    }


def machine(device: torch.device, a: argparse.Namespace) -> dict[str, Any]:
    """What it was measured on."""
    most = peak(device, a.precision)
    return {
        **host.facts(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "peak_tera_operations_per_second": most and most / 1e12,
    }


def table(result: dict[str, Any]) -> str:
    """A result as Markdown."""
    lines = [f"| at least {TARGET} of synthetic is promised | share | clips/s from shards | synthetic | MFU | GiB |"]
    lines += ["|---|---|---|---|---|---|"]
    for name, one in result["training"].items():
        speed = one["clips_per_second"]
        cells = (one["share_of_synthetic"], speed["shards"], speed["synthetic"], one["mfu"], one["gpu_memory_GiB"])
        lines.append(f"| {name} | " + " | ".join("not measured" if c is None else str(c) for c in cells) + " |")
    return "\n".join(lines)


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line, parsed."""
    parser = cli.parser(__doc__)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu")
    parser.add_argument("--tiny", action="store_true", help="small pictures and narrow networks, to see it run")
    parser.add_argument("--pictures", type=int, help="that a step has at the most, but for its first clip")
    parser.add_argument("--precision", choices=("fp32", "bf16", "fp16"), default="bf16", help="on a GPU")
    parser.add_argument("--compile", action="store_true", help="let torch.compile make kernels of the network")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="all but one decode clips")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=50, help="steps a round, each way")
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--out", type=Path, help="JSON file for the result")
    a = parser.parse_args(argv)
    for name in ("threads", "rounds", "steps", "pictures"):
        if getattr(a, name) is not None and getattr(a, name) < 1:
            raise UserError(f"--{name} is {getattr(a, name)} but at least 1 is needed: give more")
    return a


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    a = arguments(argv)
    device = pick_device(a.device)
    torch.backends.cudnn.benchmark = True
    result = {"machine": machine(device, a), "precision": a.precision if device.type == "cuda" else "fp32"}
    result |= {name: getattr(a, name) for name in ("tiny", "pictures", "compile", "threads", "rounds", "steps")}
    result |= {"target": TARGET, "training": {}}
    with tempfile.TemporaryDirectory() as folder:
        for name in a.only:
            result["training"][name] = measure(recipe_of(name, a), Path(folder), a, device)
            log.say(f"{name}: {json.dumps(result['training'][name])}")
    print(table(result))
    host.keep(a.out, result)


if __name__ == "__main__":
    cli.run(main)
