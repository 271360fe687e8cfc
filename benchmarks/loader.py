"""How much of what JPEG decoding allows the training loader feeds: both by turns, on the same pictures and processes.

    python -m benchmarks.loader --out benchmarks/results/loader.json

The peer is simplejpeg alone: every picture that a chunk needs, whole, from JPEG bytes that are already in memory, into
one buffer used again and again, in as many processes as the loader has. The loader is pipeline.train's: it reads
shards, draws and cuts crops, mirrors, resizes, subtracts means, and hands finished chunks over to the process that
trains. Ratios are taken within a round, by the clock and by the processor's time of all processes (which is what holds
on a busy machine), and the median of the rounds is reported. Pictures are 340x256 as the frames and flow stages store
them, from the clips in ../shared/clips or else drawn.
"""

import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
import torch

from benchmarks import host
from benchmarks.trainingshards import tasks_of
from pipeline.common import cli, log
from pipeline.config import recipes
from pipeline.config.recipe import Recipe
from pipeline.inputs import clip_sampling
from pipeline.inputs.readers import frame_count
from pipeline.train.dataset import ChunkSampler, TrainingClips
from pipeline.train.distributed import ProcessGroup
from pipeline.train.loader import chunks, training_loader

ROOT = Path(__file__).parents[1]
TARGET = 0.95
# name -> experiment, run, clips a chunk, chunks a round at --scale 1
RUNS = {
    "2014 spatial": ("two_stream", "spatial", 256, 6),
    "2014 temporal": ("two_stream", "temporal", 64, 4),
    "I3D RGB": ("i3d", "i3d_rgb", 6, 4),
    "I3D flow": ("i3d", "i3d_flow", 6, 4),
    "ST-ResNet": ("st_resnet", "st_resnet", 4, 8),
}


def recipe_of(name: str, scale: float) -> Recipe:
    """A paper's recipe with chunks of the size given, and a round's worth of them."""
    experiment, run, size, chunks = RUNS[name]
    recipe = recipes.load(ROOT / "experiments" / f"{experiment}.yaml", "paper").run(run)
    size = max(1, round(size * min(scale, 1)))
    return replace(recipe, batch=size, micro_batch=None, bn_batch=None, steps=max(2, round(chunks * scale)))


def jpegs_of(data: TrainingClips, positions: Sequence[int]) -> Iterator[tuple[str, list[bytes]]]:
    """The pictures that the clips at some positions are decoded from, each once, with the colours they are kept in."""
    recipe, sampler = data.recipe, data.samplers[0]
    for position in positions:
        video = data.tasks[0][sampler.video_index(position)]
        times = clip_sampling.random_clip(recipe, frame_count(video.readers, video.name), sampler.generator(position))
        for name, length in recipe.stack.items():
            reader = video.readers[name]
            wanted = clip_sampling.picture_indices(times, length, reader.count(video.name), recipe.padding)
            yield "RGB" if name == "rgb" else "GRAY", reader.jpegs(video.name, sorted(set(wanted)))


class Peer:
    """Decoding alone, in this process or in some of its own, that all have the same pictures."""

    def __init__(self, held: Sequence[list[tuple[str, list[bytes]]]], workers: int) -> None:
        self.held, self.pool = held, None
        if workers:
            # All chunks are there before the processes are, which inherit them.
            Peer.inherited = held
            self.pool = multiprocessing.get_context("fork").Pool(workers)

    def run(self) -> None:
        if self.pool:
            self.pool.map(_decode_inherited, range(len(self.held)), chunksize=1)
        else:
            for chunk in self.held:
                decode(chunk)

    def processes(self) -> list[int]:
        return [process.pid for process in self.pool._pool] if self.pool else []

    def close(self) -> None:
        if self.pool:
            self.pool.terminate()
            self.pool.join()


def decode(chunk: Sequence[tuple[str, list[bytes]]]) -> None:
    """Every picture of a chunk into the same buffer."""
    buffer = decode.__dict__.setdefault("buffer", bytearray(2**22))
    for colours, jpegs in chunk:
        for jpeg in jpegs:
            simplejpeg.decode_jpeg(jpeg, colorspace=colours, buffer=buffer)


def _decode_inherited(number: int) -> None:
    decode(Peer.inherited[number])


def busy(processes: Sequence[int]) -> float:
    """Processor seconds of this process and of others, all their threads."""
    paths = (path for pid in processes for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    return time.process_time() + sum(int(path.read_text().split()[0]) for path in paths) / 1e9


def timed(way: Callable[[], None], processes: Callable[[], list[int]]) -> tuple[float, float]:
    """(seconds by the clock, processor seconds)"""
    used, start = busy(processes()), time.perf_counter()
    way()
    return time.perf_counter() - start, busy(processes()) - used


def measure(data: TrainingClips, workers: int, rounds: int) -> dict[str, Any]:
    """One recipe with some decoding processes; with none, all is done by the process that trains."""
    sampler = ChunkSampler(data.recipe, ProcessGroup(1, 0, 0), 0)
    held = [list(jpegs_of(data, positions)) for positions in sampler]
    peer, loader = Peer(held, workers), training_loader(data, sampler, workers, None, persistent=True)

    def fed() -> None:
        for chunk in chunks(loader):
            del chunk  # as soon as it is there: what is fed, not what is done with it

    def of_loader() -> list[int]:
        return [worker.pid for worker in getattr(loader._iterator, "_workers", [])]

    runs: dict[str, list[tuple[float, float]]] = {"loader": [], "decoding": []}
    try:
        for number in range(rounds + 1):
            for name, way, others in (("loader", fed, of_loader), ("decoding", peer.run, peer.processes)):
                taken = timed(way, others) if number else way()
                runs[name] += [taken] * (number > 0)
    finally:
        peer.close()
    pictures = sum(len(jpegs) for chunk in held for _, jpegs in chunk)
    return facts(runs, len(held), pictures)


def facts(runs: dict[str, list[tuple[float, float]]], chunks: int, pictures: int) -> dict[str, Any]:
    """Medians over the rounds."""
    result: dict[str, Any] = {"pictures_a_round": pictures}
    for place, by in enumerate(("clock", "processor")):
        each = [b[place] / a[place] for a, b in zip(runs["loader"], runs["decoding"], strict=True)]
        result[f"share_by_{by}"] = round(statistics.median(each), 3)
        result[f"share_by_{by}_each_round"] = [round(share, 3) for share in each]
    for name, taken in runs.items():
        seconds = statistics.median(clock for clock, _ in taken)
        result[name] = {
            "chunks_per_second": round(chunks / seconds, 3),
            "processor_us_per_picture": round(1e6 * statistics.median(used for _, used in taken) / pictures, 1),
        }
    return result


def machine() -> dict[str, Any]:
    """What it was measured on, and how busy others kept it."""
    versions = {"simplejpeg": simplejpeg.__version__, "opencv": cv2.__version__, "numpy": np.__version__}
    return {**host.facts(), **versions}


def table(result: dict[str, Any]) -> str:
    """A result as Markdown."""
    lines = [f"| at least {TARGET} of decoding is promised | processes | by the clock | by processor time |"]
    lines += ["|---|---|---|---|"]
    for name, found in result["loader"].items():
        for workers, one in found.items():
            lines.append(f"| {name} | {workers} | {one['share_by_clock']} | {one['share_by_processor']} |")
    return "\n".join(lines)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="chunks a round, and below 1 clips a chunk, times this"
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="processes that decode; 0: none")
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--out", type=Path, help="JSON file for the result")
    a = parser.parse_args(argv)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    result: dict[str, Any] = {"machine": machine(), "rounds": a.rounds, "scale": a.scale, "target": TARGET}
    result["loader"] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in a.only:
            recipe = recipe_of(name, a.scale)
            data = TrainingClips(tasks_of(Path(folder), recipe), recipe, 0)
            result["loader"][name] = {str(workers): measure(data, workers, a.rounds) for workers in a.workers}
            log.say(f"{name}: {json.dumps(result['loader'][name])}")
    print(table(result))
    host.keep(a.out, result)


if __name__ == "__main__":
    cli.run(main)
