"""Decode one slice's videos, once, to resized JPEG frames in one HDF5 file.

The slice's videos are found in the folder of all of them by the rule that the index goes by, or read from its manifest.
The frame count is what was decoded. A video that does not decode whole is a row in the quarantine file with the reason.
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
    """The command's."""
    parser = cli.parser(__doc__)
    parser.add_argument("videos", type=Path, help="folder of all the videos, or the index's manifest.parquet")
    parser.add_argument("out", type=Path, help="the HDF5 file to write")
    parser.add_argument("--folder", type=Path, help="where the videos of a manifest lie")
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
    a = parse_args(argv)
    size, fps, videos = parse_size(a.size), parse_fps(a.fps), slice_videos(a)
    how = Settings(size, a.quality, fps, a.decoder, a.max_missing, a.repair)
    settings = {
        "stage": "frames",
        "code": stage_hash("frames"),
        "size": a.size,
        "quality": a.quality,
    }
    settings |= {"fps": a.fps, "decoder": a.decoder, "repair": a.repair}
    rows = write_slice(videos, lambda video: extract(*video, how), a.out, settings, a.threads)
    quarantine.write(a.quarantine, rows)
    refuse_many_bad(rows, len(videos), a.max_bad_share, a.out)


if __name__ == "__main__":
    cli.run(main)
