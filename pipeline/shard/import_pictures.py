"""Make shards of pictures that another tool extracted, so that nobody computes flow twice.

A video's pictures lie in FOLDER/CLASS/VIDEO/ or FOLDER/VIDEO/, named img_00001.jpg (TSN, denseflow), or in pairs
flow_x_00001.jpg, flow_y_00001.jpg or x_00001.jpg, y_00001.jpg, counted from 0 or 1. Frames keep their bytes; a pair of
flow is stacked into one picture and compressed once more; backward flow has the same names, its first pair going from
the second frame to the first. OUT.quarantine.tsv names the videos without whole pictures.
"""

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import simplejpeg

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.common.files import scratch_folder
from pipeline.formats import manifest, quarantine
from pipeline.formats.jpeg_store import JpegStoreWriter
from pipeline.formats.quarantine import QuarantineRow
from pipeline.index.video_files import video_stem
from pipeline.shard import pack

IMAGE = re.compile(r"(?:img|image|frame)_?(\d+)\.jpe?g")
FLOW = re.compile(r"(?:flow_)?([xy])_(\d+)\.jpe?g")


class BadFolder(Exception):
    """A folder whose pictures are not whole; the message is the quarantine's reason."""


class ImportOptions(NamedTuple):
    """What is imported: rgb, flow or backward; the JPEG quality of stacked flow; the frame rate of all videos."""

    modality: str
    quality: int
    fps: float


def find_folder(root: Path, name: str, video: str) -> Path:
    """Where a video's pictures lie; raises BadFolder where they do not."""
    short = video_stem(video)
    places = [root / name / short, root / PurePosixPath(video).with_name(short), root / short]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise BadFolder(f"there is no folder {name}/{short} or {short}")
    return found


def list_pictures(folder: Path, pattern: re.Pattern[str]) -> dict[str, list[Path]]:
    """Axis ("" for frames) -> its pictures in order; raises BadFolder where one is missing among them."""
    found: dict[str, dict[int, Path]] = {}
    for path in folder.iterdir():
        if match := pattern.fullmatch(path.name):
            axis = match.group(1) if pattern is FLOW else ""
            found.setdefault(axis, {})[int(match.groups()[-1])] = path
    for axis, pictures in found.items():
        if gap := set(range(min(*pictures, 1), max(pictures) + 1)) - set(pictures):
            raise BadFolder(f"{axis} picture {min(gap)} of {max(pictures)} is missing".strip())
    return {axis: [pictures[number] for number in sorted(pictures)] for axis, pictures in found.items()}


def read_jpegs(folder: Path, how: ImportOptions) -> Iterator[bytes]:
    """The JPEGs as a shard keeps them."""
    if how.modality == "rgb":
        frames = list_pictures(folder, IMAGE).get("", [])
        if len(frames) < 2:
            raise BadFolder(f"it has {len(frames)} pictures such as img_00001.jpg")
        yield from (path.read_bytes() for path in frames)
        return
    axes = list_pictures(folder, FLOW)
    x, y = axes.get("x", []), axes.get("y", [])
    if len(x) != len(y) or not x:
        raise BadFolder(f"it has {len(x)} pictures such as flow_x_00001.jpg and {len(y)} such as flow_y_00001.jpg")
    yield from (stack_flow(a, b, how.quality) for a, b in zip(x, y, strict=True))


def stack_flow(x: Path, y: Path, quality: int) -> bytes:
    """One grey JPEG, x above y."""
    try:
        halves = [simplejpeg.decode_jpeg(path.read_bytes(), colorspace="GRAY") for path in (x, y)]
        return simplejpeg.encode_jpeg(np.concatenate(halves), quality=quality, colorspace="GRAY")
    except ValueError as error:
        raise BadFolder(f"{x.name} and {y.name} are no pair of JPEGs: {error}") from error


def import_videos(
    root: Path, videos: pd.DataFrame, store: Path, settings: dict[str, Any], how: ImportOptions
) -> list[QuarantineRow]:
    """Every video's pictures into one file in the form of a slice; returns a row for every video without."""
    writer, rows = JpegStoreWriter(store, settings), []
    for video, name in log.progress(zip(videos["video_id"], videos["class"], strict=True), len(videos), "import"):
        try:
            jpegs = list(read_jpegs(find_folder(root, name, video), how))
            writer.add_blocks(video, map(len, jpegs), jpegs, how.fps)
        except BadFolder as error:
            rows.append(QuarantineRow(video, "import", "bad", str(error)))
    writer.close()
    return rows


def shard_settings(root: Path, a: argparse.Namespace) -> dict[str, Any]:
    """What the shards say of themselves; raises UserError without the bound of imported flow."""
    settings = {"stage": "import", "source": str(root), "quality": a.quality, "size": a.size}
    if a.modality != "rgb":
        if a.bound is None:
            raise UserError("--bound is missing: flow pictures mean nothing without the pixels of level 255, often 20")
        settings["bound"] = a.bound
    if a.modality == "backward":
        settings["direction"] = "backward"
    return settings


def options(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("folder", type=Path, help="the folder of class folders, or of videos' folders")
    parser.add_argument("--manifest", required=True, type=Path, help="manifest.parquet of the index")
    parser.add_argument("--modality", choices=pack.MODALITIES, required=True)
    parser.add_argument(
        "--bound", type=float, help="flow: the pixels that are level 255, as the extracting tool had it"
    )
    parser.add_argument("--size", default="as imported", help="what the shards shall say of the pictures' size")
    parser.add_argument("--fps", type=float, default=0, help="the videos' frame rate, where it is known")
    parser.add_argument("--quality", type=int, default=95, help="JPEG quality of stacked flow")
    parser.add_argument("--max-bad-share", type=float, default=0.2, help="a larger share of bad videos is an error")
    parser.add_argument("--mib", type=int, default=1024, help="a shard is closed at the first video past this size")
    parser.add_argument("--out", required=True, type=Path, help="the folder of shards to write")


def run(a: argparse.Namespace) -> None:
    """Gather, check the share, pack."""
    videos, metadata = manifest.read_manifest(a.manifest)
    settings = shard_settings(a.folder, a)
    with scratch_folder(a.out.with_name(f"{a.out.name}.import")) as scratch:
        store = scratch / "all.h5"
        rows = import_videos(a.folder, videos, store, settings, ImportOptions(a.modality, a.quality, a.fps))
        quarantine.write(a.out.with_name(f"{a.out.name}.quarantine.tsv"), rows)
        quarantine.refuse_many_bad(rows, len(videos), a.max_bad_share, a.out)
        found, _ = pack.list_videos([store], a.modality)
        facts = {**metadata, "modality": a.modality, "settings": settings}
        pack.write_shards(list(pack.group_by_size(found, a.mib << 20)), videos.set_index("video_id"), a.out, facts)
    log.say(f"{a.out}: {len(videos) - len(rows)} of {len(videos)} videos, {describe(rows)}")


def describe(rows: Sequence[QuarantineRow]) -> str:
    """`all whole`, or the first row."""
    return f"{len(rows)} bad (first: {rows[0].video_id}, {rows[0].reason})" if rows else "all whole"
