"""How fast and how large: rates from benchmarks/results/*.json where a benchmark has them, else from rates.tsv."""

import functools
import json
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv
from pipeline.common.paths import ROOT
from pipeline.plan.spans import Span

TABLE = Path(__file__).with_name("rates.tsv")
COLUMNS = ("rate", "low", "likely", "high", "unit", "basis", "origin")
RESULTS = ROOT / "benchmarks" / "results"
DRIFT = Span(0.75, 1.0, 1.33)  # another processor, or a busier day, than the benchmark's


class Rate(NamedTuple):
    """A rate, and what it stands on in a few words."""

    value: Span
    basis: str


@functools.cache
def rate(name: str) -> Rate:
    """A row of rates.tsv."""
    rows = {row["rate"]: row for row in read_tsv(TABLE, COLUMNS)}
    row = rows[name]
    return Rate(Span(*(float(row[column]) for column in ("low", "likely", "high"))), row["basis"])


def flow_pixels() -> Rate:
    """Pixels of pairs a second of a core that TV-L1 does with its default parameters."""
    found = result("tvl1-cpu.json")
    width, height = found["machine"]["size"]
    return _spread([clip["pairs_per_second"]["ours"] * width * height for clip in found["clips"].values()], "tvl1-cpu")


def track_pixels(part: str) -> Rate:
    """Pixels a second of a core of improved trajectories: `everything`, or `tracks_alone`."""
    found = result("idt.json")
    width, height = found["machine"]["size"]
    return _spread([clip[part]["frames_per_second_cpu"] * width * height for clip in found["clips"].values()], "idt")


def reading(rgb: bool) -> Rate:
    """Seconds of a core that the loader takes for a stored pixel, decoded, cut and handed over."""
    found = result("loader.json")["loader"]
    wanted = ("2014 spatial", "I3D RGB") if rgb else ("2014 temporal", "I3D flow")
    return _spread(
        [found[name]["1"]["loader"]["processor_us_per_picture"] / 1e6 / (340 * 256) for name in wanted], "loader"
    )


def decoding(codec: str) -> Rate:
    """Seconds of a core to decode and shrink a pixel of a source in `xvid` or `h264`."""
    found = result("data.json")
    speed, pixels = {"xvid": ("ucf-like", 320 * 240), "h264": ("h264 640x360", 640 * 360)}[codec]
    return _spread([1 / found[f"decode {speed}: frames a second, ours"] / pixels], "data")


def encoding() -> Rate:
    """Seconds of a core for a stored pixel of the frames stage, beside decoding: JPEG, and packing into shards."""
    found = result("data.json")
    whole, decoded = 1 / (164 * found["preparation: clips a second, ours"]), decoding("xvid").value.likely * 320 * 240
    return _spread([(whole - decoded) / (340 * 256)], "data")


def indexing() -> Rate:
    """Seconds a video."""
    found = result("data.json")
    return _spread([found["index ucf101, s"] / 13320, found["index kinetics 300,000, s"] / 300000], "data")


def training() -> Rate:
    """Operations of a second of a core in training steps of full-size networks on a CPU."""
    found = result("training-cpu.json")["training"].values()
    return _spread([one["giga_operations_per_processor_second"] * 1e9 for one in found], "training-cpu")


@functools.cache
def result(name: str) -> Any:
    """A benchmark's result; one that is not there or is not whole is the user's to make anew."""
    path = RESULTS / name
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        module = path.stem.partition("-")[0]
        raise UserError(f"{path} cannot be read ({error}): run python -m benchmarks.{module} --out {path}") from error


def _spread(values: list[float], file: str) -> Rate:
    """From the least to the most of some clips or networks, and the drift from machine to machine."""
    mean = sum(values) / len(values)
    return Rate(Span(min(values) * DRIFT.low, mean, max(values) * DRIFT.high), f"benchmark {file}.json")
