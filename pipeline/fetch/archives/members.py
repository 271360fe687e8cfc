"""The members that every archive reader yields, and the checks of a member before any of its bytes are written."""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pipeline.common.errors import UserError

FILE = "file"
FOLDER = "folder"

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MACOS_FOLDER, MACOS_FILE = "__MACOSX", ".DS_Store"  # macOS adds them to archives


class Member(NamedTuple):
    """One entry of an archive. `size` is declared, in bytes; `type` is FILE, FOLDER or a word such as "link"."""

    name: str
    size: int
    type: str


Save = Callable[[BinaryIO], None]  # streams a member's bytes into a file; raises BadArchive on a wrong checksum
Reader = Callable[[Path], Iterator[tuple[Member, Save]]]


class BadArchive(Exception):
    """An archive that is truncated, damaged, encrypted or unsafe. The message does not name the archive."""


class Damaged(UserError):
    """A BadArchive with the archive's path, as a sentence for the user; `reason` is the part without the path."""

    def __init__(self, archive: Path, reason: object) -> None:
        super().__init__(f"{archive} cannot be unpacked: {reason}; delete it, or put a good copy there, and run again")
        self.reason = str(reason)


def safe_path(member: Member) -> Path | None:
    """The path of a member relative to the target folder; None for files that macOS added, which are skipped.

    Raises BadArchive if the path leaves the folder or the member is neither a file nor a folder.
    """
    parts = [part for part in member.name.replace("\\", "/").split("/") if part not in ("", ".")]
    if member.name.startswith(("/", "\\")) or ".." in parts or "\0" in member.name or member.name[1:3] in (":/", ":\\"):
        raise BadArchive(f"its member {member.name!r} would be written outside the target folder")
    if member.type not in (FILE, FOLDER):
        raise BadArchive(f"its member {member.name!r} is a {member.type}, and only files and folders are unpacked")
    if not parts or parts[0] == MACOS_FOLDER or parts[-1] == MACOS_FILE:
        return None
    return Path(*parts)
