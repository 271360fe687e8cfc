"""The HDF5 form of frames and flow: JPEG bytes end to end, one video after the other, with offsets.

    jpeg      uint8 (bytes,)        the pictures of all videos, end to end
    offsets   int64 (pictures + 1,) where each picture begins in `jpeg`
    first     int64 (videos + 1,)   where each video begins among the pictures
    video_id  str (videos,)
    fps       float64 (videos,)     of the source; 0 where it does not say

The attributes say what made the file: `stage`, `code`, and every setting of that stage under its own name. Slices and
shards have the same form. Flat bytes with offsets are read several times faster than one HDF5 dataset a picture.
"""

import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np

from pipeline.common.errors import UserError

CHUNK = 1 << 20
MARGIN = 4 << 20  # bytes that HDF5 may need beyond the pictures: a part of a chunk, its own tables


class StoreWriter:
    """Appends videos to an open HDF5 file; `close` writes the tables. The file's fate is the caller's (`whole_file`).

    With `total_bytes` known beforehand the pictures lie contiguous in the file, so that a reader can `pread` them.
    """

    def __init__(self, path: Path | str, attributes: Mapping[str, Any], total_bytes: int | None = None) -> None:
        self._path = Path(path)
        self._reserved = 0
        self._reserve(MARGIN)  # once before HDF5 opens the file and empties it, once after
        self._file = h5py.File(path, "w")
        self._reserved = 0
        self._reserve((total_bytes or 0) + MARGIN)
        for name, value in attributes.items():
            self._file.attrs[name] = _plain(value)
        if total_bytes is None:
            self._jpeg = self._file.create_dataset("jpeg", (0,), np.uint8, chunks=(CHUNK,), maxshape=(None,))
        else:
            self._jpeg = self._file.create_dataset("jpeg", (total_bytes,), np.uint8)
        self._resizable = total_bytes is None
        self._end = 0
        self._lengths: list[int] = []
        self._first = [0]
        self._videos: list[str] = []
        self._names = 0
        self._fps: list[float] = []

    def add(self, video_id: str, lengths: Iterable[int], data: IO[bytes], fps: float) -> None:
        """One video: its pictures' lengths in bytes, and a stream of just those bytes."""
        self.add_blocks(video_id, lengths, iter(lambda: data.read(CHUNK), b""), fps)

    def add_blocks(self, video_id: str, lengths: Iterable[int], blocks: Iterable[bytes], fps: float) -> None:
        """The same with the bytes in blocks of any sizes."""
        before = self._end
        for block in blocks:
            self._append(np.frombuffer(block, np.uint8))
        self._lengths += lengths
        self._first.append(len(self._lengths))
        if self._end - before != sum(self._lengths[self._first[-2] :]):
            raise ValueError(f"{video_id}: {self._end - before} bytes came, not what the lengths sum to")
        self._videos.append(video_id)
        self._names += 64 + 2 * len(video_id.encode())  # HDF5 keeps strings in a heap of its own
        self._fps.append(fps)

    def close(self) -> None:
        """Write the tables and flush."""
        self._reserve(self._end + MARGIN + 8 * len(self._lengths) + 16 * len(self._first) + self._names)
        self._file["offsets"] = np.concatenate(([0], np.cumsum(self._lengths, dtype=np.int64))).astype(np.int64)
        self._file["first"] = np.array(self._first, np.int64)
        self._file["fps"] = np.array(self._fps, np.float64)
        self._file.create_dataset("video_id", data=self._videos, dtype=h5py.string_dtype())
        self._file.flush()
        size = self._file.id.get_filesize()
        self._file.close()
        os.truncate(self._path, size)  # what was reserved and not used

    def _reserve(self, size: int) -> None:
        """Have the disk set aside `size` bytes, or raise OSError: HDF5 itself crashes where it cannot write."""
        if size <= self._reserved or not hasattr(os, "posix_fallocate"):
            return
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT)
        try:
            os.posix_fallocate(handle, self._reserved, size + CHUNK - self._reserved)
        finally:
            os.close(handle)
        self._reserved = size + CHUNK

    def _append(self, block: np.ndarray) -> None:
        self._reserve(self._end + len(block) + self._end // 1000 + MARGIN)  # a thousandth: HDF5's table of chunks
        if self._resizable:
            self._jpeg.resize((self._end + len(block),))
        self._jpeg[self._end : self._end + len(block)] = block
        self._end += len(block)


class Store:
    """A finished file, read one video at a time."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self._file = h5py.File(path, "r")
            self.offsets = self._file["offsets"][:]
            self.first = self._file["first"][:]
            self.fps = self._file["fps"][:]
            self.videos = [name.decode() for name in self._file["video_id"][:]]
        except (OSError, KeyError) as error:
            raise UserError(f"{path} is not a whole frames or flow file ({error}): delete it and run again") from error

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def attributes(self) -> dict[str, Any]:
        """What made the file, as plain Python values."""
        return {name: _python(value) for name, value in self._file.attrs.items()}

    def begins(self, table: str) -> int:
        """The byte of the file at which `table` begins; only a contiguous one (a shard's) has such a place."""
        offset = self._file[table].id.get_offset()
        if offset is None and self._file[table].size:
            raise UserError(
                f"{self.path} keeps {table} in chunks, as slices do, but a shard is asked for: pack it first"
            )
        return offset or 0

    def count(self, number: int) -> int:
        """Pictures of the video at that place."""
        return int(self.first[number + 1] - self.first[number])

    def span(self, number: int) -> tuple[int, int]:
        """Bytes [begin, end) of the video at that place in `jpeg`."""
        return int(self.offsets[self.first[number]]), int(self.offsets[self.first[number + 1]])

    def lengths(self, number: int) -> list[int]:
        """Bytes of each picture of the video at that place."""
        return np.diff(self.offsets[self.first[number] : self.first[number + 1] + 1]).tolist()

    def blocks(self, number: int) -> Iterator[bytes]:
        """The video's bytes, a mebibyte at a time."""
        begin, end = self.span(number)
        for start in range(begin, end, CHUNK):
            yield self._file["jpeg"][start : min(start + CHUNK, end)].tobytes()

    def pictures(self, number: int) -> Iterator[bytes]:
        """The video's JPEGs, one by one."""
        ends = self.offsets[self.first[number] : self.first[number + 1] + 1]
        for begin, end in itertools.pairwise(ends):
            yield self._file["jpeg"][begin:end].tobytes()


def require(attributes: Mapping[str, Any], wanted: Mapping[str, Any], source: Path | str) -> None:
    """Raise unless every wanted setting is what the file was made with; the error names both values."""
    for name, value in wanted.items():
        if name not in attributes:
            raise UserError(
                f"{source} does not say its {name}: it was not made by this pipeline, delete it and run again"
            )
        if _python(_plain(value)) != attributes[name]:
            raise UserError(
                f"{source} was made with {name} {attributes[name]} but {value} is asked for: delete it or set {name}:"
                f" {attributes[name]}"
            )


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) else json.dumps(value, sort_keys=True)


def _python(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
