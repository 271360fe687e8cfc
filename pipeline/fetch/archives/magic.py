"""The format of a file by its first bytes. Suffixes are not trusted: one of Kinetics' .tar.gz files was a plain tar."""

import tarfile
from pathlib import Path

HEADER_BYTES = 1024  # enough for every format below
ARCHIVE_FORMATS = ("rar", "zip", "gzip", "tar")
WEB_PAGE = "page"
UNKNOWN = "unknown"

MAGIC_NUMBERS = (
    (b"Rar!\x1a\x07\x00", "rar"),  # RAR 1.5 to 4
    (b"Rar!\x1a\x07\x01\x00", "rar"),  # RAR 5
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # an empty archive
    (b"\x1f\x8b", "gzip"),
)
PAGE_STARTS = (b"<!doctype html", b"<html", b"<head", b"<?xml", b"<!--")


def file_format(path: Path) -> str:
    """One of `ARCHIVE_FORMATS`, `WEB_PAGE` (HTML or XML, which servers send instead of a missing file) or `UNKNOWN`."""
    with open(path, "rb") as file:
        header = file.read(HEADER_BYTES)
    for magic, name in MAGIC_NUMBERS:
        if header.startswith(magic):
            return name
    if header.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(PAGE_STARTS):
        return WEB_PAGE
    return "tar" if _is_tar(header) else UNKNOWN


def _is_tar(header: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(header[:512], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True
