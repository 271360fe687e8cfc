"""The tables of a data set's index, from its lists and its files."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.common.files import write_tsv
from pipeline.formats import manifest, quarantine
from pipeline.formats.quarantine import QuarantineRow
from pipeline.index import annotations, membership, slices
from pipeline.index.annotations import Annotations, Entry
from pipeline.index.membership import LAYOUTS, match
from pipeline.index.video_files import scan, sort_files

PARTS = ("manifest", "splits", "coverage")
COVERAGE = ("class", "label", "listed", "present", "unlisted", "bytes")

Draw = Callable[[Mapping[str, str]], list[Entry]]  # video -> class, to entries


class Built(NamedTuple):
    """What one data set's index holds; the tables' columns are manifest.MANIFEST, manifest.SPLITS and COVERAGE."""

    videos: pd.DataFrame
    splits: pd.DataFrame
    classes: list[str]
    coverage: list[tuple[object, ...]]
    quarantine: list[QuarantineRow]


class Found(NamedTuple):
    """Lists and files brought together. `classes` is path -> class of the videos that count, `ids` path -> video_id."""

    listed: Annotations
    files: dict[str, str]  # list's spelling -> path
    classes: dict[str, str]
    ids: dict[str, str]
    rows: list[QuarantineRow]


def of_folder(root: Path, videos: Mapping[str, int], draw: Draw) -> Found:
    """A folder of class folders: the class is the first folder below `root`; rows for loose videos, empty folders."""
    _, _, classes, ids = membership.of_folder(videos)
    loose = [
        QuarantineRow(name, "index", "ignored", "lies in no class folder") for name in videos if name not in classes
    ]
    known = set(classes.values())
    folders = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    empty = [QuarantineRow(f"{name}/", "index", "missing", "the class folder holds no video")
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
    table = pd.DataFrame(rows, columns=list(manifest.SPLIT_COLUMNS))
    _refuse_both_roles(table)
    return table


def missing_rows(found: Found) -> list[QuarantineRow]:
    """A row for every listed video that has no file, with the list that names it."""
    sources = {entry.video: entry.source for entry in reversed(found.listed.entries)}
    return [
        QuarantineRow(
            video, "index", "missing", f"named in {sources.get(video, 'the lists')}, but there is no such file"
        )
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
    frame = video_table(found, videos, names, slice_count, seed)
    rows += found.rows + missing_rows(found)
    return Built(frame, split_table(found, names), names, coverage(found, videos, names), rows)


def video_table(
    found: Found, sizes: Mapping[str, int], names: Sequence[str], slice_count: int, seed: int
) -> pd.DataFrame:
    """The rows of manifest.parquet, by video_id."""
    labels = {name: label for label, name in enumerate(names)}
    ids, places = found.ids, slices.assign({found.ids[path]: sizes[path] for path in found.ids}, slice_count, seed)
    rows = [
        (ids[path], path, name, labels[name], sizes[path], places[ids[path]]) for path, name in found.classes.items()
    ]
    return pd.DataFrame(sorted(rows), columns=list(manifest.VIDEO_COLUMNS))


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


def _strange(path: str, taken: set[str]) -> QuarantineRow:
    reason = "is another copy of a listed clip" if PurePosixPath(path).stem in taken else "is in no list"
    return QuarantineRow(path, "index", "ignored", reason)


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
