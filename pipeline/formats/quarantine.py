"""Quarantine tables: one row, with the reason, for every video that is left out or kept in spite of a doubt."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv, write_tsv

COLUMNS = ("video_id", "stage", "verdict", "reason")


class QuarantineRow(NamedTuple):
    """One video and what happened to it.

    verdict: `missing` (listed, but there is no file), `ignored` (a file that is not a video of the data set), `bad`
    (left out), `repaired` or `kept` (used in spite of a doubt).
    """

    video_id: str
    stage: str
    verdict: str
    reason: str


def write(path: Path | str, rows: Iterable[QuarantineRow]) -> None:
    """Write a job's rows; whitespace in a cell, such as the line ends of a decoder's message, becomes one space."""
    write_tsv(path, COLUMNS, ([" ".join(str(cell).split()) for cell in row] for row in rows))


def read(paths: Iterable[Path | str]) -> list[QuarantineRow]:
    """The rows of several files, one file after the other."""
    return [QuarantineRow(*(line[name] for name in COLUMNS)) for path in paths for line in read_tsv(path, COLUMNS)]


def refuse_many_bad(rows: Sequence[QuarantineRow], videos: int, max_share: float, out: Path) -> None:
    """Raise UserError if more than `max_share` of a slice's videos are bad: the cause is then hardly the videos."""
    bad = [row for row in rows if row.verdict == "bad"]
    if len(bad) > max_share * videos:
        raise UserError(
            f"{out}: {len(bad)} of {videos} videos are bad, a larger share than frames.max_bad_share {max_share} allows"
            f" (first: {bad[0].video_id}, {bad[0].reason}): repair them or raise frames.max_bad_share"
        )
