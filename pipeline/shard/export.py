"""Write shards in forms that other tools read: folders of JPEGs, WebDataset tars, MP4 previews.

jpg: OUT/CLASS/VIDEO/img_00001.jpg, the stored bytes; of flow, either way, flow_x_00001.jpg and flow_y_00001.jpg, cut
from the stored picture and compressed once more. webdataset: OUT/NNNNNN.tar, one sample a video with .cls, .json and
its pictures as stored, .00001.jpg and on. mp4: OUT/CLASS/VIDEO.mp4 to look at, flow in Middlebury's colours.
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
import simplejpeg

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.common.files import whole_file, whole_folder
from pipeline.flow import colour
from pipeline.formats.flow_levels import dequantise
from pipeline.formats.shards import ShardReader
from pipeline.index.video_files import video_stem

QUALITY = 95  # of flow pictures, which are compressed a second time
DEFAULT_FPS = 25.0  # of previews, where the source's frame rate is not known


def export_names(reader: ShardReader, videos: Sequence[str]) -> dict[str, str]:
    """Video -> CLASS/NAME without the suffix; with it where two videos would have the same one."""
    short = {video: f"{reader.label(video)}/{video_stem(video)}" for video in videos}
    count = Counter(short.values())
    return {
        video: name if count[name] == 1 else f"{reader.label(video)}/{video.replace('/', '-')}"
        for video, name in short.items()
    }


def write_jpg(reader: ShardReader, videos: Sequence[str], out: Path, _: int) -> None:
    """A folder of JPEGs a video."""
    with whole_folder(out) as scratch:
        for video, name in log.progress(export_names(reader, videos).items(), len(videos), "export"):
            folder = scratch / name
            folder.mkdir(parents=True)
            for number, jpeg in enumerate(reader.jpegs(video, range(reader.count(video))), 1):
                for kind, data in _pictures(reader, jpeg):
                    (folder / f"{kind}_{number:05d}.jpg").write_bytes(data)


def write_webdataset(reader: ShardReader, videos: Sequence[str], out: Path, mib: int) -> None:
    """Tars of about `mib` MiB."""
    waiting = deque(export_names(reader, videos).items())
    done = log.progress(range(len(waiting)), len(waiting), "export")
    with whole_folder(out) as scratch:
        for number in itertools.takewhile(lambda _: waiting, itertools.count()):
            with tarfile.open(scratch / f"{number:06d}.tar", "w") as tar:
                while waiting and (not tar.offset or tar.offset < mib << 20):
                    video, name = waiting.popleft()
                    _sample(tar, name.replace(".", "-"), reader, video)  # a sample's name ends at its first dot
                    next(done)


def write_mp4(reader: ShardReader, videos: Sequence[str], out: Path, _: int) -> None:
    """A preview a video."""
    for video, name in log.progress(export_names(reader, videos).items(), len(videos), "export"):
        with whole_file(out / f"{name}.mp4") as scratch:
            encode_preview(reader, video, scratch)


FORMATS: dict[str, Callable[[ShardReader, Sequence[str], Path, int], None]] = {
    "jpg": write_jpg,
    "webdataset": write_webdataset,
    "mp4": write_mp4,
}


def encode_preview(reader: ShardReader, video: str, path: Path) -> None:
    """One video's pictures as H.264; flow in colours up to its bound."""
    pictures = reader.jpegs(video, range(reader.count(video)))
    if reader.modality != "rgb":
        pictures = [_coloured(reader, number, video) for number in range(len(pictures))]
    source = ffmpeg.input("pipe:", format="image2pipe", vcodec="mjpeg", framerate=reader.fps(video) or DEFAULT_FPS)
    even = source.filter("pad", "ceil(iw/2)*2", "ceil(ih/2)*2")
    made = even.output(str(path), vcodec="libx264", pix_fmt="yuv420p", crf=20, threads=1).overwrite_output()
    made.global_args("-v", "error").run(imageio_ffmpeg.get_ffmpeg_exe(), input=b"".join(pictures), capture_stderr=True)


def options(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("folder", type=Path, help="a folder of shards")
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument("--format", choices=sorted(FORMATS), required=True)
    parser.add_argument("--videos", nargs="+", help="these alone, by video_id")
    parser.add_argument("--mib", type=int, default=1024, help="a tar is closed at the first video past this size")


def run(a: argparse.Namespace) -> None:
    """Write the chosen form."""
    reader = ShardReader(a.folder)
    videos = a.videos or reader.videos
    if odd := [video for video in videos if video not in reader]:
        raise UserError(f"{odd[0]} is not in {a.folder}, which has {reader.videos[0]} and others: mend --videos")
    FORMATS[a.format](reader, videos, a.out, a.mib)
    log.say(f"{a.out}: {len(videos)} videos as {a.format}")


def _pictures(reader: ShardReader, jpeg: bytes) -> list[tuple[str, bytes]]:
    if reader.modality == "rgb":
        return [("img", jpeg)]
    stacked = simplejpeg.decode_jpeg(jpeg, colorspace="GRAY")
    halves = stacked.reshape(2, -1, stacked.shape[1], 1)
    return [
        (f"flow_{axis}", simplejpeg.encode_jpeg(half, quality=QUALITY, colorspace="GRAY"))
        for axis, half in zip("xy", halves, strict=True)
    ]


def _coloured(reader: ShardReader, number: int, video: str) -> bytes:
    bound = float(reader.settings["bound"])
    field = dequantise(reader.flow(video, [number])[0], bound)
    return simplejpeg.encode_jpeg(colour.flow_to_rgb(field, bound), quality=QUALITY)


def _sample(tar: tarfile.TarFile, key: str, reader: ShardReader, video: str) -> None:
    pictures = reader.jpegs(video, range(reader.count(video)))
    facts = {"video_id": video, "class": reader.label(video), "modality": reader.modality, "pictures": len(pictures)}
    parts = {"cls": str(reader.classes.index(reader.label(video))).encode(), "json": json.dumps(facts).encode()}
    parts |= {f"{number:05d}.jpg": jpeg for number, jpeg in enumerate(pictures, 1)}
    for suffix, data in parts.items():
        entry = tarfile.TarInfo(f"{key}.{suffix}")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
