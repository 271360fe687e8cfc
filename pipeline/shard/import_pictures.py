"""Make shards from pictures that another tool extracted, so that flow need not be computed again.

The pictures of a video are in FOLDER/CLASS/VIDEO/ or FOLDER/VIDEO/, named img_00001.jpg (TSN, denseflow), or in pairs
flow_x_00001.jpg, flow_y_00001.jpg or x_00001.jpg, y_00001.jpg, numbered from 0 or 1. The bytes of frames are unchanged.
A pair of flow pictures is stacked into one picture and compressed again; backward flow has the same names, and its
first pair is the flow from the second frame to the first. OUT.quarantine.tsv lists videos with missing pictures.
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
from pipeline.formats.modalities import MODALITIES
from pipeline.formats.quarantine import QuarantineRow
from pipeline.index.video_files import video_stem
from pipeline.shard import pack

FRAME_NAMES = ("img", "image", "frame")  # what tools call the files of frames


class BadFolder(Exception):
    """A folder whose pictures are incomplete; the message is the reason in the quarantine."""


class ImportOptions(NamedTuple):
    """What to import: the modality, the JPEG quality of stacked flow, and the frame rate of all videos."""

    modality: str
    quality: int
    fps: float


def find_folder(root: Path, name: str, video: str) -> Path:
    """The folder with the pictures of a video of the class `name`; raises BadFolder if there is none."""
    stem = video_stem(video)
    for folder in (root / name / stem, root / PurePosixPath(video).with_name(stem), root / stem):
        if folder.is_dir():
            return folder
    raise BadFolder(f"there is no folder {name}/{stem} or {stem}")


def list_pictures(folder: Path, names: Sequence[str]) -> list[Path]:
    """The pictures NAME_00001.jpg and on of a folder, in order; raises BadFolder if a number is missing."""
    pattern = re.compile(rf"(?:{'|'.join(names)})_?(\d+)\.jpe?g")
    matches = ((path, pattern.fullmatch(path.name)) for path in folder.iterdir())
    pictures = {int(match[1]): path for path, match in matches if match}
    if pictures and (gap := set(range(min(*pictures, 1), max(pictures) + 1)) - set(pictures)):
        raise BadFolder(f"{names[0]} picture {min(gap)} of {max(pictures)} is missing")
    return [pictures[number] for number in sorted(pictures)]


def read_jpegs(folder: Path, options: ImportOptions) -> Iterator[bytes]:
    """Yield the JPEGs of a video as a shard stores them."""
    modality = MODALITIES[options.modality]
    # A plane flow_x is also known as x.
    names: list[tuple[str, ...]] = [(name, name.rpartition("_")[2]) for name in modality.planes] or [FRAME_NAMES]
    files = [list_pictures(folder, plane_names) for plane_names in names]
    least = 2 - modality.gap  # pictures of two frames
    if len(set(map(len, files))) > 1 or len(files[0]) < least:
        counts = (
            f"{len(paths)} pictures such as {name}_00001.jpg" for paths, (name, *_) in zip(files, names, strict=True)
        )
        raise BadFolder(f"it has {' and '.join(counts)}")
    if len(files) == 1:
        yield from (path.read_bytes() for path in files[0])
        return
    yield from (stack_planes(planes, options.quality) for planes in zip(*files, strict=True))


def stack_planes(paths: Sequence[Path], quality: int) -> bytes:
    """Stack the grey pictures of the planes into one JPEG, the first on top."""
    try:
        planes = [simplejpeg.decode_jpeg(path.read_bytes(), colorspace="GRAY") for path in paths]
        return simplejpeg.encode_jpeg(np.concatenate(planes), quality=quality, colorspace="GRAY")
    except ValueError as error:
        raise BadFolder(f"{' and '.join(path.name for path in paths)} are no JPEGs of one size: {error}") from error


def import_videos(
    root: Path, videos: pd.DataFrame, store: Path, settings: dict[str, Any], options: ImportOptions
) -> list[QuarantineRow]:
    """Write the pictures of all videos to one slice; returns a quarantine row for every video without pictures."""
    writer, rows = JpegStoreWriter(store, settings), []
    for video, name in log.progress(zip(videos["video_id"], videos["class"], strict=True), len(videos), "import"):
        try:
            jpegs = list(read_jpegs(find_folder(root, name, video), options))
            writer.add_blocks(video, map(len, jpegs), jpegs, options.fps)
        except BadFolder as error:
            rows.append(QuarantineRow(video, "import", "bad", str(error)))
    writer.close()
    return rows


def shard_settings(root: Path, args: argparse.Namespace) -> dict[str, Any]:
    """The settings recorded in the shards; raises UserError if the bound of imported flow is missing."""
    settings = {"stage": "import", "source": str(root), "quality": args.quality, "size": args.size}
    modality = MODALITIES[args.modality]
    if modality.signed:
        if args.bound is None:
            raise UserError(
                "--bound is missing: give the motion in pixels that is level 255 of the flow pictures, often 20"
            )
        settings["bound"] = args.bound
    return settings | {name: value for name, value in modality.made_by.items() if name != "stage"}


def options(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("folder", type=Path, help="folder of class folders, or of one folder per video")
    parser.add_argument("--manifest", required=True, type=Path, help="manifest.parquet of the index")
    parser.add_argument("--modality", choices=list(MODALITIES), required=True)
    parser.add_argument(
        "--bound", type=float, help="for flow: the motion in pixels that is level 255, as set in the extracting tool"
    )
    parser.add_argument("--size", default="as imported", help="size of the pictures to record in the shards")
    parser.add_argument("--fps", type=float, default=0, help="frame rate of the videos; 0 if unknown")
    parser.add_argument("--quality", type=int, default=95, help="JPEG quality of stacked flow")
    parser.add_argument("--max-bad-share", type=float, default=0.2, help="a larger share of bad videos is an error")
    parser.add_argument("--mib", type=int, default=1024, help="a shard ends with the video that exceeds this size")
    parser.add_argument("--out", required=True, type=Path, help="the folder of shards to write")


def run(args: argparse.Namespace) -> None:
    """Run the command: import the pictures into one slice, then pack it."""
    videos, metadata = manifest.read_manifest(args.manifest)
    settings = shard_settings(args.folder, args)
    with scratch_folder(args.out.with_name(f"{args.out.name}.import")) as scratch:
        store = scratch / "all.h5"
        rows = import_videos(args.folder, videos, store, settings, ImportOptions(args.modality, args.quality, args.fps))
        quarantine.write(args.out.with_name(f"{args.out.name}.quarantine.tsv"), rows)
        quarantine.refuse_many_bad(rows, len(videos), args.max_bad_share, args.out)
        slice_videos, _ = pack.list_videos([store], args.modality)
        groups = list(pack.group_by_size(slice_videos, args.mib << 20))
        metadata = {**metadata, "modality": args.modality, "settings": settings}
        pack.write_shards(groups, videos.set_index("video_id"), args.out, metadata)
    log.say(f"{args.out}: {len(videos) - len(rows)} of {len(videos)} videos, {describe(rows)}")


def describe(rows: Sequence[QuarantineRow]) -> str:
    """`all complete`, or the number of bad videos and the first of them."""
    return f"{len(rows)} bad (first: {rows[0].video_id}, {rows[0].reason})" if rows else "all complete"
