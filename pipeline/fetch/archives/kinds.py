"""What a file is, by its first bytes: names lie (one of Kinetics' .tar.gz files once was a plain tar)."""

import tarfile
from pathlib import Path

HEAD = 1024  # bytes enough to tell
ARCHIVES = ("rar", "zip", "gzip", "tar")
PAGE = "page"
UNKNOWN = "unknown"

MAGIC = (
    (b"Rar!\x1a\x07\x00", "rar"),  # RAR 1.5 to 4
    (b"Rar!\x1a\x07\x01\x00", "rar"),  # RAR 5
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # empty
    (b"\x1f\x8b", "gzip"),
)
PAGE_STARTS = (b"<!doctype html", b"<html", b"<head", b"<?xml", b"<!--")


def kind_of(path: Path) -> str:
    """One of `ARCHIVES`, or "page" for HTML and XML (what servers say instead of a file), or "unknown"."""
    with open(path, "rb") as file:
        return kind_of_bytes(file.read(HEAD))


def kind_of_bytes(head: bytes) -> str:
    """The same of a file's first `HEAD` bytes."""
    for magic, kind in MAGIC:
        if head.startswith(magic):
            return kind
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(PAGE_STARTS):
        return PAGE
    return "tar" if _is_tar(head) else UNKNOWN


def _is_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head[:512], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True
