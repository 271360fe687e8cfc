"""Where the data sets come from: sources.tsv, read and checked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv

TABLE = Path(__file__).with_name("sources.tsv")
COLUMNS = ("dataset", "file", "kind", "unpack", "bytes", "sha256", "url", "mirrors", "checked", "note")

# archive: unpacked. list: a text of URLs, each of them an archive. plain: copied as it is.
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
    """One row: `file` is the name under an archives folder, `unpack` the folder it fills, `urls` the primary first."""

    file: str
    kind: str
    unpack: str
    bytes: int | None = None
    sha256: str = ""
    urls: tuple[str, ...] = ()


def sources(dataset: str, table: Path = TABLE) -> list[Source]:
    """The rows of one data set, in the table's order; an unknown data set or a malformed cell is a UserError."""
    rows = read_tsv(table, COLUMNS)
    check(rows, table)
    found = [_source(row) for row in rows if row["dataset"] == dataset]
    if not found:
        known = ", ".join(sorted({row["dataset"] for row in rows}))
        raise UserError(
            f"{table} has no row for the data set {dataset!r}, only for {known}: name one of those or add rows"
        )
    return found


def listed(table: Path = TABLE) -> set[str]:
    """The data sets that have rows."""
    return {row["dataset"] for row in read_tsv(table, COLUMNS)}


def check(rows: Sequence[dict[str, str]], table: Path) -> None:
    """Raise UserError on the first cell that breaks its column's pattern, or on a file listed twice."""
    seen: dict[tuple[str, str], int] = {}
    for line, row in enumerate(rows, 2):
        for column, pattern in PATTERNS.items():
            if re.fullmatch(pattern, row[column] or "") is None:
                raise UserError(f"{table}, line {line}: {column} is {row[column]!r} but must match {pattern}")
        key = (row["dataset"], row["file"])
        if key in seen:
            raise UserError(f"{table}, line {line}: {row['file']!r} is listed before in line {seen[key]}: drop one")
        seen[key] = line


def _source(row: dict[str, str]) -> Source:
    return Source(
        file=row["file"],
        kind=row["kind"],
        unpack=row["unpack"],
        bytes=int(row["bytes"]) if row["bytes"] else None,
        sha256=row["sha256"],
        urls=tuple(url for url in [row["url"], *row["mirrors"].split()] if url),
    )


def parts(source: Source, listing: Path) -> list[Source]:
    """The archives a list names, one URL a line; a part's file is the last folder and name of its URL."""
    found: dict[str, Source] = {}
    for line, url in enumerate(listing.read_text(encoding="utf-8", errors="replace").split("\n"), 1):
        if not url.strip():
            continue
        name = "/".join(urlsplit(url.strip()).path.split("/")[-2:]).strip("/")
        if not re.fullmatch(PATTERNS["url"], url.strip()) or not re.fullmatch(PATTERNS["file"], name):
            raise UserError(
                f"{listing}, line {line}: {url.strip()!r} is no URL of an archive: delete the file and run again"
            )
        if found.get(name, Source("", "", "", urls=(url.strip(),))).urls != (url.strip(),):
            raise UserError(
                f"{listing}, line {line}: {name} is listed before with another URL: delete the file and run again"
            )
        found[name] = Source(name, "archive", source.unpack, urls=(url.strip(),))
    return list(found.values())
