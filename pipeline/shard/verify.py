"""Recount and re-hash a folder of shards: every file, every video, every picture.

With --rgb, the frames' shards, each video's flow pictures must be one fewer than its frames.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv, sha256
from pipeline.formats.jpeg_store import JpegStore
from pipeline.formats.manifest import read_parquet
from pipeline.formats.shards import INDEX_COLUMNS, SHARD_COLUMNS

JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"  # of every JPEG


def find_problems(folder: Path) -> Iterator[str]:
    """A sentence for everything in `folder` that is not as its tables say."""
    index, facts = read_parquet(folder / "index.parquet", INDEX_COLUMNS)
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
            yield from check_contents(path, index[index["shard"] == name], facts)
        except UserError as error:
            yield str(error)


def check_file(path: Path, row: dict[str, str]) -> Iterator[str]:
    """What of a shard's size and checksum is not as recorded."""
    if (size := path.stat().st_size) != int(row["bytes"]):
        yield f"{path.name} has {size} bytes but shards.tsv says {row['bytes']}"
    elif (digest := sha256(path)) != row["sha256"]:
        yield f"{path.name} has sha256 {digest} but shards.tsv says {row['sha256']}"


def check_contents(path: Path, index: pd.DataFrame, facts: dict) -> Iterator[str]:
    """What of a shard's settings, videos and pictures is not as recorded."""
    with JpegStore(path) as store:
        if store.attributes != facts["settings"]:
            yield f"{path.name} was made with {store.attributes} but index.parquet says {facts['settings']}"
        if store.videos != index["video_id"].tolist():
            yield f"{path.name} holds {len(store.videos)} videos, not the {len(index)} of index.parquet in their order"
            return
        for number, row in enumerate(index.itertuples(index=False)):
            here = (int(store.first[number]), store.count(number), sum(store.lengths(number)))
            there = (row.first, row.pictures, row.bytes)
            if here != there:
                yield f"{path.name}, {row.video_id}: first, pictures, bytes are {here} but index.parquet says {there}"
            elif broken := _broken(store, number):
                yield f"{path.name}, {row.video_id}: picture {broken[0]} is no JPEG ({len(broken)} such)"


def compare_with_rgb(folder: Path, rgb: Path) -> Iterator[str]:
    """A sentence for every video whose flow is not its frames less one."""
    flow, frames = (
        read_parquet(place / "index.parquet", INDEX_COLUMNS)[0].set_index("video_id")["pictures"]
        for place in (folder, rgb)
    )
    for video in sorted(set(flow.index) ^ set(frames.index)):
        yield f"{video} is not in both {folder} and {rgb}"
    both = flow.index.intersection(frames.index)
    for video in both[(flow[both] != frames[both] - 1).to_numpy()]:
        yield f"{video} has {flow[video]} flow pictures of {frames[video]} frames"


def options(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("folder", type=Path, help="a folder that pack or import wrote")
    parser.add_argument("--rgb", type=Path, help="the frames' shards, to compare the counts of flow")


def run(a: argparse.Namespace) -> None:
    """Say every problem; raise UserError with their number where there is one."""
    found = list(find_problems(a.folder)) + (list(compare_with_rgb(a.folder, a.rgb)) if a.rgb else [])
    for problem in found:
        log.say(problem)
    if found:
        raise UserError(
            f"{a.folder} has {len(found)} problems (first: {found[0]}): delete the folder and make it again"
        )
    rows = read_tsv(a.folder / "shards.tsv", SHARD_COLUMNS)
    counts = {key: sum(int(row[key]) for row in rows) for key in ("videos", "pictures", "bytes")}
    log.say(
        f"{a.folder}: {len(rows)} shards, {', '.join(f'{n} {what}' for what, n in counts.items())}, all as recorded"
    )


def _broken(store: JpegStore, number: int) -> list[int]:
    pictures = enumerate(store.pictures(number))
    return [place for place, jpeg in pictures if not (jpeg.startswith(JPEG_START) and jpeg.endswith(JPEG_END))]
