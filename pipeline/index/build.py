"""The tables of a data set's index, from its lists and its files."""

import posixpath
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
from pipeline.index.annotations import Annotations, SplitEntry
from pipeline.index.matching import match_paths, matched_by_stem, refuse_unmatched
from pipeline.index.membership import LAYOUTS, MatchedVideos
from pipeline.index.video_files import list_files, name_problem, select_videos

PARTS = ("manifest", "splits", "coverage")
COVERAGE = ("class", "label", "listed", "present", "unlisted", "bytes")  # the columns of coverage.tsv

MakeSplits = Callable[[Mapping[str, str]], list[SplitEntry]]  # from a mapping video -> class


class IndexTables(NamedTuple):
    """The index of a data set; the columns are manifest.VIDEO_COLUMNS, manifest.SPLIT_COLUMNS and COVERAGE."""

    videos: pd.DataFrame
    splits: pd.DataFrame
    classes: list[str]
    coverage: list[tuple[object, ...]]
    quarantine: list[QuarantineRow]


def build_tables(
    root: Path,
    make_splits: MakeSplits,
    layout: str,
    lists: str | None,
    slice_count: int,
    seed: int,
    label_map: str | None = None,
) -> IndexTables:
    """Index the videos below `root`; without official lists (layout `folder`), `make_splits` makes the splits."""
    sizes, rows = select_videos(list_files(root))
    reported = {row.video_id for row in rows}
    if layout == "folder":
        matched, more_rows = match_class_folders(root, sizes, make_splits)
    else:
        matched, more_rows = match_lists(root, sizes, layout, lists or str(root))
    listed_classes = matched.listed.classes
    classes = annotations.read_label_map(label_map, listed_classes) if label_map else listed_classes
    _refuse_one_class(root, classes)
    videos = video_table(matched, sizes, classes, slice_count, seed)
    rows += more_rows + [row for row in missing_rows(matched) if row.video_id not in reported] + suffix_rows(matched)
    return IndexTables(videos, split_table(matched, classes), classes, coverage(matched, sizes, classes), rows)


def match_class_folders(
    root: Path, sizes: Mapping[str, int], make_splits: MakeSplits
) -> tuple[MatchedVideos, list[QuarantineRow]]:
    """The videos in class folders below `root`, with their splits, and rows for other videos and empty folders."""
    videos = membership.match_class_folders(sizes)
    classes, names = videos.classes, set(videos.classes.values())
    reason = "lies in no class folder"
    loose = [QuarantineRow(path, "index", "ignored", reason) for path in sizes if path not in classes]
    reason = "the class folder holds no video"
    empty = [QuarantineRow(f"{name}/", "index", "missing", reason) for name in _folders(root) if name not in names]
    _refuse_no_videos(root, classes)
    entries = make_splits(classes)
    listed = {entry.video: _first_folder(entry.video) for entry in entries}
    files = match_paths({video: name if name in names else "" for video, name in listed.items()}, classes)
    listed |= {video: classes[path] for video, path in files.items()}
    _refuse_unknown_classes(entries, listed, names)
    refuse_unmatched(root, listed, files, classes)
    return videos._replace(listed=Annotations(sorted(names), entries, listed), files=files), loose + empty


def match_lists(
    root: Path, sizes: Mapping[str, int], layout: str, lists: str
) -> tuple[MatchedVideos, list[QuarantineRow]]:
    """The videos of the official lists, anywhere below `root`, and rows for the videos that are in no list."""
    videos = membership.match_lists(root, list(sizes), LAYOUTS[layout], lists)
    _refuse_no_videos(root, sizes)
    names = {PurePosixPath(path).stem for path in videos.files.values()} - {""}
    return videos, [_unlisted_row(path, names) for path in sizes if path not in videos.classes]


def video_table(
    matched: MatchedVideos, sizes: Mapping[str, int], classes: Sequence[str], slice_count: int, seed: int
) -> pd.DataFrame:
    """The rows of manifest.parquet, sorted by video_id."""
    labels, ids = {name: label for label, name in enumerate(classes)}, matched.ids
    slice_names = slices.assign({ids[path]: sizes[path] for path in ids}, slice_count, seed)
    rows = [
        (ids[path], path, name, labels[name], sizes[path], slice_names[ids[path]])
        for path, name in matched.classes.items()
    ]
    return pd.DataFrame(sorted(rows), columns=list(manifest.VIDEO_COLUMNS))


def split_table(matched: MatchedVideos, classes: Sequence[str]) -> pd.DataFrame:
    """The rows of splits.parquet. It includes videos without a file, so that results can report n of N."""
    labels = {name: label for label, name in enumerate(classes)}
    rows = []
    for entry in matched.listed.entries:
        path, name = matched.files.get(entry.video), matched.listed.videos[entry.video]
        video = entry.video if path is None else matched.ids.get(path, path)
        rows.append((video, name, labels[name], entry.split, entry.role, path is not None))
    table = pd.DataFrame(rows, columns=list(manifest.SPLIT_COLUMNS))
    _refuse_both_roles(table)
    return table


def missing_rows(matched: MatchedVideos) -> list[QuarantineRow]:
    """A row for every listed video without a file; the reason names the list."""
    sources = {entry.video: entry.source for entry in reversed(matched.listed.entries)}
    return [
        QuarantineRow(
            video, "index", "missing", f"named in {sources.get(video, 'the lists')}, but there is no such file"
        )
        for video in matched.listed.videos
        if video not in matched.files
    ]


def suffix_rows(matched: MatchedVideos) -> list[QuarantineRow]:
    """One row for all listed videos whose files have another suffix than the lists say."""
    names = matched_by_stem(matched.files)
    if not names:
        return []
    path = matched.files[names[0]]
    reason = f"{len(names)} listed videos are files with another suffix: the lists say {names[0]}, the file is {path}"
    return [QuarantineRow(matched.ids.get(path, path), "index", "kept", reason)]


def coverage(matched: MatchedVideos, sizes: Mapping[str, int], classes: Sequence[str]) -> list[tuple[object, ...]]:
    """The rows of coverage.tsv: for each class its listed and present videos, its files in no list, and its bytes."""
    listed = Counter(matched.listed.videos.values())
    present = Counter(matched.listed.videos[video] for video in matched.files)
    files, size = Counter(matched.classes.values()), Counter[str]()
    for path, name in matched.classes.items():
        size[name] += sizes[path]
    return [
        (name, label, listed[name], present[name], files[name] - present[name], size[name])
        for label, name in enumerate(classes)
    ]


def write_part(out: Path, dataset: str, tables: IndexTables, slice_count: int, part: str) -> None:
    """Write one of PARTS to the folder `out`."""
    videos, rows = tables.videos, tables.quarantine
    metadata = {
        "dataset": dataset,
        "classes": tables.classes,
        "fingerprint": manifest.fingerprint(zip(videos["video_id"], videos["class"], videos["bytes"], strict=True)),
    }
    if part == "manifest":
        manifest.write_parquet(out / "manifest.parquet", videos, metadata)
    elif part == "splits":
        manifest.write_parquet(out / "splits.parquet", tables.splits, metadata)
    else:
        quarantine.write(out / "index.quarantine.tsv", rows)
        write_tsv(out / "coverage.tsv", COVERAGE, tables.coverage)
        for row in rows:
            if row.verdict == "kept":
                log.say(f"{dataset}: {row.reason}")
    left_out = sum(row.verdict != "kept" for row in rows)
    present, listed = (sum(row[column] for row in tables.coverage) for column in (3, 2))  # type: ignore[misc]
    log.say(
        f"{dataset}: {present} of {listed} listed videos present; {len(videos)} videos of {len(tables.classes)} classes"
        f" in {slice_count} slices, fingerprint {metadata['fingerprint']}; {left_out} files missing or ignored"
    )


def _folders(folder: Path) -> list[str]:
    names = [path.name for path in folder.iterdir() if path.is_dir()]
    return sorted(name for name in names if not name.startswith(".") and not name_problem(name))


def _first_folder(video: str) -> str:
    return posixpath.normpath(video.replace("\\", "/")).split("/")[0]


def _unlisted_row(path: str, listed_names: set[str]) -> QuarantineRow:
    copy = PurePosixPath(path).stem in listed_names
    return QuarantineRow(path, "index", "ignored", "is another copy of a listed clip" if copy else "is in no list")


def _refuse_both_roles(table: pd.DataFrame) -> None:
    distinct = table.drop_duplicates(["video_id", "split", "role"])
    duplicates = distinct[distinct.duplicated(["video_id", "split"])]
    if len(duplicates):
        video, split = duplicates.iloc[0][["video_id", "split"]]
        raise UserError(f"{video} is in both train and test of split {split}: remove it from one of them")


def _refuse_unknown_classes(entries: Sequence[SplitEntry], classes: Mapping[str, str], folders: set[str]) -> None:
    unknown = next((entry for entry in entries if classes[entry.video] not in folders), None)
    if unknown is not None:
        raise UserError(
            f"{unknown.source} names {unknown.video}, but there is no class folder {classes[unknown.video]}: write"
            f" paths such as {min(folders)}/clip.avi"
        )


def _refuse_no_videos(root: Path, videos: Mapping[str, object]) -> None:
    if not videos:
        raise UserError(f"{root} has no class folder with a video in it: put the videos in one folder per class")


def _refuse_one_class(root: Path, classes: Sequence[str]) -> None:
    if len(classes) < 2:
        raise UserError(f"{root} has only the class {classes[0]}, but a classifier needs two: add another class folder")
