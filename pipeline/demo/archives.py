"""The archives of the demo data sets, drawn and packed in the forms of UCF-101 and HMDB51."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.common.files import scratch_folder, whole_file
from pipeline.demo import PRETRAINING, hmdb
from pipeline.demo.clips import clip
from pipeline.demo.rar import RarWriter
from pipeline.demo.splits import Clip, clips, lists, write_lists
from pipeline.demo.video import avi

VIDEOS, LISTS = "Demo.rar", "DemoTrainTestSplits-RecognitionTask.zip"
OTHER_VIDEOS, OTHER_LISTS = "demo_pretrain_org.rar", "demo_pretrain_test_train_splits.rar"

ROOT = "Demo"  # the folder within the archive


def write(out: Path, seed: int, groups: int, number: int, threads: int, dataset: str = "demo") -> None:
    """Both files of a data set into the folder `out`; the same numbers give the same bytes, whatever the threads."""
    check(seed, groups, number, threads)
    if out.exists() and not out.is_dir():
        raise UserError(f"--out is {out}, which is a file, but two files go into a folder: give another name")
    WRITERS[dataset](out, seed, groups, number, threads)


def write_demo(out: Path, seed: int, groups: int, number: int, threads: int) -> None:
    """`demo`, in UCF-101's form."""
    everything = clips(groups, number)
    with whole_file(out / VIDEOS) as scratch, open(scratch, "wb") as file, RarWriter(file) as archive:
        for entry, data in zip(everything, encoded(out, everything, seed, threads), strict=True):
            archive.add(f"{ROOT}/{entry.path}", data)
    with whole_file(out / LISTS) as scratch:
        write_lists(scratch, lists(groups, number))


def write_pretraining(out: Path, seed: int, groups: int, number: int, threads: int) -> None:
    """`demo_pretrain`, in HMDB51's form."""
    everything = clips(groups, number, PRETRAINING)
    hmdb.write_videos(out / OTHER_VIDEOS, everything, encoded(out, everything, seed, threads))
    hmdb.write_lists(out / OTHER_LISTS, hmdb.lists(groups, number))


WRITERS: dict[str, Callable[[Path, int, int, int, int], None]] = {
    "demo": write_demo,
    "demo_pretrain": write_pretraining,
}


def encoded(out: Path, everything: Sequence[Clip], seed: int, threads: int) -> Iterator[bytes]:
    """The AVI files of clips, in order; drawing and encoding both let other threads run.

    They are written into `out` first, where the next attempt finds what a killed one left.
    """
    with scratch_folder(out / "clips") as scratch, ThreadPoolExecutor(threads) as pool:
        videos = pool.map(lambda c: avi(clip(seed, c.name, c.group, c.number), scratch), everything)
        yield from log.progress(videos, len(everything), "clips")


def check(seed: int, groups: int, number: int, threads: int) -> None:
    """Refuse numbers that name no data set."""
    if groups % 3 or not 3 <= groups <= 99:
        raise UserError(
            f"--groups is {groups}, but three splits test on a third of the groups each: give a multiple of 3, 3 to 99"
        )
    if not 1 <= number <= 99:
        raise UserError(f"--clips is {number}, but a file name has two digits for the clip: give 1 to 99")
    if seed < 0:
        raise UserError(
            f"--seed is {seed}, but random streams start from 0 or more: give a number that is not negative"
        )
    if threads < 1:
        raise UserError(f"--threads is {threads}, but someone has to draw the clips: give 1 or more")
