"""One slice's videos as JPEG frames in one HDF5 file."""

import os
from argparse import Namespace
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
    work: Callable[[tuple[str, str]], ExtractedVideo],
    out: Path,
    settings: dict[str, Any],
    threads: int,
) -> list[QuarantineRow]:
    """Write the slice's file; returns the quarantine rows."""
    rows, done, size = [], 0, 0
    with whole_file(out, lambda: size / max(done, 1) * len(videos)) as scratch:
        writer = JpegStoreWriter(scratch, settings)
        results = ordered_map(work, videos, threads)
        for (video_id, _), pictures in log.progress(results, len(videos), f"frames {out.stem}"):
            if pictures.note:
                rows.append(pictures.note)
            if pictures.lengths:
                with pictures.data as data:
                    writer.add(video_id, pictures.lengths, data, pictures.fps)
            done, size = done + 1, size + sum(pictures.lengths)
        writer.close()
    return rows


def slice_videos(a: Namespace) -> list[tuple[str, str]]:
    """(video_id, path) of the slice's videos, found in the folder of all of them or read from a manifest."""
    if not a.videos.exists():
        raise UserError(f"{a.videos} does not exist: give the folder of the videos, or the index's manifest.parquet")
    if a.videos.is_dir():
        found = membership.slice_members(a.videos, a.layout, a.lists, a.slices, a.seed, a.slice)
        membership.refuse_changed_slice(a.videos, a.slice, found, a.planned)
        return [(member.video_id, f"{a.videos}/{member.path}") for member in found]
    table, _ = manifest.read_manifest(a.videos)
    chosen = table[table["slice"] == a.slice]
    if a.folder is None and not all(map(os.path.isabs, chosen["path"])):
        raise UserError(f"{a.videos} names files such as {chosen['path'].iloc[0]}: say below which --folder they lie")
    paths = (str(Path(a.folder or "", path)) for path in chosen["path"])
    return list(zip(chosen["video_id"], paths, strict=True))
