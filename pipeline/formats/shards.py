"""Read clips from shards: any pictures of any video, without reading the others."""

import itertools
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

from pipeline.common.errors import UserError, how_to_remake, unreadable
from pipeline.formats.jpeg_store import check_settings
from pipeline.formats.manifest import read_parquet
from pipeline.formats.modalities import MODALITIES

# The columns of the two tables in a folder of shards: index.parquet (one row per video) and shards.tsv (checksums).
INDEX_COLUMNS = ("video_id", "class", "label", "shard", "first", "pictures", "bytes", "fps")
SHARD_COLUMNS = ("shard", "videos", "pictures", "bytes", "sha256")

OFFSET_BYTES = 8  # of an int64 in a shard's `offsets`
MAX_OPEN = 128  # shards open at a time; Kinetics has about as many shards as a process may open files

Crop = tuple[int, int, int, int]  # top, left, height, width, in pixels of the stored picture
Size = tuple[int, int]  # height, width


class ShardReader:
    """Reads the shards of one modality of a data set. Each process opens a shard when it first reads from it.

    A reader can be pickled (without its open files) and forked (processes share no file position, because of `pread`).
    `expected` are settings that the shards must have been made with; other values raise UserError.
    """

    def __init__(self, folder: Path | str, expected: Mapping[str, Any] | None = None) -> None:
        self.folder = Path(folder)
        index, metadata = read_parquet(self.folder / "index.parquet", INDEX_COLUMNS)
        check_settings(metadata["settings"], expected or {}, self.folder)
        self.modality: str = metadata["modality"]
        self.classes: list[str] = metadata["classes"]
        self.fingerprint: str = metadata["fingerprint"]
        self.settings: dict[str, Any] = metadata["settings"]
        self._table_offsets: dict[str, dict[str, int]] = metadata["places"]
        columns = [index[name].tolist() for name in ("shard", "first", "pictures", "class", "fps")]
        self._rows = dict(zip(index["video_id"], zip(*columns, strict=True), strict=True))
        self._handles: OrderedDict[str, _OpenFile] = OrderedDict()
        self._thread = threading.local()

    def __contains__(self, video: str) -> bool:
        return video in self._rows

    @property
    def videos(self) -> list[str]:
        """The video_ids, in the order of the shards."""
        return list(self._rows)

    def count(self, video: str) -> int:
        """The number of pictures (frames or flow fields) of a video."""
        return int(self._row(video)[2])

    def label(self, video: str) -> str:
        """The class name of a video."""
        return str(self._row(video)[3])

    def fps(self, video: str) -> float:
        """The frames per second of a video; 0 if unknown."""
        return float(self._row(video)[4])

    def jpegs(self, video: str, numbers: Sequence[int]) -> list[bytes]:
        """The JPEGs of the pictures `numbers`, in any order and with repetitions."""
        return [bytes(buffer) for buffer in self.buffers(video, numbers)]

    def buffers(self, video: str, numbers: Sequence[int]) -> list[memoryview]:
        """As `jpegs`, but without a copy: valid until the calling thread reads its next clip."""
        shard, first, count, *_ = self._row(video)
        invalid = next((number for number in numbers if not 0 <= number < count), None)
        if invalid is not None:
            raise UserError(f"{video} has {count} {self.modality} pictures, so number {invalid} does not exist")
        runs = list(_runs(sorted(set(numbers))))
        run_offsets = [self._read_offsets(shard, first + begin, end - begin) for begin, end in runs]
        buffer = self._thread_buffer(sum(offsets[-1] - offsets[0] for offsets in run_offsets))
        jpegs: dict[int, memoryview] = {}
        position = 0
        for (begin, _), offsets in zip(runs, run_offsets, strict=True):
            size = offsets[-1] - offsets[0]
            self._read(shard, buffer[position : position + size], self._table_offsets[shard]["jpeg"] + offsets[0])
            shift = position - offsets[0]
            for number, (start, stop) in enumerate(itertools.pairwise(offsets), begin):
                jpegs[number] = buffer[start + shift : stop + shift]
            position += size
        return [jpegs[number] for number in numbers]

    def rgb(
        self, video: str, numbers: Sequence[int], crop: Crop | None = None, at_least: Size | None = None
    ) -> np.ndarray:
        """Frames, uint8 (T, H, W, 3), or the same `crop` of each frame.

        Frames are decoded at full size unless `at_least` is given. Then they are decoded, faster, at the smallest
        multiple of an eighth of their size that is at least `at_least`, and `crop`, which is in pixels of the stored
        picture, is scaled accordingly.
        """
        return _crop(*_decode(self.buffers(video, numbers), "RGB", at_least), crop)

    def flow(self, video: str, numbers: Sequence[int], crop: Crop | None = None) -> np.ndarray:
        """Flow, uint8 (T, 2, H, W), x then y; `flow_levels.dequantise` converts it to pixels."""
        fields = self.channels(video, numbers)
        if crop is None:
            return fields
        top, left, height, width = crop
        _refuse_outside(crop, fields.shape[2], fields.shape[3])
        return fields[:, :, top : top + height, left : left + width]

    def channels(self, video: str, numbers: Sequence[int]) -> np.ndarray:
        """The pictures of any modality by channels, uint8 (T, C, H, W)."""
        modality = MODALITIES[self.modality]
        decoded, _ = _decode(self.buffers(video, numbers), modality.colorspace)
        return modality.split_planes(decoded)

    def close(self) -> None:
        """Close the files; the next read reopens them."""
        self._handles.clear()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handles": OrderedDict(), "_thread": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _thread=threading.local())

    def _row(self, video: str) -> tuple[Any, ...]:
        if video not in self._rows:
            raise UserError(
                f"{video} is not among the {len(self._rows)} videos of {self.folder}: pack it or leave it out"
            )
        return self._rows[video]

    def _read_offsets(self, shard: str, first: int, count: int) -> list[int]:
        """The offsets of `count` pictures in the shard's `jpeg`, and the end of the last one."""
        table = bytearray((count + 1) * OFFSET_BYTES)
        self._read(shard, memoryview(table), self._table_offsets[shard]["offsets"] + first * OFFSET_BYTES)
        return np.frombuffer(table, np.int64).tolist()

    def _thread_buffer(self, size: int) -> memoryview:
        """A buffer of the calling thread, reused because allocating memory takes longer than reading."""
        if len(getattr(self._thread, "buffer", b"")) < size:
            self._thread.buffer = bytearray(2 * size)
        return memoryview(self._thread.buffer)

    def _read(self, shard: str, into: memoryview, offset: int) -> None:
        file = self._open(shard)
        size = os.preadv(file.handle, [into], offset)
        if size < len(into):
            raise UserError(
                f"{self.folder / shard}.h5 ends {len(into) - size} bytes early: {how_to_remake(self.folder)}"
            )

    def _open(self, shard: str) -> "_OpenFile":
        file = self._handles.get(shard)
        if file is None:
            file = self._handles[shard] = _OpenFile(self.folder / f"{shard}.h5")
            while len(self._handles) > MAX_OPEN:
                self._handles.popitem(last=False)  # it is closed when no thread refers to it any more
        return file


class _OpenFile:
    """A file that is closed when it is garbage-collected."""

    def __init__(self, path: Path) -> None:
        self.handle = -1
        try:
            self.handle = os.open(path, os.O_RDONLY)
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                raise UserError(f"{path} is missing: {how_to_remake(path.parent)}") from error
            raise unreadable(path, error, "cannot be opened") from error

    def __del__(self) -> None:
        if self.handle >= 0:
            os.close(self.handle)


def _decode(jpegs: Sequence[memoryview], colours: str, at_least: Size | None = None) -> tuple[np.ndarray, Size]:
    """JPEGs of one size as one array (T, H, W, C), and the size of the stored pictures."""
    height, width, *_ = simplejpeg.decode_jpeg_header(jpegs[0])
    options = {"min_height": at_least[0], "min_width": at_least[1]} if at_least else {}
    first = simplejpeg.decode_jpeg(jpegs[0], colorspace=colours, **options)
    clip = np.empty((len(jpegs), *first.shape), np.uint8)
    clip[0] = first
    for t, jpeg in enumerate(jpegs[1:], 1):
        simplejpeg.decode_jpeg(jpeg, colorspace=colours, buffer=clip[t], **options)
    return clip, (height, width)


def _crop(clip: np.ndarray, stored: Size, crop: Crop | None) -> np.ndarray:
    if crop is None:
        return clip
    _refuse_outside(crop, *stored)
    scale_y, scale_x = clip.shape[1] / stored[0], clip.shape[2] / stored[1]
    top, height = round(crop[0] * scale_y), round(crop[2] * scale_y)
    left, width = round(crop[1] * scale_x), round(crop[3] * scale_x)
    return clip[:, top : top + height, left : left + width]


def _refuse_outside(crop: Crop, height: int, width: int) -> None:
    top, left, crop_height, crop_width = crop
    if min(top, left) < 0 or top + crop_height > height or left + crop_width > width:
        raise UserError(f"the crop {crop} (top, left, height, width) is not inside pictures of {height}x{width}")


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The range [begin, end) of each run of consecutive numbers in a sorted list."""
    begin = 0
    for end in range(1, len(numbers) + 1):
        if end == len(numbers) or numbers[end] != numbers[end - 1] + 1:
            yield numbers[begin], numbers[end - 1] + 1
            begin = end
