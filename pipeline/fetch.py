"""Fetch a data set: get its archives, verify them, and unpack them into OUT/videos and OUT/lists.

An archive that is already in the --archives folder, or in OUT/archives, is used after checking; the others are
downloaded. A killed or failed run goes on where it stopped. OUT/fetched.tsv is written last: it says what came from
where, and that everything is there.
"""

import argparse
import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline import cli
from pipeline.archives import ARCHIVES, PAGE, kind_of, receipts, unpack
from pipeline.archives.receipts import Receipt
from pipeline.archives.tree import open_inner, without_top
from pipeline.download import Patience, Transfer, Unavailable, discard, download
from pipeline.errors import UserError
from pipeline.files import read_tsv, sha256, sync, write_tsv
from pipeline.sources import TABLE, Source, parts, sources

FETCHED = "fetched.tsv"
FETCHED_COLUMNS = ("file", "bytes", "sha256", "source", "members")
CHECKSUMS = "checksums.tsv"
CHECKSUM_COLUMNS = ("file", "bytes", "sha256", "url")
LOCAL = "local"


@dataclass(frozen=True)
class Archive:
    """A verified file on this machine; `source` is the URL it came from, or "local"."""

    path: Path
    bytes: int
    sha256: str
    source: str


@dataclass
class Fetch:
    """One run: where things go (`out`), where archives may be already (`folder`), what to do with those downloaded."""

    out: Path
    folder: Path | None = None
    keep: bool = True
    patience: Patience = field(default_factory=Patience)
    rows: list[tuple[object, ...]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def run(self, wanted: Sequence[Source]) -> None:
        """Everything in `wanted`, as far as it can be had; then fetched.tsv, or a UserError about what is missing."""
        marker = self.out / FETCHED
        marker.unlink(missing_ok=True)
        self.out.mkdir(parents=True, exist_ok=True)
        for source in wanted:
            with self.noting_missing(source):
                self.one(source)
        if self.missing:
            more = f"; {len(self.missing) - 1} more of its files are missing too" if len(self.missing) > 1 else ""
            raise UserError(self.missing[0] + more)
        self.sweep()
        write_tsv(marker, FETCHED_COLUMNS, self.rows)

    @contextlib.contextmanager
    def noting_missing(self, source: Source) -> Iterator[None]:
        """Go on with the others when one archive cannot be had: of Kinetics' 242 parts the rest is still wanted."""
        try:
            yield
        except Unavailable as error:
            cli.say(f"{source.file}: {error}")
            self.missing.append(self.how_to_help(source, error))

    def how_to_help(self, source: Source, error: Unavailable) -> str:
        """The sentence that says which file to put where."""
        where = self.folder / source.file if self.folder else self.kept(source)
        if not source.urls:
            return f"{source.file} is not on this machine and has no address: put it at {where} and run again"
        tried = "its address" if len(source.urls) == 1 else f"any of its {len(source.urls)} addresses"
        return f"{source.file} could not be had from {tried} (last: {error}): put it at {where} and run again"

    def one(self, source: Source) -> None:
        """One row of sources.tsv: found or downloaded, verified, unpacked; for a list, all of its parts, too."""
        receipt = receipts.find(self.out, source.file)
        archive = self.find(source)
        if archive is None and receipt is not None and self.still_good(source, receipt):
            self.note(receipt)  # unpacked before, and not kept
            return
        archive = archive or self.get(source)
        if source.kind == "list":
            self.all_parts(source, archive)
            return
        if receipt is None or receipt.sha256 != archive.sha256 or not receipt.stands(self.out):
            receipt = self.unpack(source, archive, receipt)
        self.note(receipt)
        if not self.keep and archive.path == self.kept(source):
            archive.path.unlink()

    def still_good(self, source: Source, receipt: Receipt) -> bool:
        """Whether an archive that is gone needs not come again."""
        return receipt.stands(self.out) and source.sha256 in ("", receipt.sha256)

    def note(self, receipt: Receipt) -> None:
        """A row of fetched.tsv."""
        self.rows.append((receipt.file, receipt.bytes, receipt.sha256, receipt.source, len(receipt.files)))

    def all_parts(self, source: Source, archive: Archive) -> None:
        """The archives a list names."""
        found = parts(source, archive.path)
        self.rows.append((source.file, archive.bytes, archive.sha256, archive.source, len(found)))
        for part in cli.progress(found, len(found), source.file):
            with self.noting_missing(part):
                self.one(part)

    def kept(self, source: Source) -> Path:
        """Where a downloaded archive lies."""
        return self.out / "archives" / source.file

    def find(self, source: Source) -> Archive | None:
        """The archive if it is on this machine; a wrong one is a UserError, never used and never overwritten."""
        given = [self.folder / source.file] if self.folder else []
        for path in [*given, self.kept(source)]:
            if path.is_file():
                known = self.checksums().get(source.file, {})
                came = known.get("url", LOCAL) if path == self.kept(source) else LOCAL
                return self.verify(source, path, came)
        return None

    def verify(self, source: Source, path: Path, came: str) -> Archive:
        """Kind, length and checksum of a file, against sources.tsv or what was recorded at the first download."""
        reason = wrong_kind(source, path)
        size = path.stat().st_size
        if not reason and source.bytes not in (None, size):
            reason = f"has {size} bytes where sources.tsv says {source.bytes}"
        digest = "" if reason else sha256(path)
        known = self.checksums().get(source.file, {}).get("sha256", "") if source.urls else ""
        if not reason and (source.sha256 or known or digest) != digest:
            reason = f"has the sha256 {digest} where {source.sha256 or known} is on record"
        if reason:
            raise UserError(f"{path} {reason}: put the right file there, or delete it and run again")
        archive = Archive(path, size, digest, came)
        self.record(source, archive)
        return archive

    def get(self, source: Source) -> Archive:
        """Download from the first address that gives the right file; Unavailable, with the last reason, if none."""
        last = Unavailable("no address is known")
        for url in source.urls:
            part = self.kept(source).with_name(f"{self.kept(source).name}.part")
            part.parent.mkdir(parents=True, exist_ok=True)
            transfer = Transfer(url, part, source.kind == "archive", source.bytes, self.patience)
            try:
                cli.say(f"downloading {url}")
                download(transfer)
                return self.adopt(source, transfer)
            except Unavailable as error:
                cli.say(str(error))
                last = error
        raise last

    def adopt(self, source: Source, transfer: Transfer) -> Archive:
        """A finished download, verified and under its own name."""
        try:
            archive = self.verify(source, transfer.part, transfer.url)
        except UserError as error:
            discard(transfer)
            raise Unavailable(f"{transfer.url} gave a wrong file: {error}") from error
        target = self.kept(source)
        transfer.part.replace(target)
        sync(target.parent)
        discard(transfer)
        return Archive(target, archive.bytes, archive.sha256, archive.source)

    def checksums(self) -> dict[str, dict[str, str]]:
        """What was recorded of archives at their first download, by file."""
        path = self.out / CHECKSUMS
        return {row["file"]: row for row in read_tsv(path, CHECKSUM_COLUMNS)} if path.exists() else {}

    def record(self, source: Source, archive: Archive) -> None:
        """Remember a checksum, once; not of archives without an address, which are made here and may change."""
        known = self.checksums()
        row = {"file": source.file, "bytes": str(archive.bytes), "sha256": archive.sha256, "url": archive.source}
        if not source.urls or source.file in known:
            return
        rows = [*known.values(), row]
        write_tsv(self.out / CHECKSUMS, CHECKSUM_COLUMNS, [[row[name] for name in CHECKSUM_COLUMNS] for row in rows])

    def unpack(self, source: Source, archive: Archive, old: Receipt | None) -> Receipt:
        """Unpack beside the target, take away what an earlier archive of this name brought, then move it all in."""
        cli.say(f"unpacking {archive.path}")
        with self.scratch() as scratch:
            if source.kind == "plain":
                root = scratch
                shutil.copyfile(archive.path, scratch / archive.path.name)
            else:
                unpack(archive.path, scratch)
                open_inner(scratch)
                root = without_top(scratch, videos=source.unpack.startswith("videos"))
            if old is not None:
                receipts.withdraw(self.out, old)
            fresh = Receipt(source.file, archive.bytes, archive.sha256, archive.source, {}, [])
            return receipts.bring(self.out, root, source.unpack, fresh)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder on OUT's disk, gone afterwards; what a killed run left in it goes first."""
        path = self.out / ".unpacking"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def sweep(self) -> None:
        """Take away what came from archives that sources.tsv lists no more."""
        current = {row[0] for row in self.rows}
        for receipt in list(receipts.every(self.out)):
            if receipt.file not in current:
                cli.say(f"{receipt.file} is no longer in sources.tsv: its {len(receipt.files)} files are removed")
                receipts.withdraw(self.out, receipt)


def wrong_kind(source: Source, path: Path) -> str:
    """What is wrong with a file by its first bytes, or nothing."""
    kind = kind_of(path)
    if kind == PAGE:
        return "is a web page, not an archive"
    if source.kind == "archive" and kind not in ARCHIVES:
        return "is no RAR, zip or tar archive"
    return ""


def main(argv: Sequence[str]) -> None:
    """The command line of the stage."""
    parser = cli.parser(__doc__)
    parser.add_argument("--dataset", required=True, help="a data set that the sources list")
    parser.add_argument("--out", required=True, type=Path, help="folder to fill, say data/raw/NAME")
    parser.add_argument("--archives", type=Path, help="folder in which archives may lie already")
    parser.add_argument("--sources", type=Path, default=TABLE, help="table of files and addresses")
    parser.add_argument(
        "--keep-archives",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="keep downloaded archives once they are unpacked",
    )
    parser.add_argument("--attempts", type=int, default=Patience.attempts, help="fruitless attempts at one address")
    parser.add_argument("--connect-timeout", type=float, default=Patience.connect, help="seconds")
    parser.add_argument("--read-timeout", type=float, default=Patience.read, help="seconds without a byte")
    parser.add_argument("--first-wait", type=float, default=Patience.first_wait, help="seconds; doubles each time")
    given = parser.parse_args(argv)
    patience = Patience(given.connect_timeout, given.read_timeout, given.attempts, given.first_wait)
    wanted = sources(given.dataset, given.sources)
    Fetch(given.out, given.archives, given.keep_archives, patience).run(wanted)


if __name__ == "__main__":
    cli.run(main)
