"""One slice of videos as JPEG frames in one HDF5 file."""

import os
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.common.files import whole_file
from pipeline.common.threads import ordered_map
from pipeline.formats import manifest
from pipeline.formats.jpeg_store import JpegStoreWriter
from pipeline.formats.quarantine import QuarantineRow
from pipeline.frames.extract import ExtractedVideo
from pipeline.index import membership


def write_slice(
    videos: Sequence[tuple[str, str]],
    extract: Callable[[tuple[str, str]], ExtractedVideo],
    out: Path,
    settings: dict[str, Any],
    threads: int,
) -> list[QuarantineRow]:
    """Extract `videos` (video_id, path) and write them to the slice's file; returns the quarantine rows."""
    rows, unexpected, done, size = [], Counter[str](), 0, 0
    with whole_file(out, lambda: size / max(done, 1) * len(videos)) as scratch:
        writer = JpegStoreWriter(scratch, settings)
        results = ordered_map(extract, videos, threads)
        for (video_id, _), video in log.progress(results, len(videos), f"frames {out.stem}"):
            if video.quarantine_row:
                rows.append(video.quarantine_row)
            unexpected.update(filter(None, [video.unexpected]))
            if video.lengths:
                with video.data as data:
                    writer.add(video_id, video.lengths, data, video.fps)
            done, size = done + 1, size + sum(video.lengths)
        writer.close()
    if unexpected:
        classes = ", ".join(f"{count} {name}" for name, count in unexpected.most_common())
        log.say(f"{out}: {unexpected.total()} of {len(videos)} videos are bad by an unexpected exception: {classes}")
    return rows


def slice_videos(args: Namespace) -> list[tuple[str, str]]:
    """(video_id, path) of the slice's videos, from the folder of all videos or from a manifest."""
    if not args.videos.exists():
        raise UserError(f"{args.videos} does not exist: give the folder of the videos, or the index's manifest.parquet")
    if args.videos.is_dir():
        root = args.videos
        members = membership.slice_members(root, args.layout, args.lists, args.slices, args.seed, args.slice)
        membership.refuse_changed_slice(root, args.slice, members, args.planned)
        return [(member.video_id, f"{root}/{member.path}") for member in members]
    table, _ = manifest.read_manifest(args.videos)
    rows = table[table["slice"] == args.slice]
    if args.folder is None and not all(map(os.path.isabs, rows["path"])):
        raise UserError(
            f"{args.videos} has relative paths such as {rows['path'].iloc[0]}: give their folder as --folder"
        )
    paths = (str(Path(args.folder or "", path)) for path in rows["path"])
    return list(zip(rows["video_id"], paths, strict=True))
