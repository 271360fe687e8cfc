"""Export shards to the formats of other tools: folders of JPEGs, WebDataset tars, or MP4 previews.

jpg: OUT/CLASS/VIDEO/img_00001.jpg, the stored bytes of a frame; for forward and backward flow flow_x_00001.jpg and
flow_y_00001.jpg, the two halves of the stored picture, compressed again. webdataset: OUT/NNNNNN.tar with one sample per
video: .cls, .json and the stored pictures .00001.jpg, .00002.jpg, ... mp4: OUT/CLASS/VIDEO.mp4, with flow as colours.
"""

import argparse
import io
import itertools
import json
import tarfile
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path

import ffmpeg
import imageio_ffmpeg
import numpy as np
import simplejpeg

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.common.files import whole_file, whole_folder
from pipeline.flow import colour
from pipeline.formats.flow_levels import dequantise
from pipeline.formats.modalities import MODALITIES
from pipeline.formats.shards import ShardReader
from pipeline.index.video_files import video_stem

QUALITY = 95  # of flow pictures, which are compressed a second time
DEFAULT_FPS = 25.0  # of the preview of a video with an unknown frame rate


def export_names(reader: ShardReader, videos: Sequence[str]) -> dict[str, str]:
    """Video -> CLASS/NAME without the suffix, or CLASS/ID with it if several videos would have the same name."""
    short = {video: f"{reader.label(video)}/{video_stem(video)}" for video in videos}
    count = Counter(short.values())
    return {
        video: name if count[name] == 1 else f"{reader.label(video)}/{video.replace('/', '-')}"
        for video, name in short.items()
    }


def write_jpg(reader: ShardReader, videos: Sequence[str], out: Path, _: int) -> None:
    """Write a folder of JPEGs per video."""
    with whole_folder(out) as scratch:
        for video, name in log.progress(export_names(reader, videos).items(), len(videos), "export"):
            folder = scratch / name
            folder.mkdir(parents=True)
            for number, jpeg in enumerate(reader.jpegs(video, range(reader.count(video))), 1):
                for prefix, data in _pictures(reader, jpeg):
                    (folder / f"{prefix}_{number:05d}.jpg").write_bytes(data)


def write_webdataset(reader: ShardReader, videos: Sequence[str], out: Path, mib: int) -> None:
    """Write tars of about `mib` MiB, with at least one video each."""
    remaining = deque(export_names(reader, videos).items())
    progress = log.progress(range(len(remaining)), len(remaining), "export")
    with whole_folder(out) as scratch:
        for number in itertools.takewhile(lambda _: remaining, itertools.count()):
            with tarfile.open(scratch / f"{number:06d}.tar", "w") as tar:
                while remaining and (not tar.offset or tar.offset < mib << 20):
                    video, name = remaining.popleft()
                    _add_sample(tar, name.replace(".", "-"), reader, video)  # the key of a sample ends at its first dot
                    next(progress)


def write_mp4(reader: ShardReader, videos: Sequence[str], out: Path, _: int) -> None:
    """Write a preview per video."""
    for video, name in log.progress(export_names(reader, videos).items(), len(videos), "export"):
        with whole_file(out / f"{name}.mp4") as scratch:
            encode_preview(reader, video, scratch)


FORMATS: dict[str, Callable[[ShardReader, Sequence[str], Path, int], None]] = {
    "jpg": write_jpg,
    "webdataset": write_webdataset,
    "mp4": write_mp4,
}


def encode_preview(reader: ShardReader, video: str, path: Path) -> None:
    """Encode the pictures of one video as H.264; flow is shown as colours, scaled to its bound."""
    pictures = reader.jpegs(video, range(reader.count(video)))
    if MODALITIES[reader.modality].signed:
        pictures = [_flow_preview(reader, number, video) for number in range(len(pictures))]
    source = ffmpeg.input("pipe:", format="image2pipe", vcodec="mjpeg", framerate=reader.fps(video) or DEFAULT_FPS)
    even = source.filter("pad", "ceil(iw/2)*2", "ceil(ih/2)*2")
    output = even.output(str(path), vcodec="libx264", pix_fmt="yuv420p", crf=20, threads=1).overwrite_output()
    output.global_args("-v", "error").run(
        imageio_ffmpeg.get_ffmpeg_exe(), input=b"".join(pictures), capture_stderr=True
    )


def options(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("folder", type=Path, help="a folder of shards")
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument("--format", choices=sorted(FORMATS), required=True)
    parser.add_argument("--videos", nargs="+", help="video_ids to export (default: all)")
    parser.add_argument("--mib", type=int, default=1024, help="a tar ends with the first video that exceeds this size")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    reader = ShardReader(args.folder)
    videos = args.videos or reader.videos
    if unknown := [video for video in videos if video not in reader]:
        example = reader.videos[0]
        raise UserError(f"{unknown[0]} is not in {args.folder}, which has {example} and others: correct --videos")
    FORMATS[args.format](reader, videos, args.out, args.mib)
    log.say(f"{args.out}: {len(videos)} videos as {args.format}")


def _pictures(reader: ShardReader, jpeg: bytes) -> list[tuple[str, bytes]]:
    modality = MODALITIES[reader.modality]
    if len(modality.file_names) == 1:
        return [(modality.file_names[0], jpeg)]
    (planes,) = modality.split_planes(simplejpeg.decode_jpeg(jpeg, colorspace="GRAY")[np.newaxis])
    return [
        (name, simplejpeg.encode_jpeg(np.ascontiguousarray(plane[..., np.newaxis]), quality=QUALITY, colorspace="GRAY"))
        for name, plane in zip(modality.planes, planes, strict=True)
    ]


def _flow_preview(reader: ShardReader, number: int, video: str) -> bytes:
    bound = float(reader.settings["bound"])
    field = dequantise(reader.flow(video, [number])[0], bound)
    return simplejpeg.encode_jpeg(colour.flow_to_rgb(field, bound), quality=QUALITY)


def _add_sample(tar: tarfile.TarFile, key: str, reader: ShardReader, video: str) -> None:
    pictures = reader.jpegs(video, range(reader.count(video)))
    metadata = {"video_id": video, "class": reader.label(video), "modality": reader.modality, "pictures": len(pictures)}
    files = {"cls": str(reader.classes.index(reader.label(video))).encode(), "json": json.dumps(metadata).encode()}
    files |= {f"{number:05d}.jpg": jpeg for number, jpeg in enumerate(pictures, 1)}
    for suffix, data in files.items():
        entry = tarfile.TarInfo(f"{key}.{suffix}")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
