"""Tar archives, plain or gzipped, read once from front to back; a missing end raises BadArchive."""

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from pipeline.common.files import BLOCK
from pipeline.fetch.archives.members import FILE, FOLDER, BadArchive, Member, Save

GZIP = b"\x1f\x8b"
END_BLOCK = b"\0" * tarfile.BLOCKSIZE
READ_ERRORS = (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile)


class TailReader:
    """A stream that keeps its last tar block: a complete archive ends with a block of zeros, which tarfile ignores."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.last = b""

    def read(self, size: int) -> bytes:
        data = self.stream.read(size)
        self.last = (self.last + data)[-tarfile.BLOCKSIZE :]
        return data

    def drain(self) -> None:
        """Read to the end of the stream, where gzip stores its checksum."""
        while self.read(BLOCK):
            pass


def read(path: Path) -> Iterator[tuple[Member, Save]]:
    """Each member, in the archive's order, with a function that streams its bytes (call it before the next member)."""
    with _open(path) as stream:
        tail = TailReader(stream)
        try:
            with tarfile.open(fileobj=cast(BinaryIO, tail), mode="r|") as archive:
                for info in archive:
                    yield _member(info), _make_save(archive, info)
            tail.drain()
        except READ_ERRORS as error:
            raise BadArchive(f"it is truncated or damaged: {error}") from error
        if tail.last != END_BLOCK:
            raise BadArchive("it is truncated: the end mark of a tar archive is missing")


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
    return Member(info.name, info.size, _member_type(info), info.linkname if info.islnk() else "")


def _member_type(info: tarfile.TarInfo) -> str:
    if info.isdir():
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
