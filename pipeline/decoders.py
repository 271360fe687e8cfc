"""Decoders: a video's frames, resized without aliasing and turned upright, as they are or at a chosen frame rate.

A decoder takes (path, header, size, fps) and yields planes; fps 0 keeps every frame. What it returns is the number of
frames that were decoded, before any were dropped or repeated to reach a frame rate.
"""

import re
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import ffmpeg
import imageio_ffmpeg
import numpy as np

from pipeline.video import BadVideo, Header, Planes, Size, fit, frames_of, opened

Frames = Generator[Planes, None, int]

COMPLAINT = re.compile(r".*?\[(error|fatal|panic)\] (.*)")
JUMP = 60  # seconds between two frames that no clip of an action has; filling the gap would take the disk


def pyav_frames(path: Path | str, header: Header, size: Size, fps: float = 0) -> Frames:
    """Decode in this process; raises BadVideo where decoding stops or marks a frame as corrupt."""
    width, height = fit(header, size)
    turned = header.rotation % 180 != 0
    target = (height, width) if turned else (width, height)
    with opened(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1  # the stage runs one video a thread
        source = Counted(_sound(frames_of(container, stream)))
        for frame in resample(timed(source, header), fps) if fps else source:
            yield tuple(np.rot90(plane, header.rotation // 90) for plane in _planes(frame, target))  # type: ignore[misc]
    return source.count


def ffmpeg_frames(path: Path | str, header: Header, size: Size, fps: float = 0) -> Frames:
    """The same through an ffmpeg process, which turns the picture itself; raises BadVideo with ffmpeg's own words."""
    width, height = fit(header, size)
    # A file, because ffmpeg waits for ever once it has filled a pipe that nobody reads.
    with tempfile.TemporaryFile() as log:
        command = _ffmpeg_command(path, header, width, height, fps)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as process:
            try:
                yield from _split_planes(process.stdout.read, width, height)  # type: ignore[union-attr]
                process.wait()
            finally:
                process.kill()
        return _decoded(log)


DECODERS: dict[str, Callable[[Path | str, Header, Size, float], Frames]] = {
    "pyav": pyav_frames,
    "ffmpeg": ffmpeg_frames,
}


class Counted:
    """Passes items through and counts them."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = items
        self.count = 0

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            self.count += 1
            yield item


def timed(frames: Iterable[Any], header: Header) -> Iterator[tuple[Any, Fraction, Fraction]]:
    """Each frame with its time and duration in seconds; where it has none, by the header's frame rate."""
    period = 1 / Fraction(header.fps).limit_denominator(100_000) if header.fps else Fraction(1, 25)
    time = Fraction(0)
    for frame in frames:
        if frame.pts is not None:
            time = frame.pts * frame.time_base
        duration = frame.duration * frame.time_base if frame.duration else period
        yield frame, time, duration
        time += duration


def resample(frames: Iterable[tuple[Any, Fraction, Fraction]], fps: float) -> Iterator[Any]:
    """Frames at `fps`: picture k is the last one whose time, rounded to periods of 1/fps, is at most k.

    The rule of ffmpeg's fps filter: frames that come too soon are dropped, and the one before a gap is repeated.
    """
    rate = Fraction(fps).limit_denominator(100_000)
    held, place, end = None, 0, 0
    for number, (frame, time, duration) in enumerate(frames):
        start = _nearest(time * rate)
        if number and start - place > JUMP * rate:
            raise BadVideo(f"its time stamps jump by {float((start - place) / rate):.0f} s at frame {number}")
        for _ in range(start - place if number else 0):
            yield held
        held, place, end = frame, max(start, place) if number else start, _nearest((time + duration) * rate)
    for _ in range(end - place):
        yield held


def _nearest(number: Fraction) -> int:
    return int(number + Fraction(1, 2)) if number >= 0 else -int(-number + Fraction(1, 2))


def _sound(frames: Iterable[Any]) -> Iterator[Any]:
    for number, frame in enumerate(frames):
        if frame.is_corrupt:
            raise BadVideo(f"frame {number} is corrupt")
        yield frame


def _planes(frame, target: tuple[int, int]) -> Planes:
    width, height = target
    kernel = "AREA" if _shrinks(frame.width, frame.height, width, height) else "BICUBIC"
    resized = frame.reformat(width, height, "yuvj420p", dst_colorspace="ITU601", interpolation=kernel)
    return tuple(
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in resized.planes
    )  # type: ignore[return-value]


def _ffmpeg_command(path: Path | str, header: Header, width: int, height: int, fps: float) -> list[str]:
    stream = ffmpeg.input(str(path), threads=1)["v:0"]
    stream = stream.filter("fps", fps) if fps else stream
    flags = "area" if _shrinks(header.width, header.height, width, height) else "bicubic"
    return (
        stream.filter("scale", width, height, flags=flags, out_range="full", out_color_matrix="bt601")
        .output("pipe:", format="rawvideo", pix_fmt="yuv420p", fps_mode="passthrough")
        .global_args("-v", "level+verbose", "-nostdin", "-nostats")
        .compile(cmd=imageio_ffmpeg.get_ffmpeg_exe())
    )


def _decoded(log: IO[bytes]) -> int:
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").splitlines()
    # `[h264 @ 0x5627945881c0] [error] words`: the address differs from run to run, the words do not.
    complaint = next(filter(None, map(COMPLAINT.match, lines)), None)
    if complaint:
        raise BadVideo(f"ffmpeg says: {complaint.group(2)}")
    return sum(int(count) for line in lines for count in re.findall(r"(\d+) frames decoded", line)[:1])


def _split_planes(read: Callable[[int], bytes], width: int, height: int) -> Iterator[Planes]:
    half = ((height + 1) // 2, (width + 1) // 2)
    luma, chroma = width * height, half[0] * half[1]
    while len(data := read(luma + 2 * chroma)) == luma + 2 * chroma:
        flat = np.frombuffer(data, np.uint8)
        cb, cr = flat[luma:].reshape(2, *half)
        yield flat[:luma].reshape(height, width), cb, cr


def _shrinks(width: int, height: int, new_width: int, new_height: int) -> bool:
    # swscale's area filter is a box: right for shrinking, nearest neighbour for growing.
    return new_width * new_height < width * height
