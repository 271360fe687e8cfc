"""Extract the JPEG frames of one video, or the reason why it cannot be used."""

import shutil
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

import ffmpeg
import imageio_ffmpeg

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.common.files import DISK_FULL_ERRNOS, DiskFull
from pipeline.formats.quarantine import QuarantineRow
from pipeline.frames import video
from pipeline.frames.decoders import DECODERS, Frames

SPOOL_BYTES = 16 << 20  # of a video's JPEGs kept in memory; the JPEGs of longer videos go to a temporary file


class Settings(NamedTuple):
    """How to extract frames; fps 0 keeps the frame rate of the video."""

    size: video.Size
    quality: int = 90
    fps: float = 0
    decoder: str = "pyav"
    max_missing: int = 2
    repair: bool = False


class ExtractedVideo(NamedTuple):
    """The concatenated JPEGs of one video, at position 0, and the length of each; its quarantine row, if any.

    `unexpected` is the class of an exception that made the video bad and is not about videos.
    """

    data: IO[bytes]
    lengths: list[int]
    fps: float
    quarantine_row: QuarantineRow | None
    unexpected: str = ""


def extract(video_id: str, path: str, settings: Settings) -> ExtractedVideo:
    """Decode, resize and encode one video. A bad video has no frames, and its quarantine row has the reason.

    Any exception but that of a full disk or memory makes the video bad; an unexpected one is also logged.
    """
    try:
        extracted, doubt = extract_complete(path, settings)
        return extracted._replace(quarantine_row=QuarantineRow(video_id, "frames", "kept", doubt) if doubt else None)
    except Exception as error:
        reason, unexpected = _reason(video_id, error)
    if settings.repair:
        try:
            extracted, result = extract_repaired(path, settings)
            return extracted._replace(
                quarantine_row=QuarantineRow(video_id, "frames", "repaired", f"{reason}; {result}")
            )
        except Exception as error:
            repair_reason, unexpected = _reason(video_id, error)
            reason = f"{reason}; beyond repair: {repair_reason}"
    row = QuarantineRow(video_id, "frames", "bad", reason)
    return ExtractedVideo(tempfile.SpooledTemporaryFile(), [], 0.0, row, unexpected)


def _reason(video_id: str, error: Exception) -> tuple[str, str]:
    """The reason for the quarantine, and the class of an unexpected exception; one of a full disk is raised again."""
    if isinstance(error, video.BadVideo):
        return str(error), ""
    full_disk = isinstance(error, OSError) and error.errno in DISK_FULL_ERRNOS
    if full_disk or isinstance(error, UserError | MemoryError):
        raise error
    log.say(f"{video_id}: an unexpected exception\n{''.join(traceback.format_exception(error))}")
    return f"{type(error).__name__}: {error}", type(error).__name__


def extract_complete(path: str | Path, settings: Settings) -> tuple[ExtractedVideo, str]:
    """The frames, and a doubt about them or an empty string; raises BadVideo if frames are missing."""
    header = video.read_header(path)
    extracted, decoded = decode_to_jpegs(path, header, settings)
    try:
        missing = video.missing_frames(header, decoded)
        if missing > settings.max_missing:
            promised = max(video.promised_frames(header), decoded + missing)
            raise video.BadVideo(f"the header promises {promised} frames but {decoded} decode")
        video.refuse_cut_off(path, header)
        if len(extracted.lengths) < 2:  # also left out of the RGB stream, so that the streams have the same videos
            raise video.BadVideo(f"it has {len(extracted.lengths)} frames, and flow takes two")
    except BaseException:
        extracted.data.close()
        raise
    doubtful = video.doubtful_frames(header, decoded)
    return extracted, f"the header says {header.frames} frames and {decoded} decode" if doubtful else ""


def decode_to_jpegs(path: str | Path, header: video.Header, settings: Settings) -> tuple[ExtractedVideo, int]:
    """All frames that decode, as JPEGs, and how many were decoded before resampling to another frame rate."""
    data: IO[bytes] = tempfile.SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115 (the caller closes it)
    frames = DECODERS[settings.decoder](path, header, settings.size, settings.fps)
    try:
        lengths, decoded = _write_all(frames, lambda planes: data.write(video.encode_jpeg(planes, settings.quality)))
    except BaseException as error:
        data.close()
        if isinstance(error, OSError) and error.errno in DISK_FULL_ERRNOS:
            folder = Path(tempfile.gettempdir())
            raise DiskFull(folder / "(temporary files of long videos)", 0, shutil.disk_usage(folder).free) from error
        raise
    data.seek(0)
    return ExtractedVideo(data, lengths, settings.fps or header.fps, None), decoded


def extract_repaired(path: str | Path, settings: Settings) -> tuple[ExtractedVideo, str]:
    """The frames of a lossless copy that ffmpeg makes in spite of errors; raises BadVideo if it cannot make one."""
    with tempfile.NamedTemporaryFile(suffix=".mkv") as copy:
        stream = ffmpeg.input(video.ffmpeg_name(path), err_detect="ignore_err", fflags="+genpts", threads=1)
        options = {"vcodec": "ffv1", "fps_mode": "passthrough", "threads": 1, "an": None, "sn": None, "dn": None}
        stream = stream.output(copy.name, **options).overwrite_output()
        try:
            stream.global_args("-v", "error", "-nostdin").run(imageio_ffmpeg.get_ffmpeg_exe(), capture_stderr=True)
        except ffmpeg.Error as error:
            raise video.BadVideo("ffmpeg cannot read it either") from error
        header = video.read_header(copy.name)
        extracted, decoded = decode_to_jpegs(copy.name, header, settings)
    if len(extracted.lengths) < 2:
        extracted.data.close()
        raise video.BadVideo(f"{len(extracted.lengths)} frames can be saved, and flow takes two")
    return extracted, f"{decoded} frames were saved, damaged ones patched over"


def _write_all(frames: Frames, write: Callable[[video.Planes], int]) -> tuple[list[int], int]:
    lengths = []
    while True:
        try:
            lengths.append(write(next(frames)))
        except StopIteration as end:
            return lengths, end.value


def parse_size(text: str) -> video.Size:
    """`340x256` -> (340, 256), the width and height; `256` -> 256, the short side."""
    parts = text.split("x")
    if not all(part.isdigit() for part in parts) or len(parts) > 2:
        raise UserError(
            f"--size is {text!r}: write WIDTHxHEIGHT, such as 340x256, or the short side alone, such as 256"
        )
    numbers = [int(part) for part in parts]
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def parse_fps(text: str) -> float:
    """`native` -> 0, the frame rate of the video; `25` -> 25."""
    try:
        fps = 0.0 if text == "native" else float(text)
    except ValueError:
        fps = -1
    if not (0 < fps < 1000 or text == "native"):
        raise UserError(f"--fps is {text!r}: write native, or frames per second, such as 25")
    return fps
