"""Which file stands for which listed video. One file stands for one listed video only."""

import posixpath
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from pipeline.common.errors import UserError
from pipeline.index.video_files import is_video, suffix


def match_paths(listed: Mapping[str, str], videos: Iterable[str]) -> dict[str, str]:
    """Listed name -> path of its file; `listed` maps listed names to classes (empty if the class is unknown).

    In this order: the exact path, the path in another case or Unicode form, a unique file name, the path with another
    suffix, and a unique file name with another suffix. A file that lies in the folder of another class, or that an
    earlier rule has matched, is no candidate. Raises UserError if two files differ from a listed name by suffix alone.
    """
    paths = dict.fromkeys(videos)
    files = {video: video for video in listed if video in paths}
    class_names = {fold(name) for name in listed.values() if name}
    for key in (fold, _name, _path_stem, _stem):
        waiting = [video for video in listed if video not in files]
        if not waiting:
            break
        taken = set(files.values())
        free = [path for path in paths if path not in taken]
        candidates = {
            video: [path for path in same if _in_class(path, listed[video], class_names)]
            for video, same in _same_key(key, waiting, free).items()
        }
        if key in (_path_stem, _stem):
            _refuse_two_files(candidates)
        claims = Counter(path for same in candidates.values() for path in same)
        files |= {video: same[0] for video, same in candidates.items() if len(same) == 1 == claims[same[0]]}
    return {video: files[video] for video in listed if video in files}


def matched_by_stem(files: Mapping[str, str]) -> list[str]:
    """The listed names that have the suffix of a video, and whose file has another one."""
    return [video for video, path in files.items() if is_video(video) and suffix(video) != suffix(path)]


def refuse_unmatched(root: object, listed: Iterable[str], files: Mapping[str, str], videos: Iterable[str]) -> None:
    """Raise UserError if there are videos below `root` and none of them is listed."""
    names, example = list(listed), next(iter(videos), None)
    if names and example is not None and not files:
        raise UserError(
            f"none of the {len(names)} listed videos is below {root}: the lists name videos such as {names[0]!r}, the"
            f" folder holds videos such as {example!r}: give the folder and the lists of the same data set"
        )


def fold(path: str) -> str:
    """A path for comparisons that ignore case, Unicode form, `./` and backslashes instead of slashes."""
    if "\\" in path or "./" in path or "//" in path:
        path = posixpath.normpath(path.replace("\\", "/"))
    return path.casefold() if path.isascii() else unicodedata.normalize("NFC", path).casefold()


def _name(path: str) -> str:
    return fold(path).rpartition("/")[2]


def _path_stem(path: str) -> str:
    folded = fold(path)
    return folded[: len(folded) - len(suffix(folded))] if is_video(folded) else folded


def _stem(path: str) -> str:
    return _path_stem(path).rpartition("/")[2]


def _same_key(key: Callable[[str], str], videos: Iterable[str], paths: Iterable[str]) -> dict[str, list[str]]:
    by_key: dict[str, list[str]] = {}
    for path in paths:
        by_key.setdefault(key(path), []).append(path)
    return {video: by_key.get(key(video), []) for video in videos}


def _in_class(path: str, name: str, class_names: set[str]) -> bool:
    """Whether the folders of a path are those of no class, or that of the class `name` is among them."""
    folders = class_names.intersection(fold(path).split("/")[:-1])
    return not name or not folders or fold(name) in folders


def _refuse_two_files(candidates: Mapping[str, list[str]]) -> None:
    for video, paths in candidates.items():
        if len(paths) > 1:
            raise UserError(
                f"{video} is listed, and {len(paths)} files may be it, {paths[0]!r} and {paths[1]!r}: remove or rename"
                " all but one"
            )
