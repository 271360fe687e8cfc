"""Archives on this machine: found in the user's folder or downloaded, and verified before anything reads them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv, sha256, sync, write_tsv
from pipeline.fetch.archives.magic import ARCHIVE_FORMATS, WEB_PAGE, file_format
from pipeline.fetch.archives.members import Damaged, UnsupportedArchive, unpack_error
from pipeline.fetch.archives.unpack import unknown_format
from pipeline.fetch.download import RetryPolicy, Transfer, Unavailable, discard, download
from pipeline.fetch.sources import Source

CHECKSUMS = "checksums.tsv"
COLUMNS = ("file", "bytes", "sha256", "url")
LOCAL = "local"  # the source of an archive that was not downloaded


class WrongFile(Exception):
    """A file that is not the expected one. The message is a clause that follows the file's name."""


@dataclass(frozen=True)
class Archive:
    """A verified file; `source` is the URL that it was downloaded from, or LOCAL."""

    path: Path
    bytes: int
    sha256: str
    source: str


@dataclass(frozen=True)
class ArchiveStore:
    """The user's `folder` of archives, which is only read, and OUT/archives, where downloads go."""

    out: Path
    folder: Path | None = None
    retries: RetryPolicy = field(default_factory=RetryPolicy)

    def download_path(self, source: Source) -> Path:
        """The path of a downloaded archive."""
        return self.out / "archives" / source.file

    def expected_path(self, source: Source) -> Path:
        """Where the user should put an archive that cannot be downloaded."""
        return self.folder / source.file if self.folder else self.download_path(source)

    def find(self, source: Source) -> Archive | None:
        """The archive if it is on this machine. A wrong file raises UserError; it is not used and not overwritten."""
        for path in dict.fromkeys((self.expected_path(source), self.download_path(source))):
            if path.is_file():
                downloaded = path == self.download_path(source)
                url = self._recorded(source).get("url", LOCAL) if downloaded else LOCAL
                try:
                    return self._verify(source, path, url)
                except WrongFile as error:
                    other = ", or move it away to have the file downloaded," if source.urls else ""
                    raise UserError(f"{path} {error}: put the right file there{other} and run again") from error
        return None

    def download(self, source: Source, use: Callable[[Archive], None]) -> None:
        """Download the archive and call `use` with it; the next URL is tried if a URL fails or `use` raises Damaged.

        Raises Unavailable with the last reason when every URL has failed.
        """
        last = Unavailable("no address is known")
        for url in source.urls:
            part = self.download_path(source).with_name(f"{self.download_path(source).name}.part")
            transfer = Transfer(url, part, source.kind == "archive", source.bytes, self.retries)
            try:
                use(self._download(source, transfer))
                return
            except Unavailable as error:
                last = error
            except Damaged as error:
                self.delete_download(source)
                last = Unavailable(f"{url} gave a damaged archive: {error.reason}")
            log.say(str(last))
        raise last

    def delete_download(self, source: Source) -> None:
        """Delete a download that is damaged, and its recorded checksum."""
        self.forget_checksum(source)
        self.download_path(source).unlink(missing_ok=True)

    def forget_checksum(self, source: Source) -> None:
        """Delete the recorded checksum of an archive that is damaged, which a good copy would not match."""
        rows = self._read_checksums()
        if rows.pop(source.file, None):
            self._write_checksums(rows)

    def _download(self, source: Source, transfer: Transfer) -> Archive:
        log.say(f"downloading {transfer.url}")
        transfer.part.parent.mkdir(parents=True, exist_ok=True)
        download(transfer)
        try:
            archive = self._verify(source, transfer.part, transfer.url)
        except WrongFile as error:
            discard(transfer)
            raise Unavailable(f"{transfer.url} gave a file that {error}") from error
        path = self.download_path(source)
        transfer.part.replace(path)
        sync(path.parent)
        discard(transfer)
        return Archive(path, archive.bytes, archive.sha256, archive.source)

    def _verify(self, source: Source, path: Path, url: str) -> Archive:
        """Check format, size and checksum, which come from sources.tsv or else from the first download."""
        check_format(source, path)
        size = path.stat().st_size
        if source.bytes not in (None, size):
            raise WrongFile(f"has {size} bytes where {source.bytes} are expected")
        digest = sha256(path)
        expected = source.sha256 or self._recorded(source).get("sha256", digest)
        if digest != expected:
            raise WrongFile(f"has the sha256 {digest} where {expected} is on record")
        archive = Archive(path, size, digest, url)
        self._record(source, archive)
        return archive

    def _read_checksums(self) -> dict[str, dict[str, str]]:
        path = self.out / CHECKSUMS
        return {row["file"]: row for row in read_tsv(path, COLUMNS)} if path.exists() else {}

    def _recorded(self, source: Source) -> dict[str, str]:
        """The row of checksums.tsv; empty for an archive without URLs, which this workflow writes and may change."""
        return self._read_checksums().get(source.file, {}) if source.urls else {}

    def _record(self, source: Source, archive: Archive) -> None:
        if not source.urls or self._recorded(source):
            return
        rows = self._read_checksums()
        cells = (source.file, str(archive.bytes), archive.sha256, archive.source)
        rows[source.file] = dict(zip(COLUMNS, cells, strict=True))
        self._write_checksums(rows)

    def _write_checksums(self, rows: dict[str, dict[str, str]]) -> None:
        write_tsv(self.out / CHECKSUMS, COLUMNS, [[row[name] for name in COLUMNS] for _, row in sorted(rows.items())])


def check_format(source: Source, path: Path) -> None:
    """Raise WrongFile if the file is a web page, or if it is no archive where sources.tsv says `archive`.

    An archive of a format that is not read here, or a part of one, raises Unsupported.
    """
    name = file_format(path)
    if name == WEB_PAGE:
        raise WrongFile(f"is a web page, not {'an archive' if source.kind == 'archive' else 'a list'}")
    if source.kind == "archive" and name not in ARCHIVE_FORMATS:
        error = unknown_format(path)
        if isinstance(error, UnsupportedArchive):
            raise unpack_error(path, error)
        raise WrongFile("is no RAR, zip or tar archive")
