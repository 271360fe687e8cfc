"""Fetch all archives of a data set into OUT/videos and OUT/lists, starting from any state of OUT."""

import contextlib
import errno
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.common.files import DISK_FULL_ERRNOS, write_tsv
from pipeline.fetch.archives import receipts, unpack
from pipeline.fetch.archives.layout import content_folder, unpack_nested
from pipeline.fetch.archives.members import Damaged, UnpackError
from pipeline.fetch.archives.receipts import Receipt
from pipeline.fetch.archives.store import LOCAL, Archive, ArchiveStore
from pipeline.fetch.download import Unavailable
from pipeline.fetch.sources import Source, listed_sources

MARKER = "fetched.tsv"
COLUMNS = ("file", "bytes", "sha256", "source", "members")
SCRATCH = ".unpacking"
NO_ACCESS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EXDEV)
INCOMPLETE = ("*.part", "*.part.json", ".*.partial-*")  # files that a killed run leaves behind


@dataclass
class DatasetFetch:
    """One run. `keep` keeps downloads, `rows` become fetched.tsv, `missing` holds a sentence per missing archive."""

    out: Path
    store: ArchiveStore
    keep: bool = True
    rows: list[tuple[object, ...]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def run(self, sources: Sequence[Source]) -> None:
        """Fetch what can be fetched, then write fetched.tsv, or raise UserError if an archive is missing."""
        try:
            self.fetch_all(sources)
        except OSError as error:
            if error.errno not in (*DISK_FULL_ERRNOS, *NO_ACCESS):
                raise
            path = error.filename or self.out
            raise UserError(
                f"{path} cannot be used ({error.strerror}): make room or give access, and run again"
            ) from error

    def fetch_all(self, sources: Sequence[Source]) -> None:
        """`run` without the handling of a full or read-only disk."""
        self.check_folder(sources)
        marker = self.out / MARKER
        marker.unlink(missing_ok=True)
        self.out.mkdir(parents=True, exist_ok=True)
        for source in sources:
            with self.collect_missing(source):
                self.fetch(source)
        if self.missing:
            more = f"; {len(self.missing) - 1} more of its files are missing too" if len(self.missing) > 1 else ""
            raise UserError(self.missing[0] + more)
        self.remove_unlisted()
        self.remove_incomplete()
        write_tsv(marker, COLUMNS, self.rows)

    def check_folder(self, sources: Sequence[Source]) -> None:
        """Raise UserError if the folder holds another data set, whose files `remove_unlisted` would delete."""
        files = {receipt.file for receipt in receipts.load_all(self.out)}
        if files and files.isdisjoint(source.file for source in sources):
            raise UserError(f"{self.out} holds another data set, from {min(files)}: name another folder with --out")

    @contextlib.contextmanager
    def collect_missing(self, source: Source) -> Iterator[None]:
        """Record an archive that cannot be fetched and continue: the other parts of Kinetics are still wanted."""
        try:
            yield
        except UnpackError as error:
            log.say(str(error))
            self.missing.append(str(error))
        except Unavailable as error:
            log.say(f"{source.file}: {error}")
            self.missing.append(self.missing_message(source, error))

    def missing_message(self, source: Source, error: Unavailable) -> str:
        """A sentence that says where to put a file that cannot be downloaded."""
        path = self.store.expected_path(source)
        if not source.urls:
            return f"{source.file} is not on this machine and has no address: put it at {path} and run again"
        addresses = "its address" if len(source.urls) == 1 else f"any of its {len(source.urls)} addresses"
        return f"{source.file} could not be downloaded from {addresses} (last: {error}): put it at {path} and run again"

    def fetch(self, source: Source) -> None:
        """Find or download, verify and unpack one row of sources.tsv; for a list, also the archives that it lists."""
        receipt = receipts.load(self.out, source.file)
        archive = self.store.find(source)
        if archive is None and receipt is not None and self.is_installed(source, receipt):
            self.add_row(receipt)  # unpacked by an earlier run, which did not keep the archive
            return
        if archive is not None and self.try_local(source, archive):
            return
        self.store.download(source, lambda archive: self.use(source, archive))

    def try_local(self, source: Source, archive: Archive) -> bool:
        """Use an archive that is here. False if it is an earlier download that is damaged: it is deleted."""
        try:
            self.use(source, archive)
        except UnpackError as error:
            if archive.source == LOCAL or not isinstance(error, Damaged):
                self.store.forget_checksum(source)  # of a file that the user will replace by another
                raise
            log.say(str(error))
            self.store.delete_download(source)
            return False
        return True

    def use(self, source: Source, archive: Archive) -> None:
        """Unpack a verified archive unless its files are installed already."""
        if source.kind == "list":
            self.fetch_listed(source, archive)
            return
        receipt = receipts.load(self.out, source.file)
        if receipt is None or receipt.sha256 != archive.sha256 or not receipt.is_intact(self.out, source.unpack):
            receipt = self.unpack(source, archive, receipt)
        self.add_row(receipt)
        if not self.keep and archive.source != LOCAL and archive.path == self.store.download_path(source):
            archive.path.unlink()

    def is_installed(self, source: Source, receipt: Receipt) -> bool:
        """Whether the files of an archive are here, so that the deleted archive is not needed."""
        return receipt.is_intact(self.out, source.unpack) and source.sha256 in ("", receipt.sha256)

    def add_row(self, receipt: Receipt) -> None:
        """Add an archive to the rows of fetched.tsv."""
        self.rows.append((receipt.file, receipt.bytes, receipt.sha256, receipt.source, len(receipt.files)))

    def fetch_listed(self, source: Source, archive: Archive) -> None:
        """Fetch the archives that a list names; `archive` is the list."""
        parts = listed_sources(source, archive.path)
        self.rows.append((source.file, archive.bytes, archive.sha256, archive.source, len(parts)))
        for part in log.progress(parts, len(parts), source.file):
            with self.collect_missing(part):
                self.fetch(part)

    def unpack(self, source: Source, archive: Archive, old: Receipt | None) -> Receipt:
        """Unpack into a scratch folder, delete the files of the `old` archive of this name, then move the new ones."""
        log.say(f"unpacking {archive.path}")
        with self.scratch() as scratch:
            if source.kind == "plain":
                root = scratch
                shutil.copyfile(archive.path, scratch / archive.path.name)
            else:
                unpack(archive.path, scratch)
                unpack_nested(archive.path, scratch)
                root = content_folder(scratch, videos=source.unpack.startswith("videos"))
            if not any(path.is_file() for path in root.rglob("*")):
                raise Damaged(archive.path, "it holds no files")
            if old is not None:
                receipts.uninstall(self.out, old)
            new = Receipt(source.file, archive.bytes, archive.sha256, archive.source, source.unpack, {}, [])
            return receipts.install(self.out, root, new)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder on the disk of OUT, deleted afterwards; what a killed run left in it is deleted first."""
        path = self.out / SCRATCH
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def remove_unlisted(self) -> None:
        """Delete the files of archives that sources.tsv no longer lists."""
        listed = {row[0] for row in self.rows}
        for receipt in list(receipts.load_all(self.out)):
            if receipt.file not in listed:
                log.say(f"{receipt.file} is no longer in sources.tsv: its {len(receipt.files)} files are removed")
                receipts.uninstall(self.out, receipt)

    def remove_incomplete(self) -> None:
        """Delete partial files of killed runs, which nothing needs once the data set is complete."""
        shutil.rmtree(self.out / SCRATCH, ignore_errors=True)
        for folder in (self.out / "archives", self.out / receipts.FOLDER):
            for pattern in INCOMPLETE:
                for path in folder.rglob(pattern):
                    path.unlink()
