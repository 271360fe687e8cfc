"""What a video file is: its header, its promised frames, how it may fail; and pictures to JPEG."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import simplejpeg

Planes = tuple[np.ndarray, np.ndarray, np.ndarray]  # Y (H, W), Cb and Cr (H/2, W/2), uint8, full range
Size = int | tuple[int, int]  # the short side, or (width, height), in pixels


class Header(NamedTuple):
    """What a file says about its first video stream; 0 where it says nothing.

    `packets` and `end` (seconds) are counted, and only where the container keeps no frame count.
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
    """A video that does not decode whole; the message is the quarantine's reason."""


def read_header(path: Path | str) -> Header:
    """The header, and the first frame for the rotation; raises BadVideo where there is no picture."""
    with open_video(path) as container:
        stream = container.streams.video[0]
        first = next(decode_frames(container, stream), None)
        if first is None:
            raise BadVideo("no frame decodes")
        fps = float(stream.average_rate or 0)
        header = Header(stream.width, stream.height, first.rotation, stream.frames, _seconds(container), fps)
    return header if header.frames else Header(*header[:6], *_packets(path))


def output_size(header: Header, size: Size) -> tuple[int, int]:
    """(width, height) in pixels of the upright picture at `size`; even, since chroma has half the resolution."""
    if not isinstance(size, int):
        return size
    upright = (header.width, header.height) if header.rotation % 180 == 0 else (header.height, header.width)
    short = min(upright)
    return tuple(max(2, round(side * size / short / 2) * 2) for side in upright)  # type: ignore[return-value]


def encode_jpeg(planes: Planes, quality: int) -> bytes:
    """A colour JPEG, 4:2:0, straight from the planes: no conversion to RGB and back."""
    return simplejpeg.encode_jpeg_yuv_planes(*(np.ascontiguousarray(plane) for plane in planes), quality=quality)


def missing_frames(header: Header, decoded: int) -> int:
    """How many frames fewer decoded than the header promises; negative where there are more.

    An edit list hides frames that the count still has, so the duration counts where it promises fewer. A container
    without a frame count (Matroska) promises its packets; a tenth is forgiven, since some of VP8's show nothing.
    """
    by_time = round(header.seconds * header.fps)
    if header.frames:
        return min(header.frames, by_time or header.frames) - decoded
    return max(0, round(header.packets * 0.9) - decoded)


def refuse_cut_off(header: Header) -> None:
    """Raise BadVideo where the pictures end well before the duration, which may be its sound's."""
    if header.end and header.end < 0.95 * header.seconds - 0.5:
        raise BadVideo(f"the header promises {header.seconds:.2f} s but the pictures end at {header.end:.2f} s")


def open_video(path: Path | str):
    """An open container with a video stream in it, or BadVideo."""
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise BadVideo(f"cannot be opened: {error_text(error)}") from error
    if not container.streams.video:
        container.close()
        raise BadVideo("there is no video stream in it")
    return container


def decode_frames(container, stream) -> Iterator:
    """The decoder's frames; raises BadVideo where it stops."""
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
    """What an error says, without its numbers and paths."""
    return getattr(error, "strerror", None) or str(error)


def _packets(path: Path | str) -> tuple[int, float]:
    """(packets, the time in seconds at which the last one's picture ends) of the first video stream, undecoded."""
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


def _seconds(container) -> float:
    stream = container.streams.video[0]
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / av.time_base
