"""Quarantine tables: one row, with the reason, for every video that is left out or kept in spite of a doubt."""

import re
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
    """Write a job's rows. Names are written exactly as they are; line ends in a reason become spaces.

    Of a name that cannot be in a table (a tab, a line end or no UTF-8), those characters are written as escapes.
    """
    write_tsv(path, COLUMNS, ([_name(row.video_id), row.stage, row.verdict, _reason(row.reason)] for row in rows))


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


def _name(video: str) -> str:
    return _encodable(video).replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _reason(text: str) -> str:
    return re.sub(r"\s*[\r\n]+\s*", " ", _encodable(str(text)).strip())


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
