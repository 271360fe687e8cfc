"""Atomic writes: a file or folder is written beside its target, flushed to disk, then renamed to it."""

import contextlib
import csv
import errno
import glob
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from pipeline.common.errors import UserError

BLOCK = 1 << 20  # bytes that readers and writers of large files handle at a time
DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFull(UserError):
    """`target` does not fit on its disk or in a quota: `written` bytes were written and `free` bytes are left."""

    def __init__(self, target: Path, written: int, free: int, needed: str = "") -> None:
        super().__init__(
            f"{target} does not fit on its disk: {needed or f'{written:,} bytes were written'} and {free:,} bytes are"
            " free: make room, raise the limit or choose another disk, and run again"
        )
        self.target, self.written, self.free = target, written, free


def refuse_full_disk(target: Path | str, needed: int) -> None:
    """Raise DiskFull if the disk of `target` has less than `needed` bytes free; call it before writing anything."""
    target = Path(target)
    existing = next(path for path in (target, *target.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise DiskFull(target, 0, free, f"{needed:,} bytes are needed")


@contextlib.contextmanager
def whole_file(target: Path | str, needed: Callable[[], float] = lambda: 0.0) -> Iterator[Path]:
    """A temporary path beside `target`, renamed to `target` when the block succeeds and deleted when it fails.

    The path has the suffix of `target`, because libraries choose a format by it. `needed()` estimates the bytes of
    the complete file (0 if not yet known) for the message of a full disk.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_scratch(target)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=_scratch_prefix(target), suffix=target.suffix)
    os.close(handle)
    scratch = Path(name)
    try:
        with _full_disk_as_user_error(target, scratch, needed):
            yield scratch
        scratch.chmod(0o666 & ~_umask())  # mkstemp's files are private; results are not
        sync(scratch)
        scratch.replace(target)
        sync(target.parent)
    finally:
        scratch.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(target: Path | str) -> Iterator[Path]:
    """A temporary folder beside `target` that replaces `target` when the block succeeds; deleted when it fails."""
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_scratch(target)
    scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=_scratch_prefix(target)))
    try:
        with _full_disk_as_user_error(target, scratch):
            yield scratch
        scratch.chmod(0o777 & ~_umask())
        for path in scratch.rglob("*"):
            sync(path)
        sync(scratch)
        if target.exists():
            shutil.rmtree(target)
        scratch.rename(target)
        sync(target.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def scratch_folder(target: Path | str) -> Iterator[Path]:
    """A temporary folder beside `target`, deleted when the block ends; one that a killed job left is deleted first."""
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_scratch(target)
    scratch = tempfile.TemporaryDirectory(dir=target.parent, prefix=_scratch_prefix(target))
    with scratch as name, _full_disk_as_user_error(target, Path(name)):
        yield Path(name)


def remove_scratch(target: Path) -> None:
    """Delete the temporary files and folders of `target` that a killed job left."""
    for stale in target.parent.glob(glob.escape(_scratch_prefix(target)) + "*"):
        shutil.rmtree(stale, ignore_errors=True) if stale.is_dir() else stale.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Flush a file's bytes, or a folder's entries, to the disk (fsync)."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def short_hash(data: bytes | str) -> str:
    """The first 12 hex digits of the SHA-256 of some bytes or text: settings, code and lists are compared by it."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()[:12]


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file as hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_tsv(path: Path | str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a tab-separated table with a header line, atomically."""
    with whole_file(path) as scratch, open(scratch, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def read_tsv(path: Path | str, columns: Sequence[str] = ()) -> list[dict[str, str]]:
    """The rows of a tab-separated table as dicts; raises UserError if one of `columns` is missing."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, delimiter="\t")
            missing = [name for name in columns if name not in (reader.fieldnames or [])]
            rows = list(reader)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a tab-separated table: {error}") from error
    if missing:
        raise UserError(
            f"{path} has the columns {reader.fieldnames} but also needs {', '.join(missing)}: correct its header line"
        )
    return rows


@contextlib.contextmanager
def _full_disk_as_user_error(target: Path, scratch: Path, needed: Callable[[], float] = lambda: 0.0) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:  # h5py raises either of the two
        if not _is_disk_full(error):
            raise
        paths = scratch.rglob("*") if scratch.is_dir() else [scratch]
        written = sum(path.stat().st_size for path in paths)
        requirement = f"about {round(needed()):,} bytes are needed" if needed() else ""
        raise DiskFull(target, written, shutil.disk_usage(target.parent).free, requirement) from error


def _is_disk_full(error: BaseException) -> bool:
    numbers = {getattr(error, "errno", None), *map(int, re.findall(r"errno = (\d+)", str(error)))}
    return bool(numbers & set(DISK_FULL_ERRNOS))


def _scratch_prefix(target: Path) -> str:
    return f".{target.name}.partial-"


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
