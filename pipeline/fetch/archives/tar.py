"""Tar archives, plain or gzipped, read once from front to back; a missing end raises BadArchive."""

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from pipeline.common.files import BLOCK
from pipeline.fetch.archives.members import FILE, FOLDER, BadArchive, Member, Save, UnsupportedArchive

GZIP = b"\x1f\x8b"
KEPT = 4 * tarfile.RECORDSIZE  # tarfile reads at most one record beyond the end of an archive
VOLUME_LABEL, CONTINUED, DUMP_FOLDER = b"V", b"M", b"D"  # types of GNU tar
JOIN = "unpack all volumes with `tar -xM -f VOLUME1 -f VOLUME2 ...`, pack the files as one tar and put that there"
READ_ERRORS = (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile)


class TarStream:
    """A stream that can go back by what tarfile has read beyond the end of an archive."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.position = 0
        self.recent = b""  # the last bytes read
        self.pending = b""  # bytes to be read again

    def read(self, size: int) -> bytes:
        data, self.pending = self.pending[:size], self.pending[size:]
        data = data or self.stream.read(size)
        self.recent = (self.recent + data)[-KEPT:]
        self.position += len(data)
        return data

    def go_back(self, position: int) -> None:
        """Read next from `position`, which is at most KEPT bytes before the current one."""
        count = self.position - position
        if count:
            self.recent, self.pending = self.recent[:-count], self.recent[-count:] + self.pending
        self.position = position

    def skip_zeros(self) -> int:
        """Skip blocks of zeros; returns their number. The stream is then at its end or at a block with content."""
        count = 0
        while block := self.read(tarfile.BLOCKSIZE):
            if block.strip(b"\0"):
                self.go_back(self.position - len(block))
                break
            count += 1
        return count


def read(path: Path) -> Iterator[tuple[Member, Save]]:
    """Each member, in the archive's order, with a function that streams its bytes (call it before the next member).

    tarfile stops at the first block of zeros, or at a damaged header. Here the file is read to its last byte: archives
    that were concatenated (`cat a.tar b.tar`, `tar --concatenate`) give the members of all of them, and anything else
    behind an end mark raises BadArchive. The end of the stream is also where gzip stores its checksum.
    """
    with _open(path) as file:
        stream = TarStream(file)
        first = True
        while first or stream.pending:
            start = stream.position
            try:
                with tarfile.open(fileobj=cast(BinaryIO, stream), mode="r|") as archive:
                    for info in archive:
                        if info.type != VOLUME_LABEL:
                            yield _member(info), _make_save(archive, info)
                    stream.go_back(start + archive.offset)
                zeros = stream.skip_zeros()
            except READ_ERRORS as error:
                if first:
                    raise BadArchive(f"it is truncated or damaged: {error}") from error
                raise BadArchive(f"what follows its end mark at byte {start:,} is no tar archive: {error}") from error
            if not zeros and stream.pending:
                raise BadArchive(f"the header at byte {stream.position:,} is damaged")
            if not zeros:
                raise BadArchive("it is truncated: the end mark of a tar archive is missing")
            first = False


def count_and_size(path: Path) -> tuple[int, int]:
    """(number of members, bytes when unpacked).

    For a gzipped tar (0, size of the archive), since counting would mean decompressing it twice.
    """
    with open(path, "rb") as file:
        gzipped = file.read(2) == GZIP
    sizes = [] if gzipped else [member.size for member, _ in read(path)]
    return len(sizes), path.stat().st_size if gzipped else sum(sizes)


def _open(path: Path) -> BinaryIO:
    file = open(path, "rb")  # noqa: SIM115 - the caller closes what is returned
    magic = file.read(2)
    file.seek(0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=file)) if magic == GZIP else file


def _member(info: tarfile.TarInfo) -> Member:
    if info.type == CONTINUED:
        raise UnsupportedArchive(f"its member {info.name!r} begins in another volume of a multi-volume tar", JOIN)
    return Member(info.name, info.size, _member_type(info), info.linkname if info.islnk() else "")


def _member_type(info: tarfile.TarInfo) -> str:
    if info.isdir() or info.type == DUMP_FOLDER or (info.isreg() and info.name.endswith("/") and not info.size):
        return FOLDER
    if info.isfile() or info.islnk():  # tar stores a second name of a file as a hard link to the first
        return FILE
    return "link" if info.issym() else "device"


def _make_save(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Save:
    def save(file: BinaryIO) -> None:
        try:
            source = archive.extractfile(info)
            if source is not None:
                shutil.copyfileobj(source, file, BLOCK)
        except READ_ERRORS as error:
            raise BadArchive(f"its member {info.name!r} is truncated or damaged: {error}") from error

    return save
