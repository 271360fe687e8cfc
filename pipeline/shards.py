"""Read clips from shards: any pictures of any video, without reading the rest."""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

from pipeline.errors import UserError
from pipeline.manifest import read_parquet
from pipeline.shard import INDEX
from pipeline.store import require

OFFSET = 8  # bytes of an int64 in a shard's `offsets`


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
        self._rows = {
            row[0]: row[1:] for row in index[["video_id", "shard", "first", "pictures"]].itertuples(index=False)
        }
        self._handles: dict[str, int] = {}

    def __contains__(self, video: str) -> bool:
        return video in self._rows

    def count(self, video: str) -> int:
        """Pictures of a video: frames, or flow fields."""
        return int(self._rows[video][2])

    def jpegs(self, video: str, numbers: Sequence[int]) -> list[bytes]:
        """The pictures at `numbers` (any order, repetitions allowed) as JPEG bytes."""
        shard, first, count = self._rows[video]
        if not all(0 <= number < count for number in numbers):
            raise UserError(f"{video} has {count} {self.modality} pictures but number {max(numbers)} is asked for")
        read: dict[int, bytes] = {}
        for begin, end in _runs(sorted(set(numbers))):
            read.update(zip(range(begin, end), self._run(shard, int(first) + begin, end - begin), strict=True))
        return [read[number] for number in numbers]

    def rgb(self, video: str, numbers: Sequence[int]) -> np.ndarray:
        """Frames, uint8 (T, H, W, 3)."""
        return np.stack([simplejpeg.decode_jpeg(jpeg) for jpeg in self.jpegs(video, numbers)])

    def flow(self, video: str, numbers: Sequence[int]) -> np.ndarray:
        """Flow levels, uint8 (T, 2, H, W), x then y; `pipeline.quantise.dequantise` gives pixels."""
        stacked = [simplejpeg.decode_jpeg(jpeg, colorspace="GRAY") for jpeg in self.jpegs(video, numbers)]  # (2H, W, 1)
        return np.stack([picture.reshape(2, -1, picture.shape[1]) for picture in stacked])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handles": {}}

    def _run(self, shard: str, first: int, count: int) -> list[bytes]:
        place = self._places[shard]
        ends = np.frombuffer(self._pread(shard, (count + 1) * OFFSET, place["offsets"] + first * OFFSET), np.int64)
        data = memoryview(self._pread(shard, int(ends[-1] - ends[0]), place["jpeg"] + int(ends[0])))
        ends = ends - ends[0]
        return [bytes(data[begin:end]) for begin, end in itertools.pairwise(ends)]

    def _pread(self, shard: str, size: int, offset: int) -> bytes:
        if shard not in self._handles:
            self._handles[shard] = os.open(self.folder / f"{shard}.h5", os.O_RDONLY)
        data = os.pread(self._handles[shard], size, offset)
        if len(data) < size:
            raise UserError(
                f"{self.folder / shard}.h5 ends {size - len(data)} bytes early: delete the folder and run again"
            )
        return data


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """[begin, end) of each stretch of consecutive numbers in a sorted list."""
    begin = 0
    for place in range(1, len(numbers) + 1):
        if place == len(numbers) or numbers[place] != numbers[place - 1] + 1:
            yield numbers[begin], numbers[place - 1] + 1
            begin = place
