"""Nothing is skipped silently: every video that is left out, or kept with a doubt, is a row with the reason."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pipeline.files import read_tsv, write_tsv

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
