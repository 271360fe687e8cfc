"""Decode one slice's videos, once, to resized JPEG frames in one HDF5 file.

The slice's videos are found in the folder of all of them by the rule that the index goes by, or read from its manifest.
The frame count is what was decoded. A video that does not decode whole is a row in the quarantine file with the reason.
"""

from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline import (
    cli,
    log,
    manifest,
    membership,
    quarantine,
    video,
)
from pipeline.codehash import code_hash
from pipeline.decoders import DECODERS
from pipeline.errors import UserError
from pipeline.extract import Pictures, Settings, extract
from pipeline.files import whole_file
from pipeline.inorder import in_order
from pipeline.quarantine import Row, refuse_many_bad
from pipeline.store import StoreWriter


def write_slice(
    videos: Sequence[tuple[str, str]],
    work: Callable[[tuple[str, str]], Pictures],
    out: Path,
    settings: dict[str, Any],
    threads: int,
) -> list[Row]:
    """Write the slice's file; returns the quarantine rows."""
    rows, done, size = [], 0, 0
    with whole_file(out, lambda: size / max(done, 1) * len(videos)) as scratch:
        writer = StoreWriter(scratch, settings)
        results = in_order(work, videos, threads)
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
        found = membership.of_slice(a.videos, a.layout, a.lists, a.slices, a.seed, a.slice)
        membership.refuse_change(a.videos, a.slice, found, a.planned)
        return [(member.video_id, f"{a.videos}/{member.path}") for member in found]
    table, _ = manifest.read_manifest(a.videos)
    chosen = table[table["slice"] == a.slice]
    return list(zip(chosen["video_id"], chosen["path"], strict=True))


def parse_size(text: str) -> video.Size:
    """`340x256` -> (340, 256); `256` -> 256, the short side."""
    parts = text.split("x")
    if not all(part.isdigit() for part in parts) or len(parts) > 2:
        raise UserError(
            f"--size is {text!r}: write WIDTHxHEIGHT, such as 340x256, or the short side alone, such as 256"
        )
    numbers = [int(part) for part in parts]
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def parse_fps(text: str) -> float:
    """`native` -> 0, the video's own; `25` -> 25."""
    try:
        fps = 0.0 if text == "native" else float(text)
    except ValueError:
        fps = -1
    if not (0 < fps < 1000 or text == "native"):
        raise UserError(f"--fps is {text!r}: write native, or frames per second, such as 25")
    return fps


def arguments(argv: Sequence[str]) -> Namespace:
    """The command's."""
    parser = cli.parser(__doc__)
    parser.add_argument("videos", type=Path, help="folder of all the videos, or the index's manifest.parquet")
    parser.add_argument("out", type=Path, help="the HDF5 file to write")
    parser.add_argument("--slice", required=True, help="which slice, such as 0000")
    parser.add_argument("--quarantine", required=True, type=Path, help="table of the videos left out or in doubt")
    parser.add_argument("--size", default="340x256", help="WIDTHxHEIGHT, or the short side, in pixels")
    parser.add_argument("--quality", type=int, default=90, help="JPEG quality")
    parser.add_argument("--fps", default="native", help="native, or frames per second to resample to by time stamps")
    parser.add_argument("--decoder", choices=sorted(DECODERS), default="pyav")
    parser.add_argument("--max-missing", type=int, default=2, help="frames that the header may promise too many")
    parser.add_argument("--max-bad-share", type=float, default=0.2, help="a larger share of bad videos is an error")
    parser.add_argument("--repair", action="store_true", help="save what ffmpeg can of a bad video")
    parser.add_argument("--threads", type=int, default=1)
    whole = parser.add_argument_group("of a folder", "what decides its slices, as for the index; a manifest has them")
    whole.add_argument("--layout", choices=[*membership.LAYOUTS, "folder"], default="folder", help="of its lists")
    whole.add_argument("--lists", help="folder of the official lists; otherwise they lie in the videos' folder")
    whole.add_argument("--slices", type=int, default=4, help="number of slices")
    whole.add_argument("--seed", type=int, default=0, help="of the slices")
    whole.add_argument("--planned", help="hash of the slice's videos; to find others is an error")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    a = arguments(argv)
    size, fps, videos = parse_size(a.size), parse_fps(a.fps), slice_videos(a)
    how = Settings(size, a.quality, fps, a.decoder, a.max_missing, a.repair)
    settings = {"stage": "frames", "code": code_hash("pipeline.frames"), "size": a.size, "quality": a.quality}
    settings |= {"fps": a.fps, "decoder": a.decoder, "repair": a.repair}
    rows = write_slice(videos, lambda video: extract(*video, how), a.out, settings, a.threads)
    quarantine.write(a.quarantine, rows)
    refuse_many_bad(rows, len(videos), a.max_bad_share, a.out)


if __name__ == "__main__":
    cli.run(main)
