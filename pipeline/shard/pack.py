"""Pack one modality's slices into training shards, checked against the manifest, with an index and checksums.

The JPEG bytes are unchanged and a video lies in one piece. The folder written holds NNNN.h5, index.parquet (video ->
shard, pictures) and shards.tsv (bytes, sha256).
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
from pipeline.formats.shards import INDEX_COLUMNS, SHARD_COLUMNS

MODALITIES = ("rgb", "flow", "backward")  # frames; flow to the next frame; flow from the next frame


class SliceVideo(NamedTuple):
    """One video in a slice: the slice's file, and the video's place, pictures and bytes in it."""

    video_id: str
    store: Path
    number: int
    pictures: int
    bytes: int
    fps: float


def list_videos(slices: Iterable[Path], modality: str) -> tuple[list[SliceVideo], dict[str, Any]]:
    """Every video of every slice, in order, and the settings that all slices were made with."""
    found: list[SliceVideo] = []
    settings: dict[str, Any] = {}
    for path in slices:
        with JpegStore(path) as store:
            check_modality(store.attributes, modality, path)
            check_settings(store.attributes, settings, path)
            settings = store.attributes
            for number, video in enumerate(store.videos):
                begin, end = store.byte_range(number)
                found.append(
                    SliceVideo(video, path, number, store.count(number), end - begin, float(store.fps[number]))
                )
    return found, settings


def check_complete(found: Sequence[SliceVideo], videos: pd.DataFrame, bad: set[str], source: Path) -> None:
    """Raise unless each video of the manifest is in just one slice or in the quarantine."""
    names = [member.video_id for member in found]
    twice = {name for name, count in Counter(names).items() if count > 1}
    strange = sorted(set(names) - set(videos["video_id"]) | twice)
    lost = sorted(set(videos["video_id"]) - set(names) - bad)
    for problem, wrong in (
        ("is in no slice and not in the quarantine", lost),
        ("is not once in the manifest", strange),
    ):
        if wrong:
            raise UserError(f"{wrong[0]} {problem} of {source} ({len(wrong)} such): delete the slices and run again")


def check_modality(settings: dict[str, Any], modality: str, source: Path) -> None:
    """Raise where a stage of ours made the slice and it holds another modality; what other tools made does not say."""
    flow = "backward" if settings.get("direction") == "backward" else "flow"
    holds = {"frames": "rgb", "flow": flow}.get(settings.get("stage", ""), modality)
    if holds != modality:
        raise UserError(
            f"{source} holds {holds} but --modality is {modality}: give the slices of {modality}, or --modality {holds}"
        )


def group_by_size(found: Iterable[SliceVideo], limit: int) -> Iterator[list[SliceVideo]]:
    """Runs of videos, each closed by the first that reaches `limit` bytes."""
    run: list[SliceVideo] = []
    size = 0
    for member in found:
        run.append(member)
        size += member.bytes
        if size >= limit:
            yield run
            run, size = [], 0
    if run:
        yield run


def write_shard(run: Sequence[SliceVideo], settings: dict[str, Any], path: Path) -> dict[str, int]:
    """Write one shard; returns where in the file its tables lie, for readers that `pread`."""
    writer = JpegStoreWriter(path, settings, total_bytes=sum(member.bytes for member in run))
    for source, its_members in itertools.groupby(run, key=lambda member: member.store):
        with JpegStore(source) as store:
            for member in its_members:
                lengths, blocks = store.lengths(member.number), store.blocks(member.number)
                writer.add_blocks(member.video_id, lengths, blocks, member.fps)
    writer.close()
    with JpegStore(path) as packed:
        return {"jpeg": packed.file_offset("jpeg"), "offsets": packed.file_offset("offsets")}


def index_rows(run: Sequence[SliceVideo], shard: str, labels: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Rows of index.parquet for one shard."""
    rows, first = [], 0
    for member in run:
        name, label = labels.at[member.video_id, "class"], labels.at[member.video_id, "label"]
        rows.append((member.video_id, name, label, shard, first, member.pictures, member.bytes, member.fps))
        first += member.pictures
    return rows


def write_shards(
    runs: Sequence[Sequence[SliceVideo]], labels: pd.DataFrame, out: Path, facts: dict[str, Any]
) -> list[Any]:
    """Pack every run into a shard and write the tables; returns the index's rows.

    `facts` are the manifest's metadata, `modality` and `settings`; `labels` has class and label by video_id.
    """
    rows: list[tuple[Any, ...]] = []
    sums, places = [], {}
    refuse_full_disk(out, sum(member.bytes for run in runs for member in run))
    with whole_folder(out) as scratch:
        for number, run in enumerate(log.progress(runs, len(runs), f"shards {facts['modality']}")):
            name = f"{number:04d}"
            path = scratch / f"{name}.h5"
            places[name] = write_shard(run, facts["settings"], path)
            sums.append((name, len(run), sum(m.pictures for m in run), path.stat().st_size, sha256(path)))
            rows += index_rows(run, name, labels)
        write_tsv(scratch / "shards.tsv", SHARD_COLUMNS, sums)
        index = pd.DataFrame(rows, columns=list(INDEX_COLUMNS))
        manifest.write_parquet(scratch / "index.parquet", index, {**facts, "places": places})
    return rows


def pack_shards(
    slices: Sequence[Path], manifest_path: Path, left_out: Sequence[Path], out: Path, modality: str, mib: int
) -> None:
    """The whole stage: check, pack, index."""
    videos, metadata = manifest.read_manifest(manifest_path)
    bad = {row.video_id for row in quarantine.read(left_out) if row.verdict == "bad"}
    found, settings = list_videos(slices, modality)
    check_complete(found, videos, bad, manifest_path)
    runs = list(group_by_size(found, mib << 20))
    facts = {**metadata, "modality": modality, "settings": settings}
    rows = write_shards(runs, videos.set_index("video_id"), out, facts)
    pictures = sum(member.pictures for member in found)
    log.say(f"{out}: {len(rows)} of {len(videos)} videos, {pictures} pictures, {len(runs)} shards")


def options(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("slices", nargs="+", type=Path, help="the slices of one modality")
    parser.add_argument("--manifest", required=True, type=Path)
    parser.add_argument("--quarantine", required=True, nargs="+", type=Path, help="the slices' quarantine files")
    parser.add_argument("--modality", choices=MODALITIES, required=True)
    parser.add_argument("--mib", type=int, default=1024, help="a shard is closed at the first video past this size")
    parser.add_argument("--out", required=True, type=Path, help="the folder to write")


def run(a: argparse.Namespace) -> None:
    """Pack as asked."""
    pack_shards(a.slices, a.manifest, a.quarantine, a.out, a.modality, a.mib)
