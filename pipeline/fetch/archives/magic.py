"""The format of a file by its first bytes. Suffixes are not trusted: one of Kinetics' .tar.gz files was a plain tar."""

import tarfile
from pathlib import Path

HEADER_BYTES = 1024  # enough for every format below
ARCHIVE_FORMATS = ("rar", "zip", "gzip", "tar")
WEB_PAGE = "page"
UNKNOWN = "unknown"

RAR4, RAR5 = b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00"  # RAR 1.5 to 4, RAR 5
MAGIC_NUMBERS = (
    (RAR4, "rar"),
    (RAR5, "rar"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # an empty archive
    (b"PK00PK\x03\x04", "zip"),  # a multi-part archive that needed one part only
    (b"PK\x07\x08PK\x03\x04", "zip"),  # the first part of a multi-part archive
    (b"\x1f\x8b", "gzip"),
)
UNSUPPORTED = (
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"\x04\x22\x4d\x18", "LZ4"),
    (b"LZIP", "lzip"),
    (b"\x1f\x9d", "compress (.Z)"),
    (b"MSCF", "Cabinet"),
    (b"MZ", "Windows program, perhaps a self-extracting"),
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


def unsupported_format(path: Path) -> str:
    """The name of an archive format that is not read here, such as `7z`; "" for other files."""
    with open(path, "rb") as file:
        header = file.read(HEADER_BYTES)
    return next((name for magic, name in UNSUPPORTED if header.startswith(magic)), "")


def _is_tar(header: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(header[:512], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True
