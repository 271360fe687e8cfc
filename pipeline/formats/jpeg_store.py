"""HDF5 files of frames or flow: the JPEGs of all videos, concatenated, with their offsets.

    jpeg      uint8 (bytes,)        the pictures of all videos, concatenated
    offsets   int64 (pictures + 1,) the first byte of each picture in `jpeg`
    first     int64 (videos + 1,)   the number of each video's first picture
    video_id  str (videos,)
    fps       float64 (videos,)     frames per second of the source; 0 if unknown

The attributes record how the file was made: `stage`, `code`, and every setting of the stage under its own name. Slices
and shards have the same format. Reading one array with offsets is several times faster than one HDF5 dataset per
picture.
"""

import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np

from pipeline.common.errors import UserError, how_to_remake, unreadable
from pipeline.formats.hdf5 import open_hdf5

CHUNK = 1 << 20  # bytes of an HDF5 chunk
MARGIN = 4 << 20  # bytes that HDF5 may need in addition to the pictures: an incomplete chunk, its own tables


class JpegStoreWriter:
    """Appends videos to a new HDF5 file; `close` writes the tables. The caller makes this atomic (`whole_file`).

    With `total_bytes`, the size of all pictures, they are contiguous in the file, so that a reader can `pread` them.
    """

    def __init__(self, path: Path | str, attributes: Mapping[str, Any], total_bytes: int | None = None) -> None:
        self._path = Path(path)
        self._reserved = 0
        self._reserve(MARGIN)  # before HDF5 opens the file, which truncates it; and again afterwards
        self._file = open_hdf5(path, "w")
        self._reserved = 0
        self._reserve((total_bytes or 0) + MARGIN)
        for name, value in attributes.items():
            self._file.attrs[name] = _to_attribute(value)
        if total_bytes is None:
            self._jpeg = self._file.create_dataset("jpeg", (0,), np.uint8, chunks=(CHUNK,), maxshape=(None,))
        else:
            self._jpeg = self._file.create_dataset("jpeg", (total_bytes,), np.uint8)
        self._resizable = total_bytes is None
        self._end = 0
        self._lengths: list[int] = []
        self._first = [0]
        self._videos: list[str] = []
        self._name_bytes = 0
        self._fps: list[float] = []

    def add(self, video_id: str, lengths: Iterable[int], data: IO[bytes], fps: float) -> None:
        """Append one video: the length of each picture in bytes, and a stream of the concatenated pictures."""
        self.add_blocks(video_id, lengths, iter(lambda: data.read(CHUNK), b""), fps)

    def add_blocks(self, video_id: str, lengths: Iterable[int], blocks: Iterable[bytes], fps: float) -> None:
        """Append one video whose concatenated pictures come in blocks of any size."""
        begin = self._end
        for block in blocks:
            self._append(np.frombuffer(block, np.uint8))
        self._lengths += lengths
        self._first.append(len(self._lengths))
        if self._end - begin != (total := sum(self._lengths[self._first[-2] :])):
            raise ValueError(f"{video_id} has {self._end - begin} bytes, but its lengths sum to {total}")
        self._videos.append(video_id)
        self._name_bytes += 64 + 2 * len(video_id.encode())  # HDF5 stores strings in a separate heap
        self._fps.append(fps)

    def close(self) -> None:
        """Write the tables and close the file."""
        self._reserve(self._end + MARGIN + 8 * len(self._lengths) + 16 * len(self._first) + self._name_bytes)
        self._file["offsets"] = np.concatenate(([0], np.cumsum(self._lengths, dtype=np.int64))).astype(np.int64)
        self._file["first"] = np.array(self._first, np.int64)
        self._file["fps"] = np.array(self._fps, np.float64)
        self._file.create_dataset("video_id", data=self._videos, dtype=h5py.string_dtype())
        self._file.flush()
        size = self._file.id.get_filesize()
        self._file.close()
        os.truncate(self._path, size)  # free what was reserved and not used

    def _reserve(self, size: int) -> None:
        """Allocate `size` bytes on the disk, or raise OSError: HDF5 itself crashes if the disk is full."""
        if size <= self._reserved or not hasattr(os, "posix_fallocate"):
            return
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT)
        try:
            os.posix_fallocate(handle, self._reserved, size + CHUNK - self._reserved)
        finally:
            os.close(handle)
        self._reserved = size + CHUNK

    def _append(self, block: np.ndarray) -> None:
        self._reserve(self._end + len(block) + self._end // 1000 + MARGIN)  # a thousandth for HDF5's index of chunks
        if self._resizable:
            self._jpeg.resize((self._end + len(block),))
        self._jpeg[self._end : self._end + len(block)] = block
        self._end += len(block)


class JpegStore:
    """A complete file, read one video at a time; `number` is the position of a video in `videos`."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self._file = open_hdf5(path)
            self.offsets = self._file["offsets"][:]
            self.first = self._file["first"][:]
            self.fps = self._file["fps"][:]
            self.videos = [name.decode() for name in self._file["video_id"][:]]
        except (OSError, KeyError) as error:
            raise unreadable(path, error, "is not a complete frames or flow file") from error

    def __enter__(self) -> "JpegStore":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def attributes(self) -> dict[str, Any]:
        """How the file was made, as Python values."""
        return {name: _from_attribute(value) for name, value in self._file.attrs.items()}

    def file_offset(self, table: str) -> int:
        """The position of the dataset `table` in the file, in bytes; UserError if it is chunked, as in slices."""
        offset = self._file[table].id.get_offset()
        if offset is None and self._file[table].size:
            raise UserError(f"{self.path} stores {table} in chunks, as slices do, but a shard is needed: pack it first")
        return offset or 0

    def count(self, number: int) -> int:
        """The number of pictures of a video."""
        return int(self.first[number + 1] - self.first[number])

    def byte_range(self, number: int) -> tuple[int, int]:
        """The bytes [begin, end) of a video in `jpeg`."""
        return int(self.offsets[self.first[number]]), int(self.offsets[self.first[number + 1]])

    def lengths(self, number: int) -> list[int]:
        """The size of each picture of a video, in bytes."""
        return np.diff(self.offsets[self.first[number] : self.first[number + 1] + 1]).tolist()

    def blocks(self, number: int) -> Iterator[bytes]:
        """The bytes of a video's concatenated pictures, in blocks of CHUNK bytes."""
        begin, end = self.byte_range(number)
        for start in range(begin, end, CHUNK):
            yield self._file["jpeg"][start : min(start + CHUNK, end)].tobytes()

    def pictures(self, number: int) -> Iterator[bytes]:
        """The JPEGs of a video, one by one."""
        offsets = self.offsets[self.first[number] : self.first[number + 1] + 1]
        for begin, end in itertools.pairwise(offsets):
            yield self._file["jpeg"][begin:end].tobytes()


def check_settings(attributes: Mapping[str, Any], expected: Mapping[str, Any], source: Path | str) -> None:
    """Raise UserError if a file was not made with the expected settings; the message names both values."""
    for name, value in expected.items():
        if name not in attributes:
            raise UserError(
                f"{source} does not record its {name}, so it was not made by this pipeline: {how_to_remake(source)}"
            )
        if _from_attribute(_to_attribute(value)) != attributes[name]:
            raise UserError(
                f"{source} was made with {name} {attributes[name]} but {value} is expected: set {name}:"
                f" {attributes[name]}, or {how_to_remake(source)}"
            )


def _to_attribute(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) else json.dumps(value, sort_keys=True)


def _from_attribute(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
