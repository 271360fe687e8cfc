"""Keep some views of a score file: a protocol that is part of the one scored, without a network or a GPU.

`--clips N` keeps every so-many-th clip, so that N stay equally spaced from the first to the last. One is the middle
clip, which can begin one picture later than where it is scored alone.
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
    """Which rows to keep (rows,) of a table of views: so many clips, crops at these places, flips no, yes or both.

    What is not given keeps all. A UserError, naming `source`, where there is no such subset of every video's views.
    """
    keep = np.ones(len(table), bool)
    if crops:
        keep &= _among(table["place"], crops, f"{source} has no crops at the place", "choose among")
    if flips:
        keep &= _among(table["flip"], FLIPS[flips], f"{source} has no views with flip", "choose")
    videos, place = scores.factorize(table["video_id"])
    if not videos:
        raise UserError(f"{source} holds no views, of which some could be kept: score again")
    if clips is not None:
        keep &= np.isin(table["clip"].to_numpy(), _spaced(table, videos, place, clips, source))
    counts = np.bincount(place[keep], minlength=len(videos))
    if len(set(counts.tolist())) > 1:
        least, most = int(counts.argmin()), int(counts.argmax())
        raise UserError(
            f"{source} has {counts[least]} such views of {videos[least]} and {counts[most]} of {videos[most]}: choose"
            " what every video has"
        )
    return keep


def spaced(there: int, wanted: int) -> list[int] | None:
    """Numbers of `wanted` equally spaced ones of `there`, first and last among them; None if there are no such."""
    if wanted == 1:
        return [there // 2] if there % 2 else None
    if not 1 < wanted <= there or (there - 1) % (wanted - 1):
        return None
    return list(range(0, there, (there - 1) // (wanted - 1)))


def words(original: str, clips: int | None, crops: Sequence[str], flips: str) -> str:
    """The protocol of what is kept: what of what."""
    parts = [f"{clips} clips" if clips else "", ", ".join(crops), f"flips: {flips}" if flips else ""]
    return f"{' x '.join(part for part in parts if part) or 'all'} of {original}"


def _among(column: pa.ChunkedArray, wanted: Sequence[Any], problem: str, advice: str) -> np.ndarray:
    values = column.to_numpy()
    there = list(dict.fromkeys(column.unique().to_pylist()))
    if missing := [value for value in wanted if value not in there]:
        raise UserError(f"{problem} {missing[0]}: {advice} {', '.join(map(str, there))}")
    return np.isin(values, wanted)


def _spaced(table: pa.Table, videos: Sequence[str], place: np.ndarray, wanted: int, source: Path | str) -> list[int]:
    """The numbers of the clips to keep; every video must have the same clips."""
    pairs = np.unique(np.stack([place, table["clip"].to_numpy()], 1), axis=0)
    there = np.unique(pairs[:, 1]).tolist()
    counts = np.bincount(pairs[:, 0])
    if counts.min() < len(there):
        least = int(counts.argmin())
        raise UserError(
            f"{source} has {counts[least]} clips of {videos[least]} and {counts.max()} of others, so --clips"
            f" {wanted} would not be the same for all: leave it out"
        )
    chosen = spaced(len(there), wanted)
    if chosen is None:
        possible = [number for number in range(1, len(there) + 1) if spaced(len(there), number)]
        raise UserError(
            f"{source} has {len(there)} clips, of which no {wanted} are equally spaced: choose"
            f" {', '.join(map(str, possible))}, or score anew"
        )
    return [there[number] for number in chosen]


def options(parser: ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--scores", required=True, type=Path, help="a score file of a larger protocol")
    parser.add_argument("--clips", type=int, help="keep so many, equally spaced")
    parser.add_argument("--places", nargs="+", default=[], help="keep the crops at these places, such as centre")
    parser.add_argument(
        "--flips", choices=list(FLIPS), default="", help="keep views that are not flipped, are, or both"
    )
    parser.add_argument("--out", required=True, type=Path, help="the Parquet file to write")


def run(a: Namespace) -> None:
    """Write the views that are kept."""
    views = scores.read_views(a.scores)
    keep = select(views.table, a.clips, a.places, a.flips, a.scores)
    kept = views.table.filter(pa.array(keep))
    protocol = words(str(views.metadata.get("protocol", "its views")), a.clips, a.places, a.flips)
    columns = {name: kept[name] for name in scores.VIEW_COLUMNS} | {"scores": views.values[keep]}
    scores.write(a.out, columns, {**views.metadata, "protocol": protocol, "code": stage_hash("select_views")})
    top1 = 100 * class_counts.write_counts(a.out)
    log.say(f"{a.out}: {keep.sum()} of {len(keep)} views, {protocol}, top-1 {top1:.1f} %")
