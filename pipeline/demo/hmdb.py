"""The clips' names, split lists and archives in HMDB51's form: a RAR of one RAR a class, a list a class and split."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.common.files import whole_file
from pipeline.demo import PRETRAINING
from pipeline.demo.rar import RarWriter
from pipeline.demo.splits import SPLITS, Clip, clips, held_out

FOLDER = "testTrainMulti_7030_splits"
UNUSED, TRAIN, TEST = 0, 1, 2  # what the lists write behind a clip


def file_name(clip: Clip) -> str:
    """`STICK_FIGURES_#3!_(demo)_jump_f_cm_np1_ri_goo_0.avi`: HMDB51's tags, after a film's title as wild as its are."""
    return f"STICK_FIGURES_#{clip.group}!_(demo)_{clip.name}_f_cm_np1_ri_goo_{clip.number - 1}.avi"


def role(clip: Clip, split: int, groups: int, number: int) -> int:
    """Groups are split as the demo's are; a tested group's last clip is in no set, as HMDB51 leaves clips over."""
    if clip.group not in held_out(split, groups):
        return TRAIN
    return UNUSED if clip.number == number > 1 else TEST


def lists(groups: int, number: int) -> dict[str, str]:
    """File name -> text of a list a class and split; every list has all clips of its class."""
    texts = {}
    for name in PRETRAINING:
        everything = clips(groups, number, (name,))
        for split in SPLITS:
            lines = [f"{file_name(c)} {role(c, split, groups, number)} \n" for c in everything]  # the blank is theirs
            texts[f"{name}_test_split{split}.txt"] = "".join(lines)
    return texts


def write_lists(path: Path, texts: dict[str, str]) -> None:
    """A RAR of the lists, whole or not at all."""
    with whole_file(path) as scratch:
        scratch.write_bytes(packed({f"{FOLDER}/{name}": texts[name].encode() for name in sorted(texts)}))


def write_videos(path: Path, everything: Sequence[Clip], videos: Iterator[bytes]) -> None:
    """A RAR of a RAR a class, whole or not at all; `videos` are the clips' files in order, class by class."""
    with whole_file(path) as scratch, open(scratch, "wb") as file, RarWriter(file) as archive:
        for name in dict.fromkeys(clip.name for clip in everything):
            names = [f"{name}/{file_name(clip)}" for clip in everything if clip.name == name]
            archive.add(f"{name}.rar", packed({video: next(videos) for video in names}))


def packed(members: dict[str, bytes]) -> bytes:
    """A RAR's bytes; one class of clips, or the lists, fit in memory many times over."""
    file = io.BytesIO()
    with RarWriter(file) as archive:
        for name, data in members.items():
            archive.add(name, data)
    return file.getvalue()
