"""Decoders: the frames of a video, resized without aliasing, turned upright, and optionally resampled in time.

A decoder takes (path, header, size, fps) and yields planes; fps 0 keeps every frame. Its return value is the number of
decoded frames, before frames are dropped or repeated to reach the frame rate.
"""

import re
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av
import av.filter
import ffmpeg
import imageio_ffmpeg
import numpy as np

from pipeline.frames.video import (
    BadVideo,
    Header,
    Planes,
    Size,
    decode_frames,
    ffmpeg_name,
    open_video,
    output_size,
)

Frames = Generator[Planes, None, int]

FFMPEG_ERROR = re.compile(r".*?\[(error|fatal|panic)\] (.*)")
OPEN_GOP_ERRORS = ("mmco: unref short failure",)  # after a cut; every picture is shown
MAX_GAP = 60  # seconds between two frames; a larger gap is an error in the time stamps, and filling it a full disk


def pyav_frames(path: Path | str, header: Header, size: Size, fps: float = 0) -> Frames:
    """Decode in this process; raises BadVideo if decoding stops with an error or marks a frame as corrupt."""
    scaler = Scaler(header, output_size(header, size))
    with open_video(path) as container:
        stream = container.streams[header.stream]
        stream.codec_context.thread_count = 1  # the stage runs one video per thread
        source = CountingIterable(_refuse_corrupt(decode_frames(container, stream)))
        for frame in resample(with_times(source, header), fps) if fps else source:
            yield scaler(frame)
    return source.count


def ffmpeg_frames(path: Path | str, header: Header, size: Size, fps: float = 0) -> Frames:
    """Decode in an ffmpeg process, with the same filters; raises BadVideo with the first error of ffmpeg."""
    width, height = output_size(header, size)
    # The log goes to a file, because ffmpeg would block when a pipe that is not read is full.
    with tempfile.TemporaryFile() as log:
        command = _ffmpeg_command(path, header, width, height, fps)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as process:
            try:
                yield from _split_planes(process.stdout.read, width, height)  # type: ignore[union-attr]
                process.wait()
            finally:
                process.kill()
        return _decoded_count(log)


DECODERS: dict[str, Callable[[Path | str, Header, Size, float], Frames]] = {
    "pyav": pyav_frames,
    "ffmpeg": ffmpeg_frames,
}


class Scaler:
    """Scales frames to planes of one size with the filters of `ffmpeg_frames`; the filter graph is kept."""

    def __init__(self, header: Header, size: tuple[int, int]) -> None:
        self._filters = [*filter(None, [header.crop]), *_picture_filters(header, *size), "format=yuv420p"]
        self._input_format: tuple[int, int, str] | None = None
        self._last: tuple[Any, Planes] | None = None

    def __call__(self, frame: Any) -> Planes:
        """The planes Y, Cb and Cr of a frame; the last result is kept for repeated frames."""
        if self._last is None or self._last[0] is not frame:
            self._last = frame, self._scale(frame)
        return self._last[1]

    def _scale(self, frame: Any) -> Planes:
        input_format = (frame.width, frame.height, frame.format.name)
        if input_format != self._input_format:  # it may change within a stream
            self._graph, self._input_format = self._make_graph(frame), input_format
        self._graph.push(frame)
        scaled: Any = self._graph.pull()
        return tuple(
            np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
            for plane in scaled.planes
        )  # type: ignore[return-value]

    def _make_graph(self, frame: Any) -> av.filter.Graph:
        graph = av.filter.Graph()
        last = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1, 1000)
        )
        for text in self._filters:
            name, _, options = text.partition("=")
            following = graph.add(name, options or None)
            last.link_to(following)
            last = following
        last.link_to(graph.add("buffersink"))
        graph.configure()
        return graph


class CountingIterable:
    """Yields items and counts them."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = items
        self.count = 0

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            self.count += 1
            yield item


def with_times(frames: Iterable[Any], header: Header) -> Iterator[tuple[Any, Fraction, Fraction]]:
    """Yield (frame, time, duration) in seconds, by the rules by which ffmpeg completes the times of a decoder."""
    period = 1 / Fraction(header.fps).limit_denominator(100_000) if header.fps else Fraction(1, 25)
    best_time = BestTime()
    time, duration, last = Fraction(0), Fraction(0), None
    for frame in frames:
        ticks = best_time(frame)
        time = time + duration if ticks is None else ticks * frame.time_base
        elapsed = None if last is None or time <= last else time - last
        duration = _duration(frame, elapsed, period, header.reliable_times)
        last = time
        yield frame, time, duration


def _duration(frame: Any, elapsed: Fraction | None, period: Fraction, reliable: bool) -> Fraction:
    """The duration of a frame; one tick is taken for a guess of libavformat if the frame before it lasted longer."""
    stored = frame.duration * frame.time_base if frame.duration else None
    guessed = frame.duration == 1 and elapsed is not None and elapsed > 2 * frame.time_base
    if stored and reliable and not guessed:
        return stored
    if not reliable:
        return period
    return elapsed or stored or period


class BestTime:
    """The time stamp of a frame: that of presentation, or that of decoding if it is missing or less regular."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._faults = {"pts": 0, "dts": 0}

    def __call__(self, frame: Any) -> int | None:
        """The time in ticks, or None if the frame has none."""
        times = {"dts": frame.dts, "pts": frame.pts}
        for name, time in times.items():
            if time is not None:
                self._faults[name] += name in self._last and time <= self._last[name]
                self._last[name] = time
            elif (other := next(filter(lambda t: t is not None, times.values()), None)) is not None:
                self._last[name] = other
        prefers_pts = self._faults["pts"] <= self._faults["dts"] or frame.dts is None
        return frame.pts if frame.pts is not None and prefers_pts else frame.dts


def resample(frames: Iterable[tuple[Any, Fraction, Fraction]], fps: float) -> Iterator[Any]:
    """Resample (frame, time, duration) to `fps`: frame k is the last one whose time, in units of 1/fps, rounds to <= k.

    This is the rule of ffmpeg's fps filter: surplus frames are dropped, and the frame before a gap is repeated.
    """
    rate = Fraction(fps).limit_denominator(100_000)
    previous, position, end = None, 0, 0
    for number, (frame, time, duration) in enumerate(frames):
        start = _round(time * rate)
        if number and start - position > MAX_GAP * rate:
            raise BadVideo(f"its time stamps jump by {float((start - position) / rate):.0f} s at frame {number}")
        for _ in range(start - position if number else 0):
            yield previous
        previous, position, end = frame, max(start, position) if number else start, _round((time + duration) * rate)
    for _ in range(end - position):
        yield previous


def _round(number: Fraction) -> int:
    # Half away from zero, as in ffmpeg.
    return int(number + Fraction(1, 2)) if number >= 0 else -int(-number + Fraction(1, 2))


def _refuse_corrupt(frames: Iterable[Any]) -> Iterator[Any]:
    for number, frame in enumerate(frames):
        if frame.is_corrupt:
            raise BadVideo(f"frame {number} is corrupt")
        yield frame


def _ffmpeg_command(path: Path | str, header: Header, width: int, height: int, fps: float) -> list[str]:
    # The time stamps of the output are the numbers of its frames, because a muxer refuses equal ones.
    filters = [*([f"fps={fps}"] if fps else []), *_picture_filters(header, width, height), "settb=1/1000", "setpts=N"]
    options = {"noautorotate": None, "threads": 1}
    return (
        ffmpeg.input(ffmpeg_name(path), **options)[str(header.stream)]
        .output(
            "pipe:",
            format="rawvideo",
            pix_fmt="yuv420p",
            fps_mode="passthrough",
            enc_time_base="filter",
            vf=",".join(filters),
        )
        .global_args("-v", "level+verbose", "-nostdin", "-nostats")
        .compile(cmd=imageio_ffmpeg.get_ffmpeg_exe())
    )


def _picture_filters(header: Header, width: int, height: int) -> list[str]:
    sides = (header.height, header.width) if header.turned else (header.width, header.height)
    return [*header.orientation, f"scale={width}:{height}:{_scale_options(*sides, width, height)}"]


def _decoded_count(log: IO[bytes]) -> int:
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").splitlines()
    # `[h264 @ 0x5627945881c0] [error] message`: the address differs between runs, so only the message is used.
    errors = [match.group(2) for match in map(FFMPEG_ERROR.match, lines) if match]
    errors = [error for error in errors if error not in OPEN_GOP_ERRORS]
    if errors:
        raise BadVideo(f"ffmpeg says: {errors[0]}")
    return sum(int(count) for line in lines for count in re.findall(r"(\d+) frames decoded", line)[:1])


def _split_planes(read: Callable[[int], bytes], width: int, height: int) -> Iterator[Planes]:
    chroma_shape = ((height + 1) // 2, (width + 1) // 2)
    luma, chroma = width * height, chroma_shape[0] * chroma_shape[1]
    while len(data := read(luma + 2 * chroma)) == luma + 2 * chroma:
        flat = np.frombuffer(data, np.uint8)
        cb, cr = flat[luma:].reshape(2, *chroma_shape)
        yield flat[:luma].reshape(height, width), cb, cr


def _scale_options(width: int, height: int, new_width: int, new_height: int) -> str:
    # swscale's area filter averages when shrinking, but is nearest neighbour when enlarging.
    flags = "area" if new_width * new_height < width * height else "bicubic"
    return f"flags={flags}:out_range=full:out_color_matrix=bt601"
