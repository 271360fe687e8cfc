"""What every archive reader yields, and the rules a member must keep before a byte of it is written."""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pipeline.common.errors import UserError

FILE = "file"
FOLDER = "folder"

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
JUNK = ("__MACOSX", ".DS_Store")  # what macOS adds to archives by itself


class Member(NamedTuple):
    """One entry of an archive; `size` is the declared bytes, `sort` is "file", "folder" or what else it is."""

    name: str
    size: int
    sort: str


Save = Callable[[BinaryIO], None]  # streams a member's bytes into a file; raises BadArchive on a wrong checksum
Reader = Callable[[Path], Iterator[tuple[Member, Save]]]


class BadArchive(Exception):
    """An archive that is truncated, damaged, locked or unsafe; the message says which, without naming the archive."""


class Damaged(UserError):
    """The same with the archive's name, as a sentence for the user; another copy of the archive may be better."""

    def __init__(self, archive: Path, reason: object) -> None:
        super().__init__(f"{archive} cannot be unpacked: {reason}; delete it, or put a good copy there, and run again")
        self.reason = str(reason)


def place(member: Member) -> Path | None:
    """Where in its folder a member goes; None for a member that is left out (macOS' own additions).

    Raises BadArchive for what could write outside the folder or make something other than a file.
    """
    parts = [part for part in member.name.replace("\\", "/").split("/") if part not in ("", ".")]
    if member.name.startswith(("/", "\\")) or ".." in parts or "\0" in member.name or member.name[1:3] in (":/", ":\\"):
        raise BadArchive(f"its member {member.name!r} would be written outside the target folder")
    if member.sort not in (FILE, FOLDER):
        raise BadArchive(f"its member {member.name!r} is a {member.sort}, and only files and folders are unpacked")
    if not parts or parts[0] == JUNK[0] or parts[-1] == JUNK[1]:
        return None
    return Path(*parts)
