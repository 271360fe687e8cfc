"""The size of a data set: counted as far as it is here, else from dataset_facts.tsv or a scan of the user's folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv
from pipeline.config.settings import DatasetSettings, of_dataset
from pipeline.formats.modalities import FRAMES
from pipeline.index.video_files import list_files, select_videos
from pipeline.plan.intervals import Interval, exact, from_measurements
from pipeline.workflow import targets

TABLE = Path(__file__).with_name("dataset_facts.tsv")
COUNTS = ("videos", "train", "test", "classes", "fps", "width", "height")
INTERVALS = ("frames", "download_gb", "video_gb")  # each has the columns NAME_low, NAME and NAME_high
COLUMNS = ("dataset", *COUNTS, *(f"{name}{end}" for name in INTERVALS for end in ("_low", "", "_high")), "codec")
BYTES_PER_FRAME = Interval(1500, 6000, 40000)  # of a video file whose frames are not counted; UCF-101 has 2800
PIXELS_PER_FRAME = Interval(320 * 240, 640 * 360, 1920 * 1080)  # of videos of unknown size


class DatasetSize(NamedTuple):
    """The size of a data set. `train` and `test` are the videos of one split.

    `source_pixels` and `stored_pixels` are those of a frame before and after the frames stage, `bytes` those of all
    videos, `download` those of archives that are not here yet. `basis` says where the number of frames comes from.
    """

    videos: float
    train: float
    test: float
    classes: int
    frames: Interval
    source_pixels: Interval
    stored_pixels: float
    codec: str
    bytes: Interval
    download: Interval
    basis: str


def dataset_size(config: Mapping[str, Any], dataset: str) -> DatasetSize:
    """The size as far as it is known in the working directory."""
    settings = of_dataset(config, dataset)
    rows = {row["dataset"]: row for row in read_tsv(TABLE, COLUMNS)}
    is_users = settings.folder and dataset not in rows
    size = _from_folder(settings) if is_users else _from_table(rows[dataset], settings)
    return _with_counts(config, dataset, size)


def _from_table(row: Mapping[str, str], settings: DatasetSettings) -> DatasetSize:
    frames, download, videos = (
        Interval(*(float(row[f"{name}{end}"]) * unit for end in ("_low", "", "_high")))
        for name, unit in zip(INTERVALS, (1, 1e9, 1e9), strict=True)
    )
    is_here = settings.folder or settings.archives
    stored_fps, fps = settings.frames.fps, float(row["fps"])
    width, height = int(row["width"]), int(row["height"])
    pixels = exact(width * height) if row["codec"] == "xvid" else PIXELS_PER_FRAME
    return DatasetSize(
        int(row["videos"]), int(row["train"]), int(row["test"]), int(row["classes"]),
        frames if stored_fps == "native" else frames.times(float(stored_fps) / fps), pixels,
        _stored_pixels(settings.frames.size, width / height), row["codec"], videos,
        exact(0) if is_here else download, f"frames of {row['dataset']}: {row['certainty']}",
    )  # fmt: skip


def _from_folder(settings: DatasetSettings) -> DatasetSize:
    """The size of the user's folder of class folders: videos and bytes are counted, frames estimated from the bytes."""
    videos, _ = select_videos(list_files(settings.folder or ""))
    size, count, share = sum(videos.values()), len(videos), settings.test_share
    if not size:
        raise UserError(
            f"{settings.folder} holds {count} videos and 0 bytes of them: put class folders of videos there"
        )
    classes = len({name.partition("/")[0] for name in videos})
    return DatasetSize(
        count, count * (1 - share), count * share, classes, exact(size).over(BYTES_PER_FRAME), PIXELS_PER_FRAME,
        _stored_pixels(settings.frames.size, 4 / 3), "h264", exact(size), exact(0),
        f"frames of {settings.folder}: guessed from {size:,} bytes until the frames stage has counted them",
    )  # fmt: skip


def _stored_pixels(size: int | Sequence[int], aspect: float) -> float:
    """Pixels of a stored frame; `size` is the short side or (width, height)."""
    return float(size * size * max(aspect, 1 / aspect)) if isinstance(size, int) else float(size[0] * size[1])


def _with_counts(config: Mapping[str, Any], dataset: str, size: DatasetSize) -> DatasetSize:
    """`size` with what can be counted in the manifest, the splits, and the slices or shards that exist."""
    manifest = Path(f"data/{dataset}/manifest.parquet")
    if manifest.exists():
        size = _with_manifest(manifest, manifest.with_name("splits.parquet"), size)
    slices = [Path(path) for path in targets.slice_files(config, dataset, FRAMES)]
    counts = [_count_frames(path) for path in slices if path.exists()]
    if sum(counts):
        is_partial = len(counts) < len(slices)
        frames = from_measurements(counts).times(len(slices)) if is_partial else exact(sum(counts))
        basis = f"frames of {dataset}: counted in {len(counts)} of {len(slices)} slices"
        return size._replace(frames=frames, basis=basis)
    index = Path(f"data/{dataset}/shards/rgb/index.parquet")
    if index.exists():
        basis = f"frames of {dataset}: counted in its shards"
        return size._replace(frames=exact(_count_packed_frames(index)), basis=basis)
    return size


def _with_manifest(path: Path, splits: Path, size: DatasetSize) -> DatasetSize:
    from pipeline.formats import manifest as tables  # imports pandas, which is slow

    videos, metadata = tables.read_manifest(path)
    nbytes = exact(float(videos["bytes"].sum()))
    size = size._replace(videos=len(videos), classes=len(metadata["classes"]), bytes=nbytes)
    if not splits.exists():
        return size
    table, _ = tables.read_parquet(splits, tables.SPLIT_COLUMNS)
    counts = table[(table["split"] == table["split"].min()) & table["present"]]["role"].value_counts()
    return size._replace(train=int(counts.get("train", 0)), test=int(counts.get("test", 0)))


def _count_frames(path: Path) -> int:
    """The frames of a slice; 0 if its file is incomplete."""
    from pipeline.formats.hdf5 import open_hdf5

    try:
        with open_hdf5(path) as file:
            return file["offsets"].shape[0] - 1
    except (OSError, KeyError):
        return 0


def _count_packed_frames(index: Path) -> int:
    from pipeline.formats import manifest as tables
    from pipeline.formats.shards import INDEX_COLUMNS

    return int(tables.read_parquet(index, INDEX_COLUMNS)[0]["pictures"].sum())
