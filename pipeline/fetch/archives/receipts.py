"""Move an unpacked archive's files into OUT and list them in a receipt, so that a killed run can be repeated.

A receipt is written before the first file is moved and marked `whole` after the last one. After a kill the files of an
incomplete receipt are deleted and installed again; so are the files of an archive that has changed.
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
    """One installed archive: `files` maps paths below OUT to sizes in bytes, `folders` are its empty folders.

    `target` is the folder below OUT; `whole` says that every file was moved. The fields are the keys of the JSON file.
    """

    file: str
    bytes: int
    sha256: str
    source: str
    target: str
    files: dict[str, int]
    folders: list[str]
    whole: bool = False

    def is_intact(self, out: Path, target: str) -> bool:
        """Whether every listed file exists with its size, in the folder `target` that sources.tsv names."""
        complete = self.whole and self.target == target
        return complete and all(_size(out / name) == size for name, size in self.files.items())


def load(out: Path, file: str) -> Receipt | None:
    """The receipt of an archive, complete or not; None if there is none."""
    return _read(_receipt_path(out, file))


def load_all(out: Path) -> Iterator[Receipt]:
    """Every receipt of OUT."""
    for path in sorted((out / FOLDER).rglob("*.json")):
        receipt = _read(path)
        if receipt is not None:
            yield receipt


def install(out: Path, root: Path, receipt: Receipt) -> Receipt:
    """Move the files below `root` to the receipt's target; returns the receipt with these files, marked whole.

    Raises UserError if another archive installed a different file of the same name.
    """
    target = receipt.target
    paths = {f"{target}/{path.relative_to(root).as_posix()}": path for path in sorted(root.rglob("*"))}
    files = {name: path for name, path in paths.items() if path.is_file()}
    empty = [name for name, path in paths.items() if path.is_dir() and not any(path.iterdir())]
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


def uninstall(out: Path, receipt: Receipt) -> None:
    """Delete an archive's files, then the folders that this leaves empty, then the receipt."""
    for name in receipt.files:
        (out / name).unlink(missing_ok=True)
    for name in sorted({*receipt.folders, *_parent_folders(receipt.files)}, reverse=True):
        with contextlib.suppress(OSError):  # not empty: it holds files of another archive
            (out / name).rmdir()
    _receipt_path(out, receipt.file).unlink(missing_ok=True)


def _move(path: Path, target: Path, file: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and not filecmp.cmp(path, target, shallow=False):
        raise UserError(
            f"{file} holds another {target} than is there already: move that file away, or correct the unpack column"
            " of sources.tsv"
        )
    sync(path)
    path.replace(target)


def _parent_folders(files: dict[str, int]) -> set[str]:
    return {parent.as_posix() for name in files for parent in Path(name).parents if parent != Path()}


def _receipt_path(out: Path, file: str) -> Path:
    return out / FOLDER / f"{file}.json"


def _read(path: Path) -> Receipt | None:
    try:
        return Receipt(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write(out: Path, receipt: Receipt) -> None:
    with whole_file(_receipt_path(out, receipt.file)) as scratch:
        scratch.write_text(json.dumps(asdict(receipt), indent=1), encoding="utf-8")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
