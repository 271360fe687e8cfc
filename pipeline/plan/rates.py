"""The rates behind the estimates, from benchmarks/results/*.json where a benchmark measures them, else rates.tsv."""

import functools
import json
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv
from pipeline.common.paths import ROOT
from pipeline.plan.intervals import Interval

TABLE = Path(__file__).with_name("rates.tsv")
COLUMNS = ("rate", "low", "likely", "high", "unit", "basis", "origin")
RESULTS = ROOT / "benchmarks" / "results"
MACHINE_FACTOR = Interval(0.75, 1.0, 1.33)  # another processor than the benchmark's, or a busier day


class Rate(NamedTuple):
    """A rate and its basis, in a few words."""

    value: Interval
    basis: str


@functools.cache
def rate(name: str) -> Rate:
    """A row of rates.tsv."""
    rows = {row["rate"]: row for row in read_tsv(TABLE, COLUMNS)}
    row = rows[name]
    return Rate(Interval(*(float(row[column]) for column in ("low", "likely", "high"))), row["basis"])


def flow_rate() -> Rate:
    """Pixels of image pairs per core second of TV-L1 with its default parameters."""
    result = read_result("tvl1-cpu.json")
    width, height = result["machine"]["size"]
    speeds = [clip["pairs_per_second"]["ours"] * width * height for clip in result["clips"].values()]
    return _from_benchmark(speeds, "tvl1-cpu")


def trajectory_rate(part: str) -> Rate:
    """Pixels per core second of improved trajectories; `part` is `everything` or `tracks_alone`."""
    result = read_result("idt.json")
    width, height = result["machine"]["size"]
    speeds = [clip[part]["frames_per_second_cpu"] * width * height for clip in result["clips"].values()]
    return _from_benchmark(speeds, "idt")


def loader_cost(rgb: bool) -> Rate:
    """Core seconds per stored pixel of the loader: reading, decoding, cropping and handing over."""
    result = read_result("loader.json")["loader"]
    names = ("2014 spatial", "I3D RGB") if rgb else ("2014 temporal", "I3D flow")
    costs = [result[name]["1"]["loader"]["processor_us_per_picture"] / 1e6 / (340 * 256) for name in names]
    return _from_benchmark(costs, "loader")


def decoding_cost(codec: str) -> Rate:
    """Core seconds per source pixel of decoding and resizing; `codec` is `xvid` or `h264`."""
    result = read_result("data.json")
    name, pixels = {"xvid": ("ucf-like", 320 * 240), "h264": ("h264 640x360", 640 * 360)}[codec]
    return _from_benchmark([1 / result[f"decode {name}: frames a second, ours"] / pixels], "data")


def encoding_cost() -> Rate:
    """Core seconds per stored pixel of the frames and shard stages without decoding: JPEG and packing."""
    result = read_result("data.json")
    frame = 1 / (164 * result["preparation: clips a second, ours"])
    decoding = decoding_cost("xvid").value.likely * 320 * 240
    return _from_benchmark([(frame - decoding) / (340 * 256)], "data")


def index_cost() -> Rate:
    """Seconds per video of the index stage."""
    result = read_result("data.json")
    costs = [result["index ucf101, s"] / 13320, result["index kinetics 300,000, s"] / 300000]
    return _from_benchmark(costs, "data")


def training_rate() -> Rate:
    """Operations per core second of training steps of full-size networks on a CPU."""
    results = read_result("training-cpu.json")["training"].values()
    rates = [result["giga_operations_per_processor_second"] * 1e9 for result in results]
    return _from_benchmark(rates, "training-cpu")


@functools.cache
def read_result(name: str) -> Any:
    """The result file of a benchmark; raises UserError with the command that writes it if it cannot be read."""
    path = RESULTS / name
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        module = path.stem.partition("-")[0]
        raise UserError(f"{path} cannot be read ({error}): run python -m benchmarks.{module} --out {path}") from error


def _from_benchmark(values: list[float], name: str) -> Rate:
    """The mean of the clips or networks that a benchmark measured; their range, widened by MACHINE_FACTOR."""
    mean = sum(values) / len(values)
    interval = Interval(min(values) * MACHINE_FACTOR.low, mean, max(values) * MACHINE_FACTOR.high)
    return Rate(interval, f"benchmark {name}.json")
