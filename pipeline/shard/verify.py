"""Verify a folder of shards: the checksum of every file, and the counts of every video and picture.

With --rgb, the shards of the frames, each video must have one flow picture fewer than frames.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.common import log
from pipeline.common.errors import UserError, how_to_remake
from pipeline.common.files import read_tsv, sha256
from pipeline.formats.jpeg_store import JpegStore
from pipeline.formats.manifest import read_parquet
from pipeline.formats.shards import INDEX_COLUMNS, SHARD_COLUMNS

JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"  # markers of every JPEG


def find_problems(folder: Path) -> Iterator[str]:
    """A sentence for everything in `folder` that differs from its tables."""
    index, metadata = read_parquet(folder / "index.parquet", INDEX_COLUMNS)
    listed = {row["shard"]: row for row in read_tsv(folder / "shards.tsv", SHARD_COLUMNS)}
    for name in sorted({path.stem for path in folder.glob("*.h5")} - set(listed)):
        yield f"{name}.h5 is not in shards.tsv"
    for name in sorted(set(index["shard"]) ^ set(listed)):
        yield f"{name} is not in both shards.tsv and index.parquet"
    for name, row in log.progress(listed.items(), len(listed), f"verify {folder}"):
        path = folder / f"{name}.h5"
        if not path.exists():
            yield f"{name}.h5 is missing"
            continue
        yield from check_file(path, row)
        try:
            yield from check_contents(path, index[index["shard"] == name], metadata)
        except UserError as error:
            yield str(error)


def check_file(path: Path, row: dict[str, str]) -> Iterator[str]:
    """A sentence if the size or checksum of a shard differs from its row in shards.tsv."""
    if (size := path.stat().st_size) != int(row["bytes"]):
        yield f"{path.name} has {size} bytes but shards.tsv says {row['bytes']}"
    elif (digest := sha256(path)) != row["sha256"]:
        yield f"{path.name} has sha256 {digest} but shards.tsv says {row['sha256']}"


def check_contents(path: Path, index: pd.DataFrame, metadata: dict[str, Any]) -> Iterator[str]:
    """A sentence for every difference of a shard's settings, videos and pictures from index.parquet."""
    with JpegStore(path) as store:
        if store.attributes != metadata["settings"]:
            yield f"{path.name} was made with {store.attributes} but index.parquet says {metadata['settings']}"
        if store.videos != index["video_id"].tolist():
            yield f"{path.name} holds {len(store.videos)} videos, not the {len(index)} of index.parquet in their order"
            return
        for number, row in enumerate(index.itertuples(index=False)):
            actual = (int(store.first[number]), store.count(number), sum(store.lengths(number)))
            expected = (row.first, row.pictures, row.bytes)
            name = f"{path.name}, {row.video_id}"
            if actual != expected:
                yield f"{name}: first, pictures, bytes are {actual} but index.parquet says {expected}"
            elif broken := _not_jpegs(store, number):
                yield f"{name}: picture {broken[0]} is no JPEG ({len(broken)} such)"


def compare_with_rgb(folder: Path, rgb: Path) -> Iterator[str]:
    """A sentence for every video that does not have one flow picture fewer than frames."""
    tables = (read_parquet(path / "index.parquet", INDEX_COLUMNS)[0] for path in (folder, rgb))
    flow, frames = (table.set_index("video_id")["pictures"] for table in tables)
    for video in sorted(set(flow.index) ^ set(frames.index)):
        yield f"{video} is not in both {folder} and {rgb}"
    both = flow.index.intersection(frames.index)
    for video in both[(flow[both] != frames[both] - 1).to_numpy()]:
        yield f"{video} has {flow[video]} flow pictures of {frames[video]} frames"


def options(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("folder", type=Path, help="a folder written by pack or import")
    parser.add_argument("--rgb", type=Path, help="the shards of the frames, to compare the number of flow pictures")


def run(args: argparse.Namespace) -> None:
    """Run the command: log every problem, and raise UserError if there is one."""
    problems = list(find_problems(args.folder)) + (list(compare_with_rgb(args.folder, args.rgb)) if args.rgb else [])
    for problem in problems:
        log.say(problem)
    if problems:
        raise UserError(
            f"{args.folder} has {len(problems)} problems (first: {problems[0]}): {how_to_remake(args.folder)}"
        )
    rows = read_tsv(args.folder / "shards.tsv", SHARD_COLUMNS)
    totals = ", ".join(f"{sum(int(row[key]) for row in rows)} {key}" for key in ("videos", "pictures", "bytes"))
    log.say(f"{args.folder}: {len(rows)} shards, {totals}, all as recorded")


def _not_jpegs(store: JpegStore, number: int) -> list[int]:
    pictures = enumerate(store.pictures(number))
    return [index for index, jpeg in pictures if not (jpeg.startswith(JPEG_START) and jpeg.endswith(JPEG_END))]
