"""RAR without the unrar library: bsdtar, 7z or unrar from the PATH, whichever is there."""

import shutil
import stat
import subprocess
from pathlib import Path

from pipeline.common.errors import UserError
from pipeline.fetch.archives.members import FILE, BadArchive, Member, place

# program: (arguments that list bare member names, arguments that unpack into the working folder)
TOOLS = {
    "bsdtar": (["-tf", "{archive}"], ["-xf", "{archive}"]),
    "unrar": (["lb", "{archive}"], ["x", "-idq", "-p-", "{archive}"]),
    "7z": (["l", "-ba", "-slt", "{archive}"], ["x", "-bd", "-y", "-p", "{archive}"]),
    "7zz": (["l", "-ba", "-slt", "{archive}"], ["x", "-bd", "-y", "-p", "{archive}"]),
}


def unpack(path: Path, folder: Path) -> None:
    """Unpack with the first program found; names are checked before, links and devices after."""
    program = _program(path)
    listing, unpacking = TOOLS[program]
    for name in _names(program, _run(program, listing, path, folder)):
        place(Member(name, 0, FILE))
    _run(program, unpacking, path, folder)
    for found in folder.rglob("*"):
        mode = found.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise BadArchive(f"its member {str(found.relative_to(folder))!r} is a link or a device")


def _program(path: Path) -> str:
    for program in TOOLS:
        if shutil.which(program):
            return program
    raise UserError(
        f"{path} is a RAR archive and nothing here reads RAR:"
        " pip install unrar2-cffi, or install one of bsdtar, unrar and 7z"
    )


def _run(program: str, arguments: list[str], path: Path, folder: Path) -> str:
    command = [program, *(argument.format(archive=path.resolve()) for argument in arguments)]
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise BadArchive(f"{program} says {lines[-1]!r}")
    return done.stdout


def _names(program: str, listing: str) -> list[str]:
    lines = listing.splitlines()
    if program.startswith("7z"):
        return [line.removeprefix("Path = ") for line in lines if line.startswith("Path = ")]
    return lines
