"""Nothing is skipped silently: every video that is left out, or kept with a doubt, is a row with the reason."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv, write_tsv

COLUMNS = ("video_id", "stage", "verdict", "reason")


class Row(NamedTuple):
    """verdict: `missing` (listed, no file), `ignored` (a file that is no video), `bad` (left out), `kept` (a doubt)."""

    video_id: str
    stage: str
    verdict: str
    reason: str


def write(path: Path | str, rows: Iterable[Row]) -> None:
    """One file a job, in the order of the videos; line ends in a decoder's message become spaces."""
    write_tsv(path, COLUMNS, ([" ".join(str(cell).split()) for cell in row] for row in rows))


def read(paths: Iterable[Path | str]) -> list[Row]:
    """Rows of several files, one after the other."""
    return [Row(*(line[name] for name in COLUMNS)) for path in paths for line in read_tsv(path, COLUMNS)]


def refuse_many_bad(rows: Sequence[Row], videos: int, max_share: float, out: Path) -> None:
    """Raise where more than `max_share` of a slice's videos are bad: then something else is wrong."""
    bad = [row for row in rows if row.verdict == "bad"]
    if len(bad) > max_share * videos:
        raise UserError(
            f"{out}: {len(bad)} of {videos} videos are bad, a larger share than frames.max_bad_share {max_share} allows"
            f" (first: {bad[0].video_id}, {bad[0].reason}): mend them or raise it"
        )
