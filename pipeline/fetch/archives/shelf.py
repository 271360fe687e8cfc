"""Getting hold of one archive: found on this machine or downloaded, and verified either way before anyone opens it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv, sha256, sync, write_tsv
from pipeline.fetch.archives.kinds import ARCHIVES, PAGE, kind_of
from pipeline.fetch.archives.members import Damaged
from pipeline.fetch.download import Patience, Transfer, Unavailable, discard, download
from pipeline.fetch.sources import Source

CHECKSUMS = "checksums.tsv"
COLUMNS = ("file", "bytes", "sha256", "url")
LOCAL = "local"


class WrongFile(Exception):
    """What is wrong with a file, to follow its name."""


@dataclass(frozen=True)
class Archive:
    """A verified file on this machine; `source` is the URL it came from, or "local"."""

    path: Path
    bytes: int
    sha256: str
    source: str


@dataclass(frozen=True)
class Shelf:
    """The user's folder of archives, which is only read, and OUT/archives, where downloads go."""

    out: Path
    folder: Path | None = None
    patience: Patience = field(default_factory=Patience)

    def kept(self, source: Source) -> Path:
        """Where a downloaded archive lies."""
        return self.out / "archives" / source.file

    def wanted(self, source: Source) -> Path:
        """Where the user should put an archive that cannot be downloaded."""
        return self.folder / source.file if self.folder else self.kept(source)

    def find(self, source: Source) -> Archive | None:
        """The archive if it is on this machine; a wrong one is a UserError, never used and never overwritten."""
        for path in dict.fromkeys((self.wanted(source), self.kept(source))):
            if path.is_file():
                came = self._recorded(source).get("url", LOCAL) if path == self.kept(source) else LOCAL
                try:
                    return self._verified(source, path, came)
                except WrongFile as error:
                    raise UserError(f"{path} {error}: put the right file there, or delete it and run again") from error
        return None

    def download(self, source: Source, use: Callable[[Archive], None]) -> None:
        """Download from the first address that gives a file which `use` does not find Damaged.

        Raises Unavailable, with the last reason, if none does.
        """
        last = Unavailable("no address is known")
        for url in source.urls:
            part = self.kept(source).with_name(f"{self.kept(source).name}.part")
            transfer = Transfer(url, part, source.kind == "archive", source.bytes, self.patience)
            try:
                use(self._download(source, transfer))
                return
            except Unavailable as error:
                last = error
            except Damaged as error:
                self.reject(source)
                last = Unavailable(f"{url} gave a damaged archive: {error.reason}")
            log.say(str(last))
        raise last

    def reject(self, source: Source) -> None:
        """Remove a download that turned out damaged, and what was recorded of it."""
        self.forget(source)
        self.kept(source).unlink(missing_ok=True)

    def forget(self, source: Source) -> None:
        """Drop what was recorded of an archive that turned out damaged, so that a good copy is not measured by it."""
        known = self._checksums()
        if known.pop(source.file, None):
            self._write_checksums(known)

    def _download(self, source: Source, transfer: Transfer) -> Archive:
        log.say(f"downloading {transfer.url}")
        transfer.part.parent.mkdir(parents=True, exist_ok=True)
        download(transfer)
        try:
            archive = self._verified(source, transfer.part, transfer.url)
        except WrongFile as error:
            discard(transfer)
            raise Unavailable(f"{transfer.url} gave a file that {error}") from error
        transfer.part.replace(self.kept(source))
        sync(self.kept(source).parent)
        discard(transfer)
        return Archive(self.kept(source), archive.bytes, archive.sha256, archive.source)

    def _verified(self, source: Source, path: Path, came: str) -> Archive:
        """Kind, length and checksum of a file, against sources.tsv or what was recorded at the first download."""
        check_kind(source, path)
        size = path.stat().st_size
        if source.bytes not in (None, size):
            raise WrongFile(f"has {size} bytes where {source.bytes} are expected")
        digest = sha256(path)
        due = source.sha256 or self._recorded(source).get("sha256", digest)
        if digest != due:
            raise WrongFile(f"has the sha256 {digest} where {due} is on record")
        archive = Archive(path, size, digest, came)
        self._record(source, archive)
        return archive

    def _checksums(self) -> dict[str, dict[str, str]]:
        path = self.out / CHECKSUMS
        return {row["file"]: row for row in read_tsv(path, COLUMNS)} if path.exists() else {}

    def _recorded(self, source: Source) -> dict[str, str]:
        """What is on record of an archive; nothing of one without an address, which is made here and may change."""
        return self._checksums().get(source.file, {}) if source.urls else {}

    def _record(self, source: Source, archive: Archive) -> None:
        if not source.urls or self._recorded(source):
            return
        known = self._checksums()
        cells = (source.file, str(archive.bytes), archive.sha256, archive.source)
        known[source.file] = dict(zip(COLUMNS, cells, strict=True))
        self._write_checksums(known)

    def _write_checksums(self, known: dict[str, dict[str, str]]) -> None:
        write_tsv(self.out / CHECKSUMS, COLUMNS, [[row[name] for name in COLUMNS] for _, row in sorted(known.items())])


def check_kind(source: Source, path: Path) -> None:
    """Raise WrongFile unless the first bytes are those of an archive, where one is due, or at least of no web page."""
    kind = kind_of(path)
    if kind == PAGE:
        raise WrongFile(f"is a web page, not {'an archive' if source.kind == 'archive' else 'a list'}")
    if source.kind == "archive" and kind not in ARCHIVES:
        raise WrongFile("is no RAR, zip or tar archive")
