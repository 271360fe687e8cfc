"""Pack the slices of one modality into training shards, check them against the manifest, and write an index.

The JPEG bytes are unchanged, and the pictures of a video are contiguous. The folder of shards contains NNNN.h5,
index.parquet (the shard and pictures of each video) and shards.tsv (sizes and checksums).
"""

import argparse
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.common.files import refuse_full_disk, sha256, whole_folder, write_tsv
from pipeline.formats import manifest, quarantine
from pipeline.formats.jpeg_store import JpegStore, JpegStoreWriter, check_settings
from pipeline.formats.modalities import MODALITIES, modality_of
from pipeline.formats.shards import INDEX_COLUMNS, SHARD_COLUMNS


class SliceVideo(NamedTuple):
    """One video in a slice: the slice's file, its position there, and its number of pictures and bytes."""

    video_id: str
    slice: Path
    number: int
    pictures: int
    bytes: int
    fps: float


def list_videos(slices: Iterable[Path], modality: str) -> tuple[list[SliceVideo], dict[str, Any]]:
    """The videos of all slices, in order, and the settings of the slices; raises UserError if these differ."""
    videos: list[SliceVideo] = []
    settings: dict[str, Any] = {}
    for path in slices:
        with JpegStore(path) as store:
            check_modality(store.attributes, modality, path)
            check_settings(store.attributes, settings, path)
            settings = store.attributes
            for number, video in enumerate(store.videos):
                begin, end = store.byte_range(number)
                fps = float(store.fps[number])
                videos.append(SliceVideo(video, path, number, store.count(number), end - begin, fps))
    return videos, settings


def check_modality(settings: dict[str, Any], modality: str, source: Path) -> None:
    """Raise UserError if a slice of this pipeline has another modality; slices of other tools do not record it."""
    actual = modality_of(settings) or modality
    if actual != modality:
        raise UserError(
            f"{source} holds {actual} but --modality is {modality}: give slices of {modality}, or --modality {actual}"
        )


def check_complete(videos: Sequence[SliceVideo], listed: pd.DataFrame, bad: set[str], source: Path) -> None:
    """Raise UserError unless each video of the manifest `source` is in exactly one slice or in `bad`."""
    names, expected = [video.video_id for video in videos], set(listed["video_id"])
    duplicates = {name for name, count in Counter(names).items() if count > 1}
    for problem, wrong in (
        ("is in no slice and not in the quarantine", expected - set(names) - bad),
        ("is not once in the manifest", set(names) - expected | duplicates),
    ):
        if wrong:
            raise UserError(f"{min(wrong)} {problem} of {source} ({len(wrong)} such): make the slices again")


def group_by_size(videos: Iterable[SliceVideo], limit: int) -> Iterator[list[SliceVideo]]:
    """Consecutive videos in groups; a group ends with the video that reaches `limit` bytes."""
    group: list[SliceVideo] = []
    size = 0
    for video in videos:
        group.append(video)
        size += video.bytes
        if size >= limit:
            yield group
            group, size = [], 0
    if group:
        yield group


def write_shard(videos: Sequence[SliceVideo], settings: dict[str, Any], path: Path) -> dict[str, int]:
    """Write one shard; returns the positions of its datasets in the file, for readers that `pread`."""
    writer = JpegStoreWriter(path, settings, total_bytes=sum(video.bytes for video in videos))
    for source, slice_videos in itertools.groupby(videos, key=lambda video: video.slice):
        with JpegStore(source) as store:
            for video in slice_videos:
                lengths, blocks = store.lengths(video.number), store.blocks(video.number)
                writer.add_blocks(video.video_id, lengths, blocks, video.fps)
    writer.close()
    with JpegStore(path) as shard:
        return {"jpeg": shard.file_offset("jpeg"), "offsets": shard.file_offset("offsets")}


def index_rows(videos: Sequence[SliceVideo], shard: str, labels: pd.DataFrame) -> list[tuple[Any, ...]]:
    """The rows of index.parquet for one shard."""
    rows, first = [], 0
    for video in videos:
        name, label = labels.at[video.video_id, "class"], labels.at[video.video_id, "label"]
        rows.append((video.video_id, name, label, shard, first, video.pictures, video.bytes, video.fps))
        first += video.pictures
    return rows


def write_shards(
    groups: Sequence[Sequence[SliceVideo]], labels: pd.DataFrame, out: Path, metadata: dict[str, Any]
) -> list[Any]:
    """Write each group of videos to a shard, and the two tables; returns the rows of the index.

    `metadata` is that of the manifest with `modality` and `settings`; `labels` has class and label by video_id.
    """
    rows: list[tuple[Any, ...]] = []
    shards, offsets = [], {}
    refuse_full_disk(out, sum(video.bytes for group in groups for video in group))
    with whole_folder(out) as scratch:
        for number, group in enumerate(log.progress(groups, len(groups), f"shards {metadata['modality']}")):
            name = f"{number:04d}"
            path = scratch / f"{name}.h5"
            offsets[name] = write_shard(group, metadata["settings"], path)
            pictures = sum(video.pictures for video in group)
            shards.append((name, len(group), pictures, path.stat().st_size, sha256(path)))
            rows += index_rows(group, name, labels)
        write_tsv(scratch / "shards.tsv", SHARD_COLUMNS, shards)
        index = pd.DataFrame(rows, columns=list(INDEX_COLUMNS))
        manifest.write_parquet(scratch / "index.parquet", index, {**metadata, "places": offsets})
    return rows


def pack_shards(
    slices: Sequence[Path], manifest_path: Path, quarantine_files: Sequence[Path], out: Path, modality: str, mib: int
) -> None:
    """Check the slices against the manifest and pack them into shards of about `mib` MiB."""
    listed, metadata = manifest.read_manifest(manifest_path)
    bad = {row.video_id for row in quarantine.read(quarantine_files) if row.verdict == "bad"}
    videos, settings = list_videos(slices, modality)
    check_complete(videos, listed, bad, manifest_path)
    groups = list(group_by_size(videos, mib << 20))
    metadata = {**metadata, "modality": modality, "settings": settings}
    rows = write_shards(groups, listed.set_index("video_id"), out, metadata)
    pictures = sum(video.pictures for video in videos)
    log.say(f"{out}: {len(rows)} of {len(listed)} videos, {pictures} pictures, {len(groups)} shards")


def options(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("slices", nargs="+", type=Path, help="the slices of one modality")
    parser.add_argument("--manifest", required=True, type=Path)
    parser.add_argument("--quarantine", required=True, nargs="+", type=Path, help="the slices' quarantine files")
    parser.add_argument("--modality", choices=list(MODALITIES), required=True)
    parser.add_argument("--mib", type=int, default=1024, help="a shard ends with the video that exceeds this size")
    parser.add_argument("--out", required=True, type=Path, help="the folder to write")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    pack_shards(args.slices, args.manifest, args.quarantine, args.out, args.modality, args.mib)
