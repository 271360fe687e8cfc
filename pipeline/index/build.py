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
from pipeline.index.class_folders import listed_class, only_deeper
from pipeline.index.matching import match_paths, matched_by_stem, refuse_unmatched
from pipeline.index.membership import MatchedVideos
from pipeline.index.split_doubts import split_doubts
from pipeline.index.video_files import list_files, name_problem, select_videos

PARTS = ("manifest", "splits", "coverage")
COVERAGE = ("class", "label", "listed", "present", "unlisted", "bytes")  # the columns of coverage.tsv

# From a mapping video -> class and the entries of folders train, val and test.
MakeSplits = Callable[[Mapping[str, str], list[SplitEntry]], list[SplitEntry]]


class IndexTables(NamedTuple):
    """The index of a data set; the columns are manifest.VIDEO_COLUMNS, manifest.SPLIT_COLUMNS and COVERAGE."""

    videos: pd.DataFrame
    splits: pd.DataFrame
    classes: list[str]
    coverage: list[tuple[object, ...]]
    quarantine: list[QuarantineRow]
    doubts: list[str]  # sentences about the splits


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
    matched = membership.match_videos(root, list(sizes), layout, lists)
    _refuse_no_videos(root, matched.classes)
    if layout == "folder":
        matched = with_splits(matched, make_splits)
    more_rows = left_out_rows(root, sizes, matched)
    listed_classes = matched.listed.classes
    classes = annotations.read_label_map(label_map, listed_classes) if label_map else listed_classes
    _refuse_one_class(root, classes)
    videos = video_table(matched, sizes, classes, slice_count, seed)
    rows += more_rows + [row for row in missing_rows(matched) if row.video_id not in reported] + suffix_rows(matched)
    if matched.parents and only_deeper(matched.classes, matched.parents):
        log.say(f"no video lies directly in its class folder, such as {videos['path'][0]} of {videos['class'][0]}")
    splits = split_table(matched, classes)
    doubts = list(split_doubts(matched.listed.entries, splits))
    return IndexTables(videos, splits, classes, coverage(matched, sizes, classes), rows, doubts)


def with_splits(matched: MatchedVideos, make_splits: MakeSplits) -> MatchedVideos:
    """The videos of class folders, or of a table of classes, with the entries that `make_splits` makes for them."""
    classes, table = matched.classes, matched.listed
    names = set(classes.values()) | set(table.classes)
    named_classes = {video: classes[path] for video, path in matched.files.items()} or classes
    entries = make_splits(named_classes, table.entries)
    if table.videos and entries is table.entries:
        return matched
    listed = {entry.video: _listed_class(entry.video, named_classes, names) for entry in entries}
    files = match_paths({video: name if name in names else "" for video, name in listed.items()}, classes)
    listed |= {video: classes[path] for video, path in files.items()}
    _refuse_unknown_classes(entries, listed, names)
    refuse_unmatched("the folder of the videos", listed, files, classes)
    listed |= {video: name for video, name in table.videos.items() if video not in matched.files}
    return matched._replace(listed=Annotations(sorted(names), entries, listed), files=files)


def left_out_rows(root: Path, sizes: Mapping[str, int], matched: MatchedVideos) -> list[QuarantineRow]:
    """Rows for the videos that are in no list and no class folder, and for empty class folders."""
    names = {PurePosixPath(path).stem for path in matched.files.values()} - {""}
    loose = [path for path in sizes if path not in matched.classes]
    if not matched.parents:
        return [_unlisted_row(path, names) for path in loose]
    reason = "lies in no class folder"
    return [QuarantineRow(path, "index", "ignored", reason) for path in loose] + _empty_folder_rows(root, matched)


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
    table = pd.DataFrame(rows, columns=list(manifest.SPLIT_COLUMNS)).drop_duplicates(ignore_index=True)
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
        for doubt in tables.doubts:
            log.say(f"{dataset}: {doubt}")
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


def _empty_folder_rows(root: Path, matched: MatchedVideos) -> list[QuarantineRow]:
    full = {path[: len(parent)] + path[len(parent) :].split("/")[0] for parent in matched.parents
            for path in matched.classes if path.startswith(parent)}  # fmt: skip
    folders = [f"{parent}{name}" for parent in matched.parents for name in _folders(root / parent)]
    reason = "the class folder holds no video"
    return [QuarantineRow(f"{name}/", "index", "missing", reason) for name in folders if name not in full]


def _folders(folder: Path) -> list[str]:
    names = [path.name for path in folder.iterdir() if path.is_dir()]
    return sorted(name for name in names if not name.startswith(".") and not name_problem(name))


def _listed_class(video: str, classes: Mapping[str, str], names: set[str]) -> str:
    """The class that a split file means: of its exact video, or the first folder that is a class, or the first one."""
    path = posixpath.normpath(video.replace("\\", "/"))
    return classes.get(video) or listed_class(path, names) or path.split("/")[0]


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
        raise UserError(
            f"{root} has no class folder with a video in it: put the videos in one folder per class, or"
            " a CSV file with the columns video and label beside them"
        )


def _refuse_one_class(root: Path, classes: Sequence[str]) -> None:
    if len(classes) < 2:
        raise UserError(f"{root} has only the class {classes[0]}, but a classifier needs two: add another class folder")
