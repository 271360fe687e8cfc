"""Videos to JPEG frames: one decode, resized without aliasing, rotation applied, every shortfall noticed."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import av
import ffmpeg
import imageio_ffmpeg
import numpy as np
import simplejpeg

Planes = tuple[np.ndarray, np.ndarray, np.ndarray]  # Y (H, W), Cb and Cr (H/2, W/2), uint8, full range
Size = int | tuple[int, int]  # the short side, or (width, height), in pixels


class Header(NamedTuple):
    """What a file says about its first video stream; 0 where it says nothing."""

    width: int
    height: int
    rotation: int
    frames: int
    seconds: float
    fps: float


class BadVideo(Exception):
    """A video that does not decode whole; the message is the quarantine's reason."""


def read_header(path: Path | str) -> Header:
    """The header, and the first frame for the rotation; raises BadVideo where there is no video stream."""
    with _opened(path) as container:
        stream = container.streams.video[0]
        first = next(container.decode(stream), None)
        if first is None:
            raise BadVideo("no frame decodes")
        return Header(
            stream.width,
            stream.height,
            first.rotation,
            stream.frames,
            _seconds(container),
            float(stream.average_rate or 0),
        )


def fit(header: Header, size: Size) -> tuple[int, int]:
    """(width, height) in pixels of the upright picture at `size`; even, since chroma has half the resolution."""
    if not isinstance(size, int):
        return size
    upright = (header.width, header.height) if header.rotation % 180 == 0 else (header.height, header.width)
    short = min(upright)
    return tuple(max(2, round(side * size / short / 2) * 2) for side in upright)  # type: ignore[return-value]


def pyav_frames(path: Path | str, header: Header, size: Size) -> Iterator[Planes]:
    """Every frame, decoded in this process; raises BadVideo where decoding stops or marks a frame as corrupt."""
    width, height = fit(header, size)
    turned = header.rotation % 180 != 0
    target = (height, width) if turned else (width, height)
    with _opened(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1  # the stage runs one video a thread
        for number, frame in enumerate(_decode(container, stream)):
            if frame.is_corrupt:
                raise BadVideo(f"frame {number} is corrupt")
            yield tuple(np.rot90(plane, header.rotation // 90) for plane in _planes(frame, target))  # type: ignore[misc]


def ffmpeg_frames(path: Path | str, header: Header, size: Size) -> Iterator[Planes]:
    """The same through an ffmpeg process, which turns the picture itself; raises BadVideo with ffmpeg's own words."""
    width, height = fit(header, size)
    flags = "area" if _shrinks(header.width, header.height, width, height) else "bicubic"
    command = (
        ffmpeg.input(str(path))["v:0"]
        .filter("scale", width, height, flags=flags, out_range="full", out_color_matrix="bt601")
        .output("pipe:", format="rawvideo", pix_fmt="yuv420p", fps_mode="passthrough")
        .global_args("-v", "error", "-nostdin", "-threads", "1")
        .compile(cmd=imageio_ffmpeg.get_ffmpeg_exe())
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield from _split_planes(process.stdout.read, width, height)  # type: ignore[union-attr]
            complaint = process.stderr.read().decode("utf-8", "replace").strip()  # type: ignore[union-attr]
        finally:
            process.kill()
    if complaint:
        raise BadVideo(f"ffmpeg says: {complaint.splitlines()[0]}")


DECODERS: dict[str, Callable[[Path | str, Header, Size], Iterator[Planes]]] = {
    "pyav": pyav_frames,
    "ffmpeg": ffmpeg_frames,
}


def encode(planes: Planes, quality: int) -> bytes:
    """A colour JPEG, 4:2:0, straight from the planes: no conversion to RGB and back."""
    return simplejpeg.encode_jpeg_yuv_planes(*(np.ascontiguousarray(plane) for plane in planes), quality=quality)


def shortfall(header: Header, decoded: int) -> int:
    """How many frames fewer decoded than the header promises; negative where there are more.

    An edit list hides frames that the count still has, so the duration counts where it promises fewer. A container
    without a frame count (Matroska) is judged by its duration alone, which may be its sound's: a twentieth is forgiven.
    """
    by_time = round(header.seconds * header.fps)
    if header.frames:
        return min(header.frames, by_time or header.frames) - decoded
    return max(0, round(by_time * 0.95) - decoded)


def _opened(path: Path | str):
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise BadVideo(f"cannot be opened: {_words(error)}") from error
    if not container.streams.video:
        container.close()
        raise BadVideo("there is no video stream in it")
    return container


def _decode(container, stream) -> Iterator:
    frames = container.decode(stream)
    count = 0
    while True:
        try:
            frame = next(frames, None)
        except (av.error.FFmpegError, OSError) as error:
            raise BadVideo(f"decoding stops after frame {count}: {_words(error)}") from error
        if frame is None:
            return
        count += 1
        yield frame


def _planes(frame, target: tuple[int, int]) -> Planes:
    width, height = target
    kernel = "AREA" if _shrinks(frame.width, frame.height, width, height) else "BICUBIC"
    resized = frame.reformat(width, height, "yuvj420p", dst_colorspace="ITU601", interpolation=kernel)
    return tuple(
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in resized.planes
    )  # type: ignore[return-value]


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


def _seconds(container) -> float:
    stream = container.streams.video[0]
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / av.time_base


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
