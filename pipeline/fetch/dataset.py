"""A data set's archives, verified and unpacked into OUT/videos and OUT/lists, whatever was done before."""

import contextlib
import errno
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.common.files import write_tsv
from pipeline.fetch.archives import receipts, unpack
from pipeline.fetch.archives.members import DISK_FULL, Damaged
from pipeline.fetch.archives.receipts import Receipt
from pipeline.fetch.archives.shelf import LOCAL, Archive, Shelf
from pipeline.fetch.archives.tree import open_inner, without_top
from pipeline.fetch.download import Unavailable
from pipeline.fetch.sources import Source, parts

FETCHED = "fetched.tsv"
NO_ACCESS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EXDEV)
LEFTOVERS = ("*.part", "*.part.json", ".*.partial-*")
COLUMNS = ("file", "bytes", "sha256", "source", "members")


@dataclass
class Fetch:
    """One run. `keep` keeps downloaded archives; `rows` become fetched.tsv; `missing` are sentences for the user."""

    out: Path
    shelf: Shelf
    keep: bool = True
    rows: list[tuple[object, ...]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def run(self, wanted: Sequence[Source]) -> None:
        """Everything in `wanted`, as far as it can be had; then fetched.tsv, or a UserError about what is missing."""
        try:
            self.everything(wanted)
        except OSError as error:
            if error.errno not in (*DISK_FULL, *NO_ACCESS):
                raise
            place = error.filename or self.out
            raise UserError(
                f"{place} cannot be used ({error.strerror}): make room or give access, and run again"
            ) from error

    def everything(self, wanted: Sequence[Source]) -> None:
        """The same without a thought for the disk."""
        self.check_ours(wanted)
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
        self.tidy()
        write_tsv(marker, COLUMNS, self.rows)

    def check_ours(self, wanted: Sequence[Source]) -> None:
        """Raise UserError if the folder is another data set's, which `sweep` would take away."""
        have = {receipt.file for receipt in receipts.every(self.out)}
        if have and have.isdisjoint(source.file for source in wanted):
            raise UserError(f"{self.out} holds another data set, from {min(have)}: name another folder with --out")

    @contextlib.contextmanager
    def noting_missing(self, source: Source) -> Iterator[None]:
        """Go on with the others when one archive cannot be had: of Kinetics' 242 parts the rest is still wanted."""
        try:
            yield
        except Damaged as error:
            log.say(str(error))
            self.missing.append(str(error))
        except Unavailable as error:
            log.say(f"{source.file}: {error}")
            self.missing.append(self.how_to_help(source, error))

    def how_to_help(self, source: Source, error: Unavailable) -> str:
        """The sentence that says which file to put where."""
        where = self.shelf.wanted(source)
        if not source.urls:
            return f"{source.file} is not on this machine and has no address: put it at {where} and run again"
        tried = "its address" if len(source.urls) == 1 else f"any of its {len(source.urls)} addresses"
        return f"{source.file} could not be had from {tried} (last: {error}): put it at {where} and run again"

    def one(self, source: Source) -> None:
        """One row of sources.tsv: found or downloaded, verified, unpacked; for a list, all of its parts, too."""
        receipt = receipts.find(self.out, source.file)
        archive = self.shelf.find(source)
        if archive is None and receipt is not None and self.still_good(source, receipt):
            self.note(receipt)  # unpacked before, and not kept
            return
        if archive is not None and self.used(source, archive):
            return
        self.shelf.download(source, lambda archive: self.use(source, archive))

    def used(self, source: Source, archive: Archive) -> bool:
        """Use what was found; of a download that turns out damaged, say False and let it come again."""
        try:
            self.use(source, archive)
        except Damaged as error:
            if archive.source == LOCAL:
                self.shelf.forget(source)
                raise
            log.say(str(error))
            self.shelf.reject(source)
            return False
        return True

    def use(self, source: Source, archive: Archive) -> None:
        """Unpack a verified archive, unless that was done before."""
        if source.kind == "list":
            self.all_parts(source, archive)
            return
        receipt = receipts.find(self.out, source.file)
        if receipt is None or receipt.sha256 != archive.sha256 or not receipt.stands(self.out, source.unpack):
            receipt = self.unpack(source, archive, receipt)
        self.note(receipt)
        if not self.keep and archive.source != LOCAL and archive.path == self.shelf.kept(source):
            archive.path.unlink()

    def still_good(self, source: Source, receipt: Receipt) -> bool:
        """Whether an archive that is gone needs not come again."""
        return receipt.stands(self.out, source.unpack) and source.sha256 in ("", receipt.sha256)

    def note(self, receipt: Receipt) -> None:
        """A row of fetched.tsv."""
        self.rows.append((receipt.file, receipt.bytes, receipt.sha256, receipt.source, len(receipt.files)))

    def all_parts(self, source: Source, archive: Archive) -> None:
        """The archives a list names."""
        found = parts(source, archive.path)
        self.rows.append((source.file, archive.bytes, archive.sha256, archive.source, len(found)))
        for part in log.progress(found, len(found), source.file):
            with self.noting_missing(part):
                self.one(part)

    def unpack(self, source: Source, archive: Archive, old: Receipt | None) -> Receipt:
        """Unpack beside the target, take away what an earlier archive of this name brought, then move it all in."""
        log.say(f"unpacking {archive.path}")
        with self.scratch() as scratch:
            if source.kind == "plain":
                root = scratch
                shutil.copyfile(archive.path, scratch / archive.path.name)
            else:
                unpack(archive.path, scratch)
                open_inner(archive.path, scratch)
                root = without_top(scratch, videos=source.unpack.startswith("videos"))
            if not any(path.is_file() for path in root.rglob("*")):
                raise Damaged(archive.path, "it holds no files")
            if old is not None:
                receipts.withdraw(self.out, old)
            fresh = Receipt(source.file, archive.bytes, archive.sha256, archive.source, source.unpack, {}, [])
            return receipts.bring(self.out, root, fresh)

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
                log.say(f"{receipt.file} is no longer in sources.tsv: its {len(receipt.files)} files are removed")
                receipts.withdraw(self.out, receipt)

    def tidy(self) -> None:
        """Take away what killed runs left half-written; now that everything is there nobody needs it."""
        shutil.rmtree(self.out / ".unpacking", ignore_errors=True)
        for folder in (self.out / "archives", self.out / receipts.FOLDER):
            for pattern in LEFTOVERS:
                for path in folder.rglob(pattern):
                    path.unlink()
