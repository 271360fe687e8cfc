"""Select views of a score file: a smaller protocol, without running the network again.

`--clips N` keeps N of a video's clips that are equally spaced and include the first and the last one. `--clips 1` keeps
the middle clip, which may begin one frame later than the clip of a protocol of one clip.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.common import log
from pipeline.common.code_hash import stage_hash
from pipeline.common.errors import UserError
from pipeline.formats import class_counts, scores

FLIPS = {"no": (False,), "yes": (True,), "both": (False, True)}


def select(
    table: pa.Table, clips: int | None = None, crops: Sequence[str] = (), flips: str = "", source: Path | str = "table"
) -> np.ndarray:
    """A mask (rows,) of the rows to keep in a table of views: `clips` clips, crops at these places, flips of FLIPS.

    An empty argument keeps all. Raises UserError, which names `source`, unless every video has the selected views.
    """
    keep = np.ones(len(table), bool)
    if crops:
        keep &= _isin(table["place"], crops, f"{source} has no crops at the place", "choose among")
    if flips:
        keep &= _isin(table["flip"], FLIPS[flips], f"{source} has no views with flip", "choose")
    videos, video_index = scores.factorize(table["video_id"])
    if not videos:
        raise UserError(f"{source} holds no views to select from: score again")
    if clips is not None:
        keep &= np.isin(table["clip"].to_numpy(), _spaced_clips(table, videos, video_index, clips, source))
    counts = np.bincount(video_index[keep], minlength=len(videos))
    if counts.min() < counts.max():
        fewest, most = int(counts.argmin()), int(counts.argmax())
        raise UserError(
            f"{source} has {counts[fewest]} such views of {videos[fewest]} and {counts[most]} of {videos[most]}: choose"
            " views that every video has"
        )
    return keep


def spaced(total: int, count: int) -> list[int] | None:
    """`count` equally spaced indices from 0 to `total` - 1, for 1 the middle one; None if that is impossible."""
    if count == 1:
        return [total // 2] if total % 2 else None
    if not 1 < count <= total or (total - 1) % (count - 1):
        return None
    return list(range(0, total, (total - 1) // (count - 1)))


def protocol_name(original: str, clips: int | None, crops: Sequence[str], flips: str) -> str:
    """The protocol of the selected views, such as `3 clips x centre of 25 clips x 10 crops`."""
    parts = [f"{clips} clips" if clips else "", ", ".join(crops), f"flips: {flips}" if flips else ""]
    return f"{' x '.join(part for part in parts if part) or 'all'} of {original}"


def _isin(column: pa.ChunkedArray, wanted: Sequence[Any], problem: str, advice: str) -> np.ndarray:
    values = list(dict.fromkeys(column.unique().to_pylist()))
    if missing := [value for value in wanted if value not in values]:
        raise UserError(f"{problem} {missing[0]}: {advice} {', '.join(map(str, values))}")
    return np.isin(column.to_numpy(), wanted)


def _spaced_clips(
    table: pa.Table, videos: Sequence[str], video_index: np.ndarray, count: int, source: Path | str
) -> list[int]:
    """The numbers of `count` equally spaced clips; all videos must have the same clips."""
    pairs = np.unique(np.stack([video_index, table["clip"].to_numpy()], 1), axis=0)
    clips = np.unique(pairs[:, 1]).tolist()
    clips_per_video = np.bincount(pairs[:, 0])
    if clips_per_video.min() < len(clips):
        fewest = int(clips_per_video.argmin())
        raise UserError(
            f"{source} has {clips_per_video[fewest]} clips of {videos[fewest]} and {clips_per_video.max()} of others,"
            f" so --clips {count} would not be the same for all: leave it out"
        )
    indices = spaced(len(clips), count)
    if indices is None:
        possible = [str(number) for number in range(1, len(clips) + 1) if spaced(len(clips), number)]
        raise UserError(
            f"{source} has {len(clips)} clips, of which no {count} are equally spaced: choose {', '.join(possible)}, or"
            " score anew"
        )
    return [clips[index] for index in indices]


def options(parser: ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--scores", required=True, type=Path, help="a score file of a larger protocol")
    parser.add_argument("--clips", type=int, help="number of clips to keep, equally spaced")
    parser.add_argument("--places", nargs="+", default=[], help="keep the crops at these places, such as centre")
    parser.add_argument(
        "--flips", choices=list(FLIPS), default="", help="keep views that are not flipped (no), are (yes), or both"
    )
    parser.add_argument("--out", required=True, type=Path, help="the Parquet file to write")


def run(args: Namespace) -> None:
    """Write the selected views as a score file."""
    views = scores.read_views(args.scores)
    keep = select(views.table, args.clips, args.places, args.flips, args.scores)
    table = views.table.filter(pa.array(keep))
    protocol = protocol_name(str(views.metadata.get("protocol", "its views")), args.clips, args.places, args.flips)
    columns = {name: table[name] for name in scores.VIEW_COLUMNS} | {"scores": views.values[keep]}
    scores.write(args.out, columns, {**views.metadata, "protocol": protocol, "code": stage_hash("select_views")})
    top1 = 100 * class_counts.write_counts(args.out)
    log.say(f"{args.out}: {keep.sum()} of {len(keep)} views, {protocol}, top-1 {top1:.1f} %")
