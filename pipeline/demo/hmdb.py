"""File names, split lists and archives in HMDB51's form: a RAR of one RAR per class, a list per class and split."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.common.files import whole_file
from pipeline.demo import PRETRAIN_CLASSES
from pipeline.demo.rar import RarWriter
from pipeline.demo.splits import SPLITS, Clip, all_clips, held_out_groups

FOLDER = "testTrainMulti_7030_splits"
UNUSED, TRAIN, TEST = 0, 1, 2  # the number behind a clip in a list


def file_name(clip: Clip) -> str:
    """`STICK_FIGURES_#3!_(demo)_jump_f_cm_np1_ri_goo_0.avi`: a title with special characters, then HMDB51's tags."""
    return f"STICK_FIGURES_#{clip.group}!_(demo)_{clip.name}_f_cm_np1_ri_goo_{clip.number - 1}.avi"


def list_number(clip: Clip, split: int, groups: int, number: int) -> int:
    """TRAIN or TEST by the clip's group; the last clip of a test group is UNUSED, as some of HMDB51's clips are."""
    if clip.group not in held_out_groups(split, groups):
        return TRAIN
    return UNUSED if clip.number == number > 1 else TEST


def split_lists(groups: int, number: int) -> dict[str, str]:
    """File name -> text, of a list per class and split; every list has all clips of its class."""
    texts = {}
    for name in PRETRAIN_CLASSES:
        clips = all_clips(groups, number, (name,))
        for split in SPLITS:
            # HMDB51's lines end with a blank.
            lines = [f"{file_name(clip)} {list_number(clip, split, groups, number)} \n" for clip in clips]
            texts[f"{name}_test_split{split}.txt"] = "".join(lines)
    return texts


def write_lists(path: Path, texts: dict[str, str]) -> None:
    """Write a RAR of the lists; after a kill there is no file at `path`."""
    with whole_file(path) as scratch:
        scratch.write_bytes(rar_bytes({f"{FOLDER}/{name}": texts[name].encode() for name in sorted(texts)}))


def write_videos(path: Path, clips: Sequence[Clip], videos: Iterator[bytes]) -> None:
    """Write a RAR of one RAR per class; `videos` are the AVI files of the clips, in the same order."""
    with whole_file(path) as scratch, open(scratch, "wb") as file, RarWriter(file) as archive:
        for name in dict.fromkeys(clip.name for clip in clips):
            names = [f"{name}/{file_name(clip)}" for clip in clips if clip.name == name]
            archive.add(f"{name}.rar", rar_bytes({video: next(videos) for video in names}))


def rar_bytes(members: dict[str, bytes]) -> bytes:
    """The bytes of a RAR, in memory: one class of clips or the lists are small."""
    file = io.BytesIO()
    with RarWriter(file) as archive:
        for name, data in members.items():
            archive.add(name, data)
    return file.getvalue()
