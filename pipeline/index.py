"""Index a data set: its videos, classes, splits and slices, from the official lists or from a folder of class folders.

`manifest` writes manifest.parquet, `splits` splits.parquet, `coverage` coverage.tsv (n of N videos per class) and
index.quarantine.tsv with what does not fit. Each is a job of its own, since different things are made of them: of
another split file no shards, of a stray file nothing.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from pipeline import (
    annotations,
    cli,
    log,
    manifest,
    membership,
    quarantine,
    slices,
)
from pipeline.annotations import Annotations, Entry
from pipeline.errors import UserError
from pipeline.files import write_tsv
from pipeline.membership import LAYOUTS, match
from pipeline.quarantine import Row
from pipeline.scanning import scan, sort_files

PARTS = ("manifest", "splits", "coverage")
COVERAGE = ("class", "label", "listed", "present", "unlisted", "bytes")

Draw = Callable[[Mapping[str, str]], list[Entry]]  # video -> class, to entries


class Built(NamedTuple):
    """What one data set's index holds; the tables' columns are manifest.MANIFEST, manifest.SPLITS and COVERAGE."""

    videos: pd.DataFrame
    splits: pd.DataFrame
    classes: list[str]
    coverage: list[tuple[object, ...]]
    quarantine: list[Row]


class Found(NamedTuple):
    """Lists and files brought together. `classes` is path -> class of the videos that count, `ids` path -> video_id."""

    listed: Annotations
    files: dict[str, str]  # list's spelling -> path
    classes: dict[str, str]
    ids: dict[str, str]
    rows: list[Row]


def of_folder(root: Path, videos: Mapping[str, int], draw: Draw) -> Found:
    """A folder of class folders: the class is the first folder below `root`; rows for loose videos, empty folders."""
    _, _, classes, ids = membership.of_folder(videos)
    loose = [Row(name, "index", "ignored", "lies in no class folder") for name in videos if name not in classes]
    known = set(classes.values())
    folders = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    empty = [Row(f"{name}/", "index", "missing", "the class folder holds no video")
             for name in folders if name not in known]  # fmt: skip
    _refuse_none(root, classes)
    entries = draw(classes)
    files = match((entry.video for entry in entries), classes)
    named = {entry.video: classes.get(files.get(entry.video, ""), entry.video.split("/")[0]) for entry in entries}
    _refuse_unknown_classes(entries, named, known)
    return Found(Annotations(sorted(known), entries, named), files, classes, ids, loose + empty)


def of_lists(root: Path, videos: Mapping[str, int], layout: str, lists: str) -> Found:
    """The official lists' videos, wherever they lie below `root`; rows for files that are not among them."""
    listed, files, classes, ids = membership.of_lists(list(videos), LAYOUTS[layout], lists)
    _refuse_none(root, videos)
    names = {PurePosixPath(path).stem for path in files.values()} - {""}
    return Found(listed, files, classes, ids, [_strange(path, names) for path in videos if path not in classes])


def split_table(found: Found, names: Sequence[str]) -> pd.DataFrame:
    """The rows of splits.parquet; a missing video keeps its place and its class, so that results can say n of N."""
    labels = {name: label for label, name in enumerate(names)}
    rows = []
    for entry in found.listed.entries:
        path, name = found.files.get(entry.video), found.listed.videos[entry.video]
        video = entry.video if path is None else found.ids.get(path, path)
        rows.append((video, name, labels[name], entry.split, entry.role, path is not None))
    table = pd.DataFrame(rows, columns=list(manifest.SPLITS))
    _refuse_both_roles(table)
    return table


def missing_rows(found: Found) -> list[Row]:
    """A row for every listed video that has no file, with the list that names it."""
    sources = {entry.video: entry.source for entry in reversed(found.listed.entries)}
    return [
        Row(video, "index", "missing", f"named in {sources.get(video, 'the lists')}, but there is no such file")
        for video in found.listed.videos
        if video not in found.files
    ]


def coverage(found: Found, sizes: Mapping[str, int], names: Sequence[str]) -> list[tuple[object, ...]]:
    """Rows of coverage.tsv: of a class's listed videos so many are present, and so many files are in no list."""
    listed = Counter(found.listed.videos.values())
    present = Counter(found.listed.videos[video] for video in found.files)
    having, size = Counter(found.classes.values()), Counter[str]()
    for path, name in found.classes.items():
        size[name] += sizes[path]
    return [
        (name, label, listed[name], present[name], having[name] - present[name], size[name])
        for label, name in enumerate(names)
    ]


def build(
    root: Path,
    draw: Draw,
    layout: str,
    lists: str | None,
    slice_count: int,
    seed: int,
    label_map: str | None = None,
) -> Built:
    """Index the videos below `root`; `draw` makes entries from video -> class where no official list does."""
    videos, rows = sort_files(scan(root))
    official = lists or str(root)
    found = of_folder(root, videos, draw) if layout == "folder" else of_lists(root, videos, layout, official)
    names = annotations.label_map(label_map, found.listed.classes) if label_map else found.listed.classes
    _refuse_one_class(root, names)
    frame = video_table(root, found, videos, names, slice_count, seed)
    rows += found.rows + missing_rows(found)
    return Built(frame, split_table(found, names), names, coverage(found, videos, names), rows)


def video_table(
    root: Path, found: Found, sizes: Mapping[str, int], names: Sequence[str], slice_count: int, seed: int
) -> pd.DataFrame:
    """The rows of manifest.parquet, by video_id."""
    labels = {name: label for label, name in enumerate(names)}
    ids, places = found.ids, slices.assign({found.ids[path]: sizes[path] for path in found.ids}, slice_count, seed)
    rows = [
        (ids[path], f"{root}/{path}", name, labels[name], sizes[path], places[ids[path]])
        for path, name in found.classes.items()
    ]
    return pd.DataFrame(sorted(rows), columns=list(manifest.MANIFEST))


def write(out: Path, dataset: str, built: Built, count: int, part: str) -> None:
    """One of PARTS, below `out`."""
    videos, table, classes, covered, rows = built
    metadata = {
        "dataset": dataset,
        "classes": classes,
        "fingerprint": manifest.fingerprint(zip(videos["video_id"], videos["class"], videos["bytes"], strict=True)),
    }
    if part == "manifest":
        manifest.write_parquet(out / "manifest.parquet", videos, metadata)
    elif part == "splits":
        manifest.write_parquet(out / "splits.parquet", table, metadata)
    else:
        quarantine.write(out / "index.quarantine.tsv", rows)
        write_tsv(out / "coverage.tsv", COVERAGE, covered)
    log.say(
        f"{dataset}: {sum(row[3] for row in covered)} of {sum(row[2] for row in covered)} listed videos,"  # type: ignore
        f" {len(videos)} in all, of {len(classes)} classes in {count} slices, fingerprint {metadata['fingerprint']};"
        f" {len(rows)} files left out or missing"
    )


def _strange(path: str, taken: set[str]) -> Row:
    reason = "is another copy of a listed clip" if PurePosixPath(path).stem in taken else "is in no list"
    return Row(path, "index", "ignored", reason)


def _refuse_both_roles(table: pd.DataFrame) -> None:
    once = table.drop_duplicates(["video_id", "split", "role"])
    twice = once[once.duplicated(["video_id", "split"])]
    if len(twice):
        video, split = twice.iloc[0][["video_id", "split"]]
        raise UserError(f"{video} is in both train and test of split {split}: take it out of one of them")


def _refuse_unknown_classes(entries: Sequence[Entry], named: Mapping[str, str], known: set[str]) -> None:
    odd = next((entry for entry in entries if named[entry.video] not in known), None)
    if odd is not None:
        raise UserError(
            f"{odd.source} names {odd.video}, but there is no class folder {named[odd.video]}: write paths such as"
            f" {min(known)}/clip.avi"
        )


def _refuse_none(root: Path, videos: Mapping[str, object]) -> None:
    if not videos:
        raise UserError(f"{root} holds no class folder with a video in it: it should hold one sub-folder a class")


def _refuse_one_class(root: Path, names: Sequence[str]) -> None:
    if len(names) < 2:
        raise UserError(f"{root} holds one class, {names[0]}, and telling classes apart takes two: add another folder")


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("part", choices=PARTS, help="what to write")
    parser.add_argument("--dataset", required=True, help="the data set's name")
    parser.add_argument("--videos", required=True, type=Path, help="folder of videos, in class folders or as fetched")
    parser.add_argument("--layout", choices=[*LAYOUTS, "folder"], default="folder", help="how to know the splits")
    parser.add_argument("--lists", help="folder of the official lists; otherwise they lie in the videos' folder")
    parser.add_argument("--split-file", help="table with the columns video, split, role; otherwise splits are drawn")
    parser.add_argument("--label-map", help="file with a class name a line, in label order")
    parser.add_argument(
        "--draw", type=int, default=annotations.DRAWN, help="how many splits to draw where no list has them"
    )
    parser.add_argument("--test-share", type=float, default=0.3, help="share of each class that tests, when drawn")
    parser.add_argument("--slices", type=int, default=4, help="number of slices")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, type=Path, help="folder for the results")
    a = parser.parse_args(argv)

    def draw(classes: Mapping[str, str]) -> list[Entry]:
        if a.split_file:
            return annotations.split_file(a.split_file)
        return annotations.stratified(classes, range(1, a.draw + 1), a.test_share, a.seed)

    built = build(a.videos, draw, a.layout, a.lists, a.slices, a.seed, a.label_map)
    write(a.out, a.dataset, built, a.slices, a.part)


if __name__ == "__main__":
    cli.run(main)
