"""Readers of the archive formats that data sets come in: RAR, zip and tar, streamed, with every path checked."""

from pipeline.fetch.archives.magic import ARCHIVE_FORMATS, WEB_PAGE, file_format
from pipeline.fetch.archives.unpack import unpack

__all__ = ["ARCHIVE_FORMATS", "WEB_PAGE", "file_format", "unpack"]
