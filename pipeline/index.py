"""Index a data set: its videos, classes, splits and slices, from the official lists or from a folder of class folders.

Writes manifest.parquet, splits.parquet, and index.quarantine.tsv with what does not fit.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pipeline import annotations, cli, manifest, quarantine, slices
from pipeline.annotations import Entry
from pipeline.errors import UserError
from pipeline.quarantine import Row

VIDEO_SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts"}
    | {".vob", ".webm", ".wmv"}
)


class Built(NamedTuple):
    """What one data set's index holds; the tables' columns are manifest.MANIFEST and manifest.SPLITS."""

    videos: pd.DataFrame
    splits: pd.DataFrame
    classes: list[str]
    quarantine: list[Row]


def scan(folder: Path) -> dict[str, int]:
    """Every file below `folder` but hidden ones: its path there, with forward slashes -> bytes. Links are followed."""
    found: dict[str, int] = {}
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file():
                found[path.relative_to(folder).as_posix()] = path.stat().st_size
    return found


def sort_files(files: Mapping[str, int]) -> tuple[dict[str, int], list[Row]]:
    """The videos among `files` (by suffix), and a row for every other file."""
    videos = {name: size for name, size in files.items() if Path(name).suffix.lower() in VIDEO_SUFFIXES}
    ignored = [Row(name, "index", "ignored", f"{Path(name).suffix or 'no suffix'} is no video's suffix")
               for name in files if name not in videos]  # fmt: skip
    return videos, ignored


def from_folder(root: Path, videos: Mapping[str, int]) -> tuple[dict[str, str], list[Row]]:
    """Video -> class, the class being the first folder below `root`; a row for empty classes and for loose videos."""
    classes = {name: name.split("/")[0] for name in videos if "/" in name}
    loose = [Row(name, "index", "ignored", "lies in no class folder") for name in videos if "/" not in name]
    folders = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    empty = [Row(f"{name}/", "index", "missing", "the class folder holds no video")
             for name in folders if name not in classes.values()]  # fmt: skip
    return classes, loose + empty


def match(listed: Iterable[str], videos: Iterable[str]) -> dict[str, str]:
    """List's spelling -> file's path: exactly, else whatever the case, else by the file's name where that is unique."""
    exact = set(videos)
    folded = {name.casefold(): name for name in exact}
    by_name: dict[str, list[str]] = {}
    for name in exact:
        by_name.setdefault(Path(name).name.casefold(), []).append(name)
    found = {}
    for video in dict.fromkeys(listed):
        same_name = by_name.get(Path(video).name.casefold(), [])
        target = video if video in exact else folded.get(video.casefold())
        if target or len(same_name) == 1:
            found[video] = target or same_name[0]
    return found


def catalogue(
    root: Path, layout: str, lists: str | None, by_folder: Mapping[str, str]
) -> tuple[list[str], list[Entry]]:
    """(class names in label order, entries) of the official lists; for a plain folder its classes and no entry."""
    if layout == "ucf101":
        listed = annotations.ucf101(lists or root)
        return listed.classes, listed.entries
    return sorted(set(by_folder.values())), []


def class_of(listed: Mapping[str, str], by_folder: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Video -> class by the list that names it (list's spelling -> video), else by folder; known classes only."""
    by_list = {video: entry.split("/")[0] for entry, video in listed.items()}
    classes = {video: by_list.get(video, folder) for video, folder in by_folder.items()}
    return {video: name for video, name in classes.items() if name in names}


def split_table(
    entries: Sequence[Entry], found: Mapping[str, str], classes: Mapping[str, str], names: Sequence[str]
) -> tuple[pd.DataFrame, list[Row]]:
    """The rows of splits.parquet, and a quarantine row for every listed video that has no file.

    A missing video keeps its place and its class, so that results can say n of N.
    """
    labels = {name: label for label, name in enumerate(names)}
    rows, missing = [], {}
    for entry in entries:
        video = found.get(entry.video, entry.video)
        name = classes.get(video, entry.video.split("/")[0])
        rows.append((video, name, labels.get(name, -1), entry.split, entry.role, entry.video in found))
        if entry.video not in found:
            missing[video] = Row(video, "index", "missing", f"named in {entry.source}, but there is no such file")
    table = pd.DataFrame(rows, columns=list(manifest.SPLITS))
    _refuse_both_roles(table)
    return table, list(missing.values())


def build(
    root: Path,
    draw: Callable[[Mapping[str, str]], list[Entry]],
    layout: str,
    lists: str | None,
    slice_count: int,
    seed: int,
) -> Built:
    """Index the videos below `root`; `draw` makes entries from video -> class where no official list does."""
    videos, rows = sort_files(scan(root))
    by_folder, odd = from_folder(root, videos)
    names, entries = catalogue(root, layout, lists, by_folder)
    _refuse_too_few(root, by_folder, names)
    classes = class_of(match((entry.video for entry in entries), by_folder), by_folder, names)
    entries = entries or draw(classes)
    table, missing = split_table(entries, match((entry.video for entry in entries), classes), classes, names)
    strange = [Row(video, "index", "ignored", f"{by_folder[video]} is not in the class index")
               for video in by_folder if video not in classes]  # fmt: skip
    frame = video_table(root, classes, {video: videos[video] for video in classes}, names, slice_count, seed)
    return Built(frame, table, names, rows + odd + strange + missing)


def video_table(
    root: Path, classes: Mapping[str, str], sizes: Mapping[str, int], names: Sequence[str], slice_count: int, seed: int
) -> pd.DataFrame:
    """The rows of manifest.parquet, by video_id."""
    labels = {name: label for label, name in enumerate(names)}
    places = slices.assign(sizes, slice_count, seed)
    rows = [(v, str(root / v), name, labels[name], sizes[v], places[v]) for v, name in sorted(classes.items())]
    return pd.DataFrame(rows, columns=list(manifest.MANIFEST))


def write(out: Path, dataset: str, built: Built, count: int) -> None:
    """Everything the stage declares, below `out`."""
    videos, table, classes, rows = built
    metadata = {
        "dataset": dataset,
        "classes": classes,
        "fingerprint": manifest.fingerprint(zip(videos["video_id"], videos["class"], videos["bytes"], strict=True)),
    }
    manifest.write_parquet(out / "splits.parquet", table, metadata)
    quarantine.write(out / "index.quarantine.tsv", rows)
    manifest.write_parquet(out / "manifest.parquet", videos, metadata)
    cli.say(
        f"{dataset}: {len(videos)} videos of {len(classes)} classes in {count} slices, fingerprint"
        f" {metadata['fingerprint']}; {len(rows)} rows in {out / 'index.quarantine.tsv'}"
    )


def _refuse_both_roles(table: pd.DataFrame) -> None:
    roles = table.groupby(["video_id", "split"])["role"].nunique()
    twice = roles[roles > 1]
    if len(twice):
        video, split = twice.index[0]
        raise UserError(f"{video} is in both train and test of split {split}: take it out of one of them")


def _refuse_too_few(root: Path, by_folder: Mapping[str, str], names: Sequence[str]) -> None:
    if not by_folder:
        raise UserError(f"{root} holds no class folder with a video in it: it should hold one sub-folder a class")
    if len(names) < 2:
        raise UserError(f"{root} holds one class, {names[0]}, and telling classes apart takes two: add another folder")


def _refuse_unknown_splits(table: pd.DataFrame, wanted: Sequence[int]) -> None:
    known = sorted(table["split"].unique().tolist())
    if missing := sorted(set(wanted) - set(known)):
        raise UserError(f"split {missing[0]} is asked for but the lists have {known}: change splits in config.yaml")


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("--dataset", required=True, help="the data set's name")
    parser.add_argument("--videos", required=True, type=Path, help="folder of class folders")
    parser.add_argument("--layout", choices=["ucf101", "folder"], default="folder", help="how to know the splits")
    parser.add_argument("--lists", help="folder of UCF-101's classInd.txt, trainlistNN.txt, testlistNN.txt")
    parser.add_argument("--split-file", help="table with the columns video, split, role; otherwise splits are drawn")
    parser.add_argument("--splits", type=int, nargs="+", default=[1], help="splits that are asked for")
    parser.add_argument("--test-share", type=float, default=0.3, help="share of each class that tests, when drawn")
    parser.add_argument("--slices", type=int, default=4, help="number of slices")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, type=Path, help="folder for the results")
    a = parser.parse_args(argv)

    def draw(classes: Mapping[str, str]) -> list[Entry]:
        if a.split_file:
            return annotations.split_file(a.split_file)
        return annotations.stratified(classes, a.splits, a.test_share, a.seed)

    built = build(a.videos, draw, a.layout, a.lists, a.slices, a.seed)
    _refuse_unknown_splits(built.splits, a.splits)
    write(a.out, a.dataset, built, a.slices)


if __name__ == "__main__":
    cli.run(main)
