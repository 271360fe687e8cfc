"""Tar archives, plain or gzipped, read once from front to back; a missing end is noticed."""

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
END = b"\0" * tarfile.BLOCKSIZE
DAMAGE = (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile)


class Tail:
    """A stream that remembers its last tar block: the end mark of a whole archive is a block of zeros."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.last = b""

    def read(self, size: int) -> bytes:
        data = self.stream.read(size)
        self.last = (self.last + data)[-tarfile.BLOCKSIZE :]
        return data

    def drain(self) -> None:
        """Read to the end, which is where gzip keeps its checksum."""
        while self.read(BLOCK):
            pass


def read(path: Path) -> Iterator[tuple[Member, Save]]:
    """Members in the archive's order, each with the call that streams its bytes (call it before the next member)."""
    with _bytes(path) as stream:
        tail = Tail(stream)
        try:
            with tarfile.open(fileobj=cast(BinaryIO, tail), mode="r|") as archive:
                for info in archive:
                    yield Member(info.name, info.size, _sort(info)), _saver(archive, info)
            tail.drain()
        except DAMAGE as error:
            raise BadArchive(f"it is truncated or damaged: {error}") from error
        if tail.last != END:
            raise BadArchive("it is truncated: the end mark of a tar archive is missing")


def declared(path: Path) -> tuple[int, int]:
    """How many members there are, and the bytes they will take.

    Of a gzipped tar 0 members and the bytes it has itself, since counting would mean unpacking it twice.
    """
    with open(path, "rb") as file:
        gzipped = file.read(2) == GZIP
    sizes = [] if gzipped else [member.size for member, _ in read(path)]
    return len(sizes), path.stat().st_size if gzipped else sum(sizes)


def _bytes(path: Path) -> BinaryIO:
    file = open(path, "rb")  # noqa: SIM115 - the caller closes what is returned
    magic = file.read(2)
    file.seek(0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=file)) if magic == GZIP else file


def _sort(info: tarfile.TarInfo) -> str:
    if info.isdir():
        return FOLDER
    if info.isfile():
        return FILE
    return "link" if info.islnk() or info.issym() else "device"


def _saver(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Save:
    def save(file: BinaryIO) -> None:
        try:
            source = archive.extractfile(info)
            if source is not None:
                shutil.copyfileobj(source, file, BLOCK)
        except DAMAGE as error:
            raise BadArchive(f"its member {info.name!r} is truncated or damaged: {error}") from error

    return save
