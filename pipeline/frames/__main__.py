"""Decode the videos of one slice, once, to resized JPEG frames in one HDF5 file.

The videos of the slice are found in the folder of all videos, by the same rule as in the index, or read from the
index's manifest. The number of frames is that of the decoded frames, not that of the header. A video that does not
decode completely has a row with the reason in the quarantine file.
"""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from pipeline.common import cli
from pipeline.common.code_hash import stage_hash
from pipeline.formats import quarantine
from pipeline.formats.quarantine import refuse_many_bad
from pipeline.frames.decoders import DECODERS
from pipeline.frames.extract import Settings, extract, parse_fps, parse_size
from pipeline.frames.frame_slices import slice_videos, write_slice
from pipeline.index import membership


def parse_args(argv: Sequence[str]) -> Namespace:
    """Parse the command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("videos", type=Path, help="folder of all videos, or the index's manifest.parquet")
    parser.add_argument("out", type=Path, help="the HDF5 file to write")
    parser.add_argument("--folder", type=Path, help="folder of the relative paths in a manifest")
    parser.add_argument("--slice", required=True, help="name of the slice, such as 0000")
    parser.add_argument("--quarantine", required=True, type=Path, help="table of the videos left out or in doubt")
    parser.add_argument("--size", default="340x256", help="WIDTHxHEIGHT, or the short side, in pixels")
    parser.add_argument("--quality", type=int, default=90, help="JPEG quality")
    parser.add_argument("--fps", default="native", help="native, or frames per second to resample to by time stamps")
    parser.add_argument("--decoder", choices=sorted(DECODERS), default="pyav")
    parser.add_argument("--max-missing", type=int, default=2, help="accepted difference from the header's frame count")
    parser.add_argument("--max-bad-share", type=float, default=0.2, help="a larger share of bad videos is an error")
    parser.add_argument("--repair", action="store_true", help="keep what ffmpeg can recover of a bad video")
    parser.add_argument("--threads", type=int, default=1)
    group = parser.add_argument_group("folder of all videos", "as for the index; a manifest contains the slices")
    group.add_argument("--layout", choices=[*membership.LAYOUTS, "folder"], default="folder", help="of the lists")
    group.add_argument("--lists", help="folder of the official lists (default: the folder of the videos)")
    group.add_argument("--slices", type=int, default=4, help="number of slices")
    group.add_argument("--seed", type=int, default=0, help="seed of the slices")
    group.add_argument("--planned", help="expected hash of the slice's videos; other videos are an error")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    args = parse_args(argv)
    settings = Settings(
        parse_size(args.size), args.quality, parse_fps(args.fps), args.decoder, args.max_missing, args.repair
    )
    videos = slice_videos(args)
    attributes = {"stage": "frames", "code": stage_hash("frames"), "size": args.size, "quality": args.quality}
    attributes |= {"fps": args.fps, "decoder": args.decoder, "repair": args.repair}
    rows = write_slice(videos, lambda video: extract(*video, settings), args.out, attributes, args.threads)
    quarantine.write(args.quarantine, rows)
    refuse_many_bad(rows, len(videos), args.max_bad_share, args.out)


if __name__ == "__main__":
    cli.run(main)
