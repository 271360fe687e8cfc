"""Video files: their headers, frame counts and errors; and the encoding of frames as JPEGs."""

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import simplejpeg
from av.sidedata.sidedata import Type as SideData

from pipeline.frames.cropping import margins
from pipeline.frames.cut_off import cut_off_reason
from pipeline.frames.packets import WITHOUT_TIMES, Packets, PacketSummary, choose_stream, stream_packets

Planes = tuple[np.ndarray, np.ndarray, np.ndarray]  # Y (H, W), Cb and Cr (H/2, W/2), uint8, full range
GENERATE_TIMES = 1  # AVFMT_FLAG_GENPTS, which PyAV sets and ffmpeg does not: its guesses ignore B-frames
JPEG_SIDE = 65_500  # pixels
Size = int | tuple[int, int]  # the short side, or (width, height), in pixels


class Header(NamedTuple):
    """What a file says about the video stream that ffmpeg shows; 0 if it does not say.

    `width` and `height` are those of the decoded frame without its cropped margins. `orientation` has the filters
    that turn the frame upright. `pixel_shape` is the width of a pixel divided by its height, before turning.
    """

    width: int
    height: int
    frames: int
    seconds: float
    fps: float
    container: str = ""
    stream: int = 0
    orientation: tuple[str, ...] = ()
    pixel_shape: Fraction = Fraction(1)
    crop: str = ""
    packets: Packets = Packets()
    reliable_times: bool = True

    @property
    def turned(self) -> bool:
        """Whether width and height change places."""
        return any(name.startswith("transpose") for name in self.orientation)


class BadVideo(Exception):
    """A video that does not decode completely; the message is the reason in the quarantine."""


def read_header(path: Path | str) -> Header:
    """Read the header, all packets, and the first frame for its orientation; raises BadVideo if no frame decodes."""
    with open_video(path) as container:
        stream = choose_stream(container)
        first, packets = _read_packets(container, stream)
        if first is None:
            raise BadVideo("no frame decodes")
        left, right, top, bottom = margins(path, container.format.name, stream.index)
        return Header(
            width=first.width - left - right,
            height=first.height - top - bottom,
            frames=stream.frames,
            seconds=_duration(container, stream),
            fps=float(stream.average_rate or 0),
            container=container.format.name,
            stream=stream.index,
            orientation=orientation_filters(first),
            pixel_shape=Fraction(stream.sample_aspect_ratio or 1),
            crop=f"crop=iw-{left + right}:ih-{top + bottom}:{left}:{top}" if left + right + top + bottom else "",
            packets=packets,
            reliable_times=not container.format.flags & WITHOUT_TIMES,
        )


def output_size(header: Header, size: Size) -> tuple[int, int]:
    """(width, height) of the upright frame at `size`, in pixels; even, because chroma has half the resolution.

    A short side keeps the aspect ratio of the picture, whose pixels need not be square: the width is corrected.
    Raises BadVideo if the frame is larger than a JPEG can be.
    """
    if not isinstance(size, int):
        return size
    sides = (header.width * header.pixel_shape, Fraction(header.height))
    upright = sides[::-1] if header.turned else sides
    width, height = (max(2, round(side * size / min(upright) / 2) * 2) for side in upright)
    if max(width, height) > JPEG_SIDE:
        raise BadVideo(f"its frames would have {width}x{height} pixels and a JPEG has at most {JPEG_SIDE} a side")
    return width, height


def encode_jpeg(planes: Planes, quality: int) -> bytes:
    """A 4:2:0 colour JPEG, encoded from the planes without a conversion to RGB and back."""
    return simplejpeg.encode_jpeg_yuv_planes(*(np.ascontiguousarray(plane) for plane in planes), quality=quality)


def missing_frames(header: Header, decoded: int) -> int:
    """The number of frames that the header promises or that packets hold and that were not decoded.

    The frame count includes frames that an edit list hides, so the duration is used if it gives a smaller count. In
    an AVI, a gap in the time of the packets repeats a picture. For a container without a frame count (Matroska), 90 %
    of its packets are expected to decode, because some packets of VP8 have no visible frame.
    """
    if not header.frames:
        return max(0, round(header.packets.shown * 0.9) - decoded)
    return max(_absent_packets(header), min(promised_frames(header), header.packets.shown) - decoded)


def doubtful_frames(header: Header, decoded: int) -> int:
    """The number of promised frames that were not decoded, with those that only a cut before them explains."""
    if not header.frames:
        return 0
    held = header.packets.total - header.packets.not_coded
    return max(0, min(promised_frames(header), held) - decoded + max(0, _absent_packets(header)))


def promised_frames(header: Header) -> int:
    """The frame count of the header, or that of the duration if it is smaller, as it is with an edit list."""
    if header.container == "avi":
        return header.frames  # libavformat estimates the duration of an AVI that is cut off
    return min(header.frames, round(header.seconds * header.fps) or header.frames)


def _absent_packets(header: Header) -> int:
    present = header.packets.total
    if header.container == "avi":
        present = max(present, round(header.packets.end * header.fps))
    return promised_frames(header) - present


def refuse_cut_off(path: Path | str, header: Header) -> None:
    """Raise BadVideo if the file ends before its packets, its elements or, without sound, its duration do."""
    if header.packets.corrupt is not None:
        raise BadVideo(f"the file is cut off or damaged: packet {header.packets.corrupt} is incomplete")
    counts = header.container == "avi" or header.container.startswith("mov,")
    if counts and header.frames and _absent_packets(header) <= 0:
        return  # what is cut off is the index or padding
    if reason := cut_off_reason(path, header.container):
        raise BadVideo(f"the file is cut off: {reason}")
    end = header.packets.end
    if not header.frames and header.reliable_times and 0 < end < 0.95 * header.seconds - 0.5:
        raise BadVideo(f"the header promises {header.seconds:.2f} s but the pictures end at {end:.2f} s")


def orientation_filters(frame) -> tuple[str, ...]:
    """The filters that ffmpeg inserts for the display matrix of a frame; an odd angle keeps the size of the frame."""
    data = frame.side_data.get(SideData.DISPLAYMATRIX)
    if data is None:
        return ()
    matrix = np.frombuffer(data, np.int32)
    angle = round(math.degrees(_display_angle(matrix))) % 360
    if angle == 90:
        return ("transpose=cclock_flip" if matrix[3] > 0 else "transpose=clock",)
    if angle == 270:
        return ("transpose=clock_flip" if matrix[3] < 0 else "transpose=cclock",)
    if angle == 180:
        return (*(["hflip"] if matrix[0] < 0 else []), *(["vflip"] if matrix[4] < 0 else []))
    if angle:
        return (f"rotate={angle}*PI/180",)
    return ("vflip",) if matrix[4] < 0 else ()


def _display_angle(matrix: np.ndarray) -> float:
    # The clockwise angle of the first row, whose columns are normalised, in radians.
    first, second = math.hypot(matrix[0], matrix[3]), math.hypot(matrix[1], matrix[4])
    return math.atan2(matrix[1] / second, matrix[0] / first) if first and second else 0.0


def open_video(path: Path | str):
    """Open a container; raises BadVideo if it cannot be opened or has no video stream."""
    try:
        container = av.open(ffmpeg_name(path), metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise BadVideo(f"cannot be opened: {error_text(error)}") from error
    container.flags &= ~GENERATE_TIMES
    if not any(stream.codec_context for stream in container.streams.video):
        container.close()
        raise BadVideo("there is no video stream in it")
    return container


def ffmpeg_name(path: Path | str) -> str:
    """The name of a file for ffmpeg, which would take `cam:1/a.avi` for an address of the protocol `cam`."""
    return f"file:{path}"


def decode_frames(container, stream) -> Iterator:
    """Yield the frames of a stream; raises BadVideo if decoding stops with an error."""
    count = 0
    try:
        for packet in stream_packets(container, stream):
            for frame in stream.codec_context.decode(packet):
                yield frame
                count += 1
        for frame in stream.codec_context.decode(None):
            frame.time_base = stream.time_base
            yield frame
            count += 1
    except (av.error.FFmpegError, OSError) as error:
        raise BadVideo(f"decoding stops after frame {count}: {error_text(error)}") from error


def error_text(error: Exception) -> str:
    """The message of an error, without its number and path."""
    return getattr(error, "strerror", None) or str(error)


def _read_packets(container, stream) -> tuple[Any, Packets]:
    """The first frame, and the summary of all packets, without decoding the others."""
    frames, summary = None, PacketSummary()
    decoder = stream.codec_context
    try:
        for packet in container.demux(stream):
            summary.add(packet)
            if not frames and packet.size:
                frames = decoder.decode(packet)
        frames = frames or decoder.decode(None)
    except (av.error.FFmpegError, OSError) as error:
        count = summary.packets.total
        raise BadVideo(f"reading stops after packet {count}: {error_text(error)}") from error
    return next(iter(frames), None), summary.packets


def _duration(container, stream) -> float:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if len(container.streams) > 1:
        return 0.0  # the duration of the container may be that of longer sound
    return (container.duration or 0) / av.time_base
