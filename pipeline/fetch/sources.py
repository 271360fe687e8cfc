"""sources.tsv: the archives of every data set and their URLs, read and checked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv

TABLE = Path(__file__).with_name("sources.tsv")
COLUMNS = ("dataset", "file", "kind", "unpack", "bytes", "sha256", "url", "mirrors", "checked", "note")

# archive: is unpacked. list: a text file of URLs of archives, one per line. plain: is copied without unpacking.
KINDS = ("archive", "list", "plain")

PATTERNS = {
    "dataset": r"[a-z0-9_]+",
    "file": r"[\w+-][\w.+-]*(/[\w+-][\w.+-]*)*",
    "kind": "|".join(KINDS),
    "unpack": r"(videos|lists)(/[\w-]+)*",
    "bytes": r"([1-9]\d*)?",
    "sha256": r"([0-9a-f]{64})?",
    "url": r"(https?://[^\s,]+)?",
    "mirrors": r"(https?://[^\s,]+( https?://[^\s,]+)*)?",
    "checked": r"(\d{4}-\d{2}-\d{2})?",
    "note": r".*",
}


@dataclass(frozen=True)
class Source:
    """One row: `file` is a path below the archives folder, `unpack` a folder below OUT, `urls` the primary first."""

    file: str
    kind: str
    unpack: str
    bytes: int | None = None
    sha256: str = ""
    urls: tuple[str, ...] = ()


def sources(dataset: str, table: Path = TABLE) -> list[Source]:
    """The rows of one data set, in the table's order. Raises UserError for an unknown data set or a malformed cell."""
    rows = read_tsv(table, COLUMNS)
    check_rows(rows, table)
    selected = [_source(row) for row in rows if row["dataset"] == dataset]
    if not selected:
        names = ", ".join(sorted({row["dataset"] for row in rows}))
        raise UserError(
            f"{table} has no row for the data set {dataset!r}, only for {names}: name one of those or add rows"
        )
    return selected


def dataset_names(table: Path = TABLE) -> set[str]:
    """The data sets that have rows in the table."""
    return {row["dataset"] for row in read_tsv(table, COLUMNS)}


def check_rows(rows: Sequence[dict[str, str]], table: Path) -> None:
    """Raise UserError for the first cell that does not match its column's pattern, or a file that is listed twice."""
    lines: dict[tuple[str, str], int] = {}
    for line, row in enumerate(rows, 2):
        for column, pattern in PATTERNS.items():
            if re.fullmatch(pattern, row[column] or "") is None:
                raise UserError(f"{table}, line {line}: {column} is {row[column]!r} but must match {pattern}")
        key = (row["dataset"], row["file"])
        if key in lines:
            raise UserError(f"{table}, line {line}: {row['file']!r} is listed before in line {lines[key]}: drop one")
        lines[key] = line


def _source(row: dict[str, str]) -> Source:
    return Source(
        file=row["file"],
        kind=row["kind"],
        unpack=row["unpack"],
        bytes=int(row["bytes"]) if row["bytes"] else None,
        sha256=row["sha256"],
        urls=tuple(url for url in [row["url"], *row["mirrors"].split()] if url),
    )


def listed_sources(source: Source, listing: Path) -> list[Source]:
    """The archives of a list, one URL per line; the file of each is the last folder and the name in its URL."""
    archives: dict[str, Source] = {}
    for line, text in enumerate(listing.read_text(encoding="utf-8", errors="replace").split("\n"), 1):
        url = text.strip()
        if not url:
            continue
        name = "/".join(urlsplit(url).path.split("/")[-2:]).strip("/")
        if not re.fullmatch(PATTERNS["url"], url) or not re.fullmatch(PATTERNS["file"], name):
            raise UserError(f"{listing}, line {line}: {url!r} is no URL of an archive: correct the line and run again")
        archive = Source(name, "archive", source.unpack, urls=(url,))
        if archives.setdefault(name, archive) != archive:
            raise UserError(
                f"{listing}, line {line}: {name} is listed before with another URL: correct one and run again"
            )
    return list(archives.values())
