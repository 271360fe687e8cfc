"""Reading the archives data sets come in: RAR, zip and tar, streamed, checked and never trusted with a path."""

from pipeline.fetch.archives.kinds import ARCHIVES, PAGE, kind_of, kind_of_bytes
from pipeline.fetch.archives.unpack import unpack

__all__ = ["ARCHIVES", "PAGE", "kind_of", "kind_of_bytes", "unpack"]
