"""Merging an unpacked archive into OUT, with a receipt of every file it brought, so that a killed run can be redone.

A receipt is written before the first file is moved and marked whole after the last: whatever a kill leaves behind is
listed, taken away, and brought again. A changed archive takes its old files with it in the same way.
"""

import contextlib
import filecmp
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pipeline.common.errors import UserError
from pipeline.common.files import sync, whole_file

FOLDER = "receipts"


@dataclass(frozen=True)
class Receipt:
    """What one archive is and brought: `files` maps paths below OUT to bytes, `folders` are those that hold no file."""

    file: str
    bytes: int
    sha256: str
    source: str
    target: str
    files: dict[str, int]
    folders: list[str]
    whole: bool = False

    def stands(self, out: Path, target: str) -> bool:
        """Whether everything it lists is still there, by name and size, and where sources.tsv wants it."""
        here = self.whole and self.target == target
        return here and all(_size(out / name) == size for name, size in self.files.items())


def find(out: Path, file: str) -> Receipt | None:
    """The receipt of an archive, whole or not; None if it was never unpacked."""
    return _read(_path(out, file))


def every(out: Path) -> Iterator[Receipt]:
    """All receipts there are."""
    for path in sorted((out / FOLDER).rglob("*.json")):
        receipt = _read(path)
        if receipt is not None:
            yield receipt


def bring(out: Path, root: Path, receipt: Receipt) -> Receipt:
    """Move what is under `root` to the receipt's target; it comes in with no files and is returned with all of them.

    Raises UserError if another archive brought a different file of the same name.
    """
    target = receipt.target
    names = {f"{target}/{path.relative_to(root).as_posix()}": path for path in sorted(root.rglob("*"))}
    files = {name: path for name, path in names.items() if path.is_file()}
    empty = [name for name, path in names.items() if path.is_dir() and not any(path.iterdir())]
    receipt = replace(receipt, files={name: path.stat().st_size for name, path in files.items()}, folders=empty)
    _write(out, receipt)
    for name, path in files.items():
        _move(path, out / name, receipt.file)
    for name in [target, *empty]:
        (out / name).mkdir(parents=True, exist_ok=True)
    for folder in {path.parent for path in map(out.joinpath, files)}:
        sync(folder)
    receipt = replace(receipt, whole=True)
    _write(out, receipt)
    return receipt


def withdraw(out: Path, receipt: Receipt) -> None:
    """Take away what an archive brought, the folders this empties, and the receipt last."""
    for name in receipt.files:
        (out / name).unlink(missing_ok=True)
    for name in sorted({*receipt.folders, *_parents(receipt.files)}, reverse=True):
        with contextlib.suppress(OSError):  # not empty: another archive's files are in it
            (out / name).rmdir()
    _path(out, receipt.file).unlink(missing_ok=True)


def _move(path: Path, target: Path, file: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and not filecmp.cmp(path, target, shallow=False):
        raise UserError(
            f"{file} holds another {target} than is there already: move that one away, or correct the unpack column"
            " of sources.tsv"
        )
    sync(path)
    path.replace(target)


def _parents(files: dict[str, int]) -> set[str]:
    return {parent.as_posix() for name in files for parent in Path(name).parents if parent != Path()}


def _path(out: Path, file: str) -> Path:
    return out / FOLDER / f"{file}.json"


def _read(path: Path) -> Receipt | None:
    try:
        return Receipt(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write(out: Path, receipt: Receipt) -> None:
    with whole_file(_path(out, receipt.file)) as scratch:
        scratch.write_text(json.dumps(asdict(receipt), indent=1), encoding="utf-8")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
