"""How large a data set is: counted where it is here already, else from dataset_facts.tsv or a walk over its folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv
from pipeline.config.settings import of_dataset
from pipeline.index.video_files import file_sizes, select_videos
from pipeline.plan.spans import Span, exact, measured
from pipeline.workflow import targets

TABLE = Path(__file__).with_name("dataset_facts.tsv")
COUNTS = ("videos", "train", "test", "classes", "fps", "width", "height")
SPANS = ("frames", "download_gb", "video_gb")
COLUMNS = ("dataset", *COUNTS, *(f"{name}{end}" for name in SPANS for end in ("_low", "", "_high")), "codec")
BYTES_A_FRAME = Span(1500, 6000, 40000)  # of a video whose frames nobody has counted: UCF-101 has 2800
ANY_SIZE = Span(320 * 240, 640 * 360, 1920 * 1080)  # pixels of a video that nobody has opened


class Facts(NamedTuple):
    """A data set. `train` and `test` are a split's videos, `source` and `stored` pixels of a picture, before and after
    the frames stage; `known` says what the numbers of frames stand on."""

    videos: float
    train: float
    test: float
    classes: int
    frames: Span
    source: Span
    stored: float
    codec: str
    bytes: Span
    download: Span
    known: str


def facts(config: Mapping[str, Any], dataset: str) -> Facts:
    """What is known now, in the working directory."""
    settings = of_dataset(config, dataset)
    rows = {row["dataset"]: row for row in read_tsv(TABLE, COLUMNS)}
    walked = settings["folder"] and dataset not in rows
    found = _of_folder(settings) if walked else _of_table(rows[dataset], settings)
    return _counted(config, dataset, found)


def _of_table(row: Mapping[str, str], settings: Mapping[str, Any]) -> Facts:
    frames, download, videos = (
        Span(*(float(row[f"{name}{end}"]) * unit for end in ("_low", "", "_high")))
        for name, unit in zip(SPANS, (1, 1e9, 1e9), strict=True)
    )
    here = settings["folder"] or settings["archives"]
    wanted, fps = settings["frames"]["fps"], float(row["fps"])
    width, height = int(row["width"]), int(row["height"])
    source = exact(width * height) if row["codec"] == "xvid" else ANY_SIZE
    return Facts(
        int(row["videos"]), int(row["train"]), int(row["test"]), int(row["classes"]),
        frames if wanted == "native" else frames.times(float(wanted) / fps), source,
        _stored(settings["frames"]["size"], width / height), row["codec"], videos, exact(0) if here else download,
        f"frames of {row['dataset']}: {row['certainty']}",
    )  # fmt: skip


def _of_folder(settings: Mapping[str, Any]) -> Facts:
    """A folder of class folders: its videos and bytes are counted, frames are guessed from the bytes."""
    videos, _ = select_videos(file_sizes(settings["folder"]))
    size, count, share = sum(videos.values()), len(videos), settings["test_share"]
    if not size:
        raise UserError(
            f"{settings['folder']} holds {count} videos and 0 bytes of them: put class folders of videos there"
        )
    classes = len({name.partition("/")[0] for name in videos})
    return Facts(
        count, count * (1 - share), count * share, classes, exact(size).over(BYTES_A_FRAME), ANY_SIZE,
        _stored(settings["frames"]["size"], 4 / 3), "h264", exact(size), exact(0),
        f"frames of {settings['folder']}: guessed from {size:,} bytes until the frames stage has counted them",
    )  # fmt: skip


def _stored(size: int | Sequence[int], aspect: float) -> float:
    """Pixels of a stored picture; one number is the short side."""
    return float(size * size * max(aspect, 1 / aspect)) if isinstance(size, int) else float(size[0] * size[1])


def _counted(config: Mapping[str, Any], dataset: str, found: Facts) -> Facts:
    """Counts from the manifest, the splits and the slices, as far as they are here."""
    manifest = Path(f"data/{dataset}/manifest.parquet")
    if manifest.exists():
        found = _of_manifest(manifest, manifest.with_name("splits.parquet"), found)
    slices = [Path(path) for path in targets.slice_files(config, dataset, "rgb")]
    pictures = [_pictures(path) for path in slices if path.exists()]
    if sum(pictures):
        frames = measured(pictures).times(len(slices)) if len(pictures) < len(slices) else exact(sum(pictures))
        known = f"frames of {dataset}: counted in {len(pictures)} of {len(slices)} slices"
        return found._replace(frames=frames, known=known)
    index = Path(f"data/{dataset}/shards/rgb/index.parquet")
    if index.exists():
        return found._replace(frames=exact(_packed(index)), known=f"frames of {dataset}: counted in its shards")
    return found


def _of_manifest(path: Path, splits: Path, found: Facts) -> Facts:
    from pipeline.formats import manifest as tables  # pandas takes its time

    videos, facts = tables.read_manifest(path)
    found = found._replace(videos=len(videos), classes=len(facts["classes"]), bytes=exact(float(videos["bytes"].sum())))
    if not splits.exists():
        return found
    table, _ = tables.read_parquet(splits, tables.SPLIT_COLUMNS)
    first = table[(table["split"] == table["split"].min()) & table["present"]]["role"].value_counts()
    return found._replace(train=int(first.get("train", 0)), test=int(first.get("test", 0)))


def _pictures(path: Path) -> int:
    """Those of a slice; none where the file is not whole."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return file["offsets"].shape[0] - 1
    except (OSError, KeyError):
        return 0


def _packed(index: Path) -> int:
    from pipeline.formats import manifest as tables
    from pipeline.formats.shards import INDEX_COLUMNS

    return int(tables.read_parquet(index, INDEX_COLUMNS)[0]["pictures"].sum())
