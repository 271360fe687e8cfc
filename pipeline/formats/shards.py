"""Read clips from shards: any pictures of any video, without reading the rest."""

import itertools
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

from pipeline.common.errors import UserError
from pipeline.formats.jpeg_store import require
from pipeline.formats.manifest import read_parquet

# The columns of the tables beside shards: index.parquet (video -> shard, pictures) and shards.tsv (bytes, sha256).
INDEX = ("video_id", "class", "label", "shard", "first", "pictures", "bytes", "fps")
SHARDS = ("shard", "videos", "pictures", "bytes", "sha256")

OFFSET = 8  # bytes of an int64 in a shard's `offsets`
OPEN = 128  # shards open at a time; Kinetics has about as many as a process may have files

Crop = tuple[int, int, int, int]  # top, left, height, width in pixels of the stored picture
Size = tuple[int, int]  # height, width


class ShardReader:
    """One modality of a data set. Files are opened when first read, once a process.

    Safe to pickle (handles are not carried along) and to fork (`pread` shares no position between processes). `expect`
    are settings that the shards must have been made with; others raise UserError with both values.
    """

    def __init__(self, folder: Path | str, expect: Mapping[str, Any] | None = None) -> None:
        self.folder = Path(folder)
        index, facts = read_parquet(self.folder / "index.parquet", INDEX)
        require(facts["settings"], expect or {}, self.folder)
        self.modality: str = facts["modality"]
        self.classes: list[str] = facts["classes"]
        self.fingerprint: str = facts["fingerprint"]
        self.settings: dict[str, Any] = facts["settings"]
        self._places: dict[str, dict[str, int]] = facts["places"]
        columns = [index[name].tolist() for name in ("shard", "first", "pictures", "class", "fps")]
        self._rows = dict(zip(index["video_id"], zip(*columns, strict=True), strict=True))
        self._handles: OrderedDict[str, _Opened] = OrderedDict()
        self._scratch = threading.local()

    def __contains__(self, video: str) -> bool:
        return video in self._rows

    @property
    def videos(self) -> list[str]:
        """Every video, in the order in which they lie in the shards."""
        return list(self._rows)

    def count(self, video: str) -> int:
        """Pictures of a video: frames, or flow fields."""
        return int(self._row(video)[2])

    def label(self, video: str) -> str:
        """A video's class."""
        return str(self._row(video)[3])

    def fps(self, video: str) -> float:
        """A video's frames per second; 0 where they are not known."""
        return float(self._row(video)[4])

    def jpegs(self, video: str, numbers: Sequence[int]) -> list[bytes]:
        """The pictures at `numbers` (any order, repetitions allowed) as JPEG bytes."""
        return [bytes(buffer) for buffer in self.buffers(video, numbers)]

    def buffers(self, video: str, numbers: Sequence[int]) -> list[memoryview]:
        """The same without a copy: they hold until this thread reads the next clip."""
        shard, first, count, *_ = self._row(video)
        wrong = next((number for number in numbers if not 0 <= number < count), None)
        if wrong is not None:
            raise UserError(f"{video} has {count} {self.modality} pictures but number {wrong} is asked for")
        runs = list(_runs(sorted(set(numbers))))
        ends = [self._ends(shard, first + begin, end - begin) for begin, end in runs]
        scratch = self._room(sum(offsets[-1] - offsets[0] for offsets in ends))
        found: dict[int, memoryview] = {}
        place = 0
        for (begin, _), offsets in zip(runs, ends, strict=True):
            size = offsets[-1] - offsets[0]
            self._read(shard, scratch[place : place + size], self._places[shard]["jpeg"] + offsets[0])
            shift = place - offsets[0]
            for number, (start, stop) in enumerate(itertools.pairwise(offsets), begin):
                found[number] = scratch[start + shift : stop + shift]
            place += size
        return [found[number] for number in numbers]

    def rgb(
        self, video: str, numbers: Sequence[int], crop: Crop | None = None, at_least: Size | None = None
    ) -> np.ndarray:
        """Frames, uint8 (T, H, W, 3), or the same `crop` of each.

        Decoding is exact unless `at_least` is given: then each picture is decoded straight to the smallest eighth of
        its size that is no smaller than that, which is faster, and `crop`, still in stored pixels, shrinks with it.
        """
        return _cropped(*_decode(self.buffers(video, numbers), "RGB", at_least), crop)

    def flow(self, video: str, numbers: Sequence[int], crop: Crop | None = None) -> np.ndarray:
        """Levels of flow, either way, uint8 (T, 2, H, W), x then y; `flow_levels.dequantise` gives pixels."""
        stacked, _ = _decode(self.buffers(video, numbers), "GRAY")  # (T, 2H, W, 1)
        fields = stacked.reshape(len(stacked), 2, -1, stacked.shape[2])
        if crop is None:
            return fields
        top, left, height, width = crop
        _refuse_outside(crop, fields.shape[2], fields.shape[3])
        return fields[:, :, top : top + height, left : left + width]

    def close(self) -> None:
        """Close the files; the next read opens them again."""
        self._handles.clear()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handles": OrderedDict(), "_scratch": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _scratch=threading.local())

    def _row(self, video: str) -> tuple[Any, ...]:
        if video not in self._rows:
            raise UserError(f"{video} is not among the {len(self._rows)} videos of {self.folder}: pack it, or leave it")
        return self._rows[video]

    def _ends(self, shard: str, first: int, count: int) -> list[int]:
        """Where `count` pictures begin among the shard's, and where the last one ends."""
        table = bytearray((count + 1) * OFFSET)
        self._read(shard, memoryview(table), self._places[shard]["offsets"] + first * OFFSET)
        return np.frombuffer(table, np.int64).tolist()

    def _room(self, size: int) -> memoryview:
        """A buffer of this thread's own, kept: fresh memory costs more than the reading."""
        if len(getattr(self._scratch, "bytes", b"")) < size:
            self._scratch.bytes = bytearray(2 * size)
        return memoryview(self._scratch.bytes)

    def _read(self, shard: str, into: memoryview, offset: int) -> None:
        opened = self._opened(shard)
        read = os.preadv(opened.handle, [into], offset)
        if read < len(into):
            raise UserError(
                f"{self.folder / shard}.h5 ends {len(into) - read} bytes early: delete the folder and run again"
            )

    def _opened(self, shard: str) -> "_Opened":
        opened = self._handles.get(shard)
        if opened is None:
            opened = self._handles[shard] = _Opened(self.folder / f"{shard}.h5")
            while len(self._handles) > OPEN:
                self._handles.popitem(last=False)  # closed when the last thread that reads it is done
        return opened


class _Opened:
    """A file that is open for as long as somebody refers to it."""

    def __init__(self, path: Path) -> None:
        self.handle = -1
        try:
            self.handle = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise UserError(f"{path} cannot be opened ({error.strerror}): pack again") from error

    def __del__(self) -> None:
        if self.handle >= 0:
            os.close(self.handle)


def _decode(jpegs: Sequence[memoryview], colours: str, at_least: Size | None = None) -> tuple[np.ndarray, Size]:
    """Pictures of one size, decoded into one array (T, H, W, C); and the size of the stored ones."""
    height, width, *_ = simplejpeg.decode_jpeg_header(jpegs[0])
    options = {"min_height": at_least[0], "min_width": at_least[1]} if at_least else {}
    first = simplejpeg.decode_jpeg(jpegs[0], colorspace=colours, **options)
    clip = np.empty((len(jpegs), *first.shape), np.uint8)
    clip[0] = first
    for place, jpeg in enumerate(jpegs[1:], 1):
        simplejpeg.decode_jpeg(jpeg, colorspace=colours, buffer=clip[place], **options)
    return clip, (height, width)


def _cropped(clip: np.ndarray, stored: Size, crop: Crop | None) -> np.ndarray:
    if crop is None:
        return clip
    _refuse_outside(crop, *stored)
    down, across = clip.shape[1] / stored[0], clip.shape[2] / stored[1]
    top, height = round(crop[0] * down), round(crop[2] * down)
    left, width = round(crop[1] * across), round(crop[3] * across)
    return clip[:, top : top + height, left : left + width]


def _refuse_outside(crop: Crop, height: int, width: int) -> None:
    top, left, tall, wide = crop
    if min(top, left) < 0 or top + tall > height or left + wide > width:
        raise UserError(f"the crop {crop} (top, left, height, width) is not inside pictures of {height}x{width}")


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """[begin, end) of each stretch of consecutive numbers in a sorted list."""
    begin = 0
    for place in range(1, len(numbers) + 1):
        if place == len(numbers) or numbers[place] != numbers[place - 1] + 1:
            yield numbers[begin], numbers[place - 1] + 1
            begin = place
