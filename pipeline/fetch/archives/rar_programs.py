"""RAR archives without the unrar library, through the first of bsdtar, unrar and 7z that is on the PATH."""

import shutil
import stat
import subprocess
from pathlib import Path

from pipeline.common.errors import UserError
from pipeline.fetch.archives.members import FILE, WITHOUT_LINKS, BadArchive, Member, UnsupportedArchive, safe_path

# program: (arguments that list the members' names, arguments that unpack into the working folder)
PROGRAMS = {
    "bsdtar": (["-tf", "{archive}"], ["-xf", "{archive}"]),
    "unrar": (["lb", "{archive}"], ["x", "-idq", "-p-", "{archive}"]),
    "7z": (["l", "-ba", "-slt", "{archive}"], ["x", "-bd", "-y", "-p", "{archive}"]),
    "7zz": (["l", "-ba", "-slt", "{archive}"], ["x", "-bd", "-y", "-p", "{archive}"]),
}


def unpack(path: Path, folder: Path) -> None:
    """Unpack into `folder`. Names are checked before unpacking; links and devices are refused afterwards."""
    program = _find_program(path)
    listing, unpacking = PROGRAMS[program]
    for name in _member_names(program, _run(program, listing, path, folder)):
        safe_path(Member(name, 0, FILE))
    _run(program, unpacking, path, folder)
    for file in folder.rglob("*"):
        mode = file.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise UnsupportedArchive(
                f"its member {str(file.relative_to(folder))!r} is a link or a device", WITHOUT_LINKS
            )


def _find_program(path: Path) -> str:
    for program in PROGRAMS:
        if shutil.which(program):
            return program
    raise UserError(
        f"{path} is a RAR archive and nothing here reads RAR:"
        " pip install unrar2-cffi, or install one of bsdtar, unrar and 7z"
    )


def _run(program: str, arguments: list[str], path: Path, folder: Path) -> str:
    command = [program, *(argument.format(archive=path.resolve()) for argument in arguments)]
    process = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
    if process.returncode:
        lines = (process.stderr or process.stdout).strip().splitlines() or ["no reason given"]
        raise BadArchive(f"{program} says {lines[-1]!r}")
    return process.stdout


def _member_names(program: str, listing: str) -> list[str]:
    lines = listing.splitlines()
    if program.startswith("7z"):
        return [line.removeprefix("Path = ") for line in lines if line.startswith("Path = ")]
    return lines
