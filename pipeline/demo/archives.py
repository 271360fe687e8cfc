"""Write the archives of the demo data sets, in the forms of UCF-101 and HMDB51."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.common.files import scratch_folder, whole_file
from pipeline.demo import PRETRAIN_CLASSES, hmdb
from pipeline.demo.clips import draw_clip
from pipeline.demo.rar import RarWriter
from pipeline.demo.splits import Clip, all_clips, split_lists, write_lists
from pipeline.demo.video import encode_avi

VIDEOS, LISTS = "Demo.rar", "DemoTrainTestSplits-RecognitionTask.zip"
PRETRAIN_VIDEOS, PRETRAIN_LISTS = "demo_pretrain_org.rar", "demo_pretrain_test_train_splits.rar"

ROOT = "Demo"  # the top folder in the archive of videos


def write(out: Path, seed: int, groups: int, number: int, threads: int, dataset: str = "demo") -> None:
    """Write both archives of a data set into the folder `out`; `number` is the clips per group.

    The same arguments give the same bytes, for any number of threads.
    """
    check_arguments(seed, groups, number, threads)
    if out.exists() and not out.is_dir():
        raise UserError(f"--out is {out}, which is a file, but two files go into a folder: give another name")
    WRITERS[dataset](out, seed, groups, number, threads)


def write_demo(out: Path, seed: int, groups: int, number: int, threads: int) -> None:
    """`demo`, in UCF-101's form."""
    clips = all_clips(groups, number)
    with whole_file(out / VIDEOS) as scratch, open(scratch, "wb") as file, RarWriter(file) as archive:
        for clip, data in zip(clips, encode(out, clips, seed, threads), strict=True):
            archive.add(f"{ROOT}/{clip.path}", data)
    with whole_file(out / LISTS) as scratch:
        write_lists(scratch, split_lists(groups, number))


def write_demo_pretrain(out: Path, seed: int, groups: int, number: int, threads: int) -> None:
    """`demo_pretrain`, in HMDB51's form."""
    clips = all_clips(groups, number, PRETRAIN_CLASSES)
    hmdb.write_videos(out / PRETRAIN_VIDEOS, clips, encode(out, clips, seed, threads))
    hmdb.write_lists(out / PRETRAIN_LISTS, hmdb.split_lists(groups, number))


WRITERS: dict[str, Callable[[Path, int, int, int, int], None]] = {
    "demo": write_demo,
    "demo_pretrain": write_demo_pretrain,
}


def encode(out: Path, clips: Sequence[Clip], seed: int, threads: int) -> Iterator[bytes]:
    """The AVI files of the clips, in order. Threads help, since drawing and encoding release the GIL.

    ffmpeg writes them into a scratch folder of `out`, which the next run deletes if this one is killed.
    """

    def encode_clip(clip: Clip) -> bytes:
        return encode_avi(draw_clip(seed, clip.name, clip.group, clip.number), scratch)

    with scratch_folder(out / "clips") as scratch, ThreadPoolExecutor(threads) as pool:
        yield from log.progress(pool.map(encode_clip, clips), len(clips), "clips")


def check_arguments(seed: int, groups: int, number: int, threads: int) -> None:
    """Raise UserError for numbers that no data set can have."""
    if groups % 3 or not 3 <= groups <= 99:
        raise UserError(
            f"--groups is {groups}, but three splits test on a third of the groups each: give a multiple of 3, 3 to 99"
        )
    if not 1 <= number <= 99:
        raise UserError(f"--clips is {number}, but a file name has two digits for the clip: give 1 to 99")
    if seed < 0:
        raise UserError(f"--seed is {seed}, but a seed must not be negative: give 0 or more")
    if threads < 1:
        raise UserError(f"--threads is {threads}, but at least one thread is needed: give 1 or more")
