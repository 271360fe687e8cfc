"""Video files: their headers, frame counts and errors; and the encoding of frames as JPEGs."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import simplejpeg

Planes = tuple[np.ndarray, np.ndarray, np.ndarray]  # Y (H, W), Cb and Cr (H/2, W/2), uint8, full range
Size = int | tuple[int, int]  # the short side, or (width, height), in pixels


class Header(NamedTuple):
    """What a file says about its first video stream; 0 if it does not say.

    `packets` and `end` (seconds) are counted from the packets, and only if the container has no frame count.
    """

    width: int
    height: int
    rotation: int
    frames: int
    seconds: float
    fps: float
    packets: int = 0
    end: float = 0.0


class BadVideo(Exception):
    """A video that does not decode completely; the message is the reason in the quarantine."""


def read_header(path: Path | str) -> Header:
    """Read the header, and the first frame for its rotation; raises BadVideo if no frame decodes."""
    with open_video(path) as container:
        stream = container.streams.video[0]
        first = next(decode_frames(container, stream), None)
        if first is None:
            raise BadVideo("no frame decodes")
        fps = float(stream.average_rate or 0)
        header = Header(stream.width, stream.height, first.rotation, stream.frames, _duration(container), fps)
    return header if header.frames else Header(*header[:6], *_count_packets(path))


def output_size(header: Header, size: Size) -> tuple[int, int]:
    """(width, height) of the upright frame at `size`, in pixels; even, because chroma has half the resolution."""
    if not isinstance(size, int):
        return size
    upright = (header.width, header.height) if header.rotation % 180 == 0 else (header.height, header.width)
    short = min(upright)
    return tuple(max(2, round(side * size / short / 2) * 2) for side in upright)  # type: ignore[return-value]


def encode_jpeg(planes: Planes, quality: int) -> bytes:
    """A 4:2:0 colour JPEG, encoded from the planes without a conversion to RGB and back."""
    return simplejpeg.encode_jpeg_yuv_planes(*(np.ascontiguousarray(plane) for plane in planes), quality=quality)


def missing_frames(header: Header, decoded: int) -> int:
    """The frame count of the header minus the decoded frames.

    The frame count includes frames that an edit list hides, so the duration is used if it gives a smaller count. For a
    container without a frame count (Matroska), 90 % of its packets are expected to decode, because some packets of VP8
    have no visible frame.
    """
    by_time = round(header.seconds * header.fps)
    if header.frames:
        return min(header.frames, by_time or header.frames) - decoded
    return max(0, round(header.packets * 0.9) - decoded)


def refuse_cut_off(header: Header) -> None:
    """Raise BadVideo if the frames end well before the duration of the file, which may be that of its sound."""
    if header.end and header.end < 0.95 * header.seconds - 0.5:
        raise BadVideo(f"the header promises {header.seconds:.2f} s but the pictures end at {header.end:.2f} s")


def open_video(path: Path | str):
    """Open a container; raises BadVideo if it cannot be opened or has no video stream."""
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise BadVideo(f"cannot be opened: {error_text(error)}") from error
    if not container.streams.video:
        container.close()
        raise BadVideo("there is no video stream in it")
    return container


def decode_frames(container, stream) -> Iterator:
    """Yield the frames of a stream; raises BadVideo if decoding stops with an error."""
    frames = container.decode(stream)
    count = 0
    while True:
        try:
            frame = next(frames, None)
        except (av.error.FFmpegError, OSError) as error:
            raise BadVideo(f"decoding stops after frame {count}: {error_text(error)}") from error
        if frame is None:
            return
        count += 1
        yield frame


def error_text(error: Exception) -> str:
    """The message of an error, without its number and path."""
    return getattr(error, "strerror", None) or str(error)


def _count_packets(path: Path | str) -> tuple[int, float]:
    """The number of packets of the first video stream, and the end of the last one in seconds, without decoding."""
    count, end = 0, 0.0
    with open_video(path) as container:
        stream = container.streams.video[0]
        try:
            for packet in container.demux(stream):
                if packet.pts is not None:
                    count += 1
                    end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        except (av.error.FFmpegError, OSError) as error:
            raise BadVideo(f"reading stops after packet {count}: {error_text(error)}") from error
    return count, end


def _duration(container) -> float:
    stream = container.streams.video[0]
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / av.time_base
