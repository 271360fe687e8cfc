"""The members that every archive reader yields, and the checks of a member before any of its bytes are written."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pipeline.common.errors import UserError

FILE = "file"
FOLDER = "folder"
PASSWORD_PROTECTED = "password-protected file"  # noqa: S105 (no password)

MACOS_FOLDER, MACOS_FILE = "__MACOSX", ".DS_Store"  # macOS adds them to archives


class Member(NamedTuple):
    """One entry of an archive. `size` is declared, in bytes; `type` is FILE, FOLDER or a word such as "link".

    `link` names the member of the same archive that a hard link stands for; such a member is a FILE.
    """

    name: str
    size: int
    type: str
    link: str = ""


Save = Callable[[BinaryIO], None]  # streams a member's bytes into a file; raises BadArchive on a wrong checksum
Reader = Callable[[Path], Iterator[tuple[Member, Save]]]

REPACK = "unpack it with 7-Zip (7z x) or bsdtar (bsdtar -xf), pack the files as one zip or tar and put that there"

UNLOCK = "unpack it with its password (7z x -pPASSWORD), pack the files as one zip or tar and put that there"
WITHOUT_LINKS = (
    "unpack it with 7-Zip (7z x) or bsdtar (bsdtar -xf), put a copy of the file where a link is needed, pack the files"
    " as one zip or tar and put that there"
)


class BadArchive(Exception):
    """An archive that is truncated, damaged or unsafe. The message does not name the archive."""


class UnsupportedArchive(BadArchive):
    """An archive that may be intact but is not read here; `advice` is a clause that says how to unpack it."""

    def __init__(self, reason: object, advice: str = REPACK) -> None:
        super().__init__(str(reason))
        self.advice = advice


class UnpackError(UserError):
    """An archive that cannot be unpacked, as a sentence for the user; `reason` is the part without the path."""

    def __init__(self, archive: Path, reason: object, advice: str) -> None:
        super().__init__(f"{archive} cannot be unpacked: {reason}; {advice}, and run again")
        self.reason, self.advice = str(reason), advice


class Damaged(UnpackError):
    """An archive whose bytes are not those that its publisher packed: another copy may be good."""

    def __init__(self, archive: Path, reason: object) -> None:
        size = archive.stat().st_size
        super().__init__(
            archive, reason, f"compare its {size:,} bytes with the publisher's and put an intact copy there"
        )


class Unsupported(UnpackError):
    """An archive that may be intact: another copy of it would not be unpacked either."""


def unpack_error(archive: Path, error: BadArchive) -> UnpackError:
    """The UserError of a BadArchive, with the archive's path."""
    if isinstance(error, UnsupportedArchive):
        return Unsupported(archive, error, error.advice)
    return Damaged(archive, error)


def safe_path(member: Member) -> Path | None:
    """The path of a member relative to the target folder; None for files that macOS added, which are skipped.

    Raises BadArchive if the path leaves the folder, UnsupportedArchive if the member is neither a file nor a folder.
    """
    parts = [part for part in member.name.replace("\\", "/").split("/") if part not in ("", ".")]
    if member.name.startswith(("/", "\\")) or ".." in parts or "\0" in member.name or member.name[1:3] in (":/", ":\\"):
        raise BadArchive(f"its member {member.name!r} would be written outside the target folder")
    if member.type not in (FILE, FOLDER):
        raise UnsupportedArchive(
            f"its member {member.name!r} is a {member.type}, and only files and folders are unpacked",
            UNLOCK if member.type == PASSWORD_PROTECTED else WITHOUT_LINKS,
        )
    if not parts or parts[0] == MACOS_FOLDER or parts[-1] == MACOS_FILE:
        return None
    return Path(*parts)
