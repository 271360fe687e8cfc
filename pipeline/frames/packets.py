"""The packets of the stream that ffmpeg shows, with the time stamps that ffmpeg gives them."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

import av
from av.stream import Disposition

SECOND = 1_000_000  # libavformat's time base
JUMP = 10 * SECOND  # a larger difference of two time stamps is a new beginning (ffmpeg's -dts_delta_threshold)
CORRECTED = 0x0200  # AVFMT_TS_DISCONT: a container in which time stamps may begin anew
WITHOUT_TIMES = 0x0080  # AVFMT_NOTIMESTAMPS
NOT_CODED = 1  # bytes; a packet as small is a place in time without a picture (Xvid, null frames of AVI, Theora)


class Packets(NamedTuple):
    """What the packets of a stream say about its pictures.

    `hidden` packets are excluded by an edit list. `leading` ones precede the first key frame, in the file or in time,
    and refer to pictures that were cut away, so that they cannot be shown. `end` is the end of the last packet in
    seconds, and `corrupt` the number of the first incomplete packet.
    """

    total: int = 0
    not_coded: int = 0
    hidden: int = 0
    leading: int = 0
    end: float = 0.0
    corrupt: int | None = None

    @property
    def shown(self) -> int:
        """The number of packets from which a picture is expected."""
        return self.total - self.not_coded - self.hidden - self.leading


def choose_stream(container):
    """The video stream that ffmpeg takes: the default or else the largest one, and a cover only if nothing else."""

    def score(stream) -> int:
        if stream.disposition & Disposition.attached_pic:
            return 1
        default = bool(stream.disposition & Disposition.default)
        return stream.codec_context.width * stream.codec_context.height + 5_000_000 * default + 2

    return max(container.streams.video, key=score)


def stream_packets(container, stream) -> Iterator[av.Packet]:
    """Yield the packets that have data, with the times of ffmpeg: from 0, and continued where they begin anew."""
    return (packet for packet in continued(container, stream, container.demux(stream)) if packet.size)


def continued(container, stream, packets: Iterable[av.Packet]) -> Iterator[av.Packet]:
    """Subtract the start time from the time stamps; where a transport stream begins anew, continue them."""
    corrects = bool(container.format.flags & CORRECTED)
    start = container.start_time
    if corrects and stream.start_time is not None:
        start = _microseconds(stream.start_time, stream.time_base)
    offset, last, following = -(start or 0), 0, None
    for packet in packets:
        if packet.dts is not None:
            time = _microseconds(packet.dts, packet.time_base) + offset
            if corrects and following is not None and (abs(time - following) > JUMP or time + SECOND // 10 < last):
                offset += following - time
                time = following
            last, following = time, time + _microseconds(packet.duration or 0, packet.time_base)
        shift = round(Fraction(offset, SECOND) / packet.time_base) if offset else 0
        if shift:
            packet.pts = None if packet.pts is None else packet.pts + shift
            packet.dts = None if packet.dts is None else packet.dts + shift
        yield packet


class PacketSummary:
    """Summarises the packets of a stream as they pass."""

    def __init__(self) -> None:
        self.packets = Packets()
        self._key_time: int | None = None
        self._corrupt_time: int | None = None

    def add(self, packet: av.Packet) -> None:
        """Add one packet, with the time stamps of the container."""
        if packet.pts is None and packet.dts is None and not packet.size:
            return  # the packet that flushes the decoder
        time = packet.dts if packet.pts is None else packet.pts
        if packet.is_keyframe and self._key_time is None:
            self._key_time = time
        leading = self._key_time is None or (time is not None and time < self._key_time)
        end = 0.0 if time is None else float((time + (packet.duration or 0)) * packet.time_base)
        so_far = self.packets
        self.packets = Packets(
            total=so_far.total + 1,
            not_coded=so_far.not_coded + (packet.size <= NOT_CODED),
            hidden=so_far.hidden + packet.is_discard,
            leading=so_far.leading + (leading and not packet.is_discard),
            end=max(so_far.end, end),
            corrupt=self._corrupt(packet),
        )

    def _corrupt(self, packet: av.Packet) -> int | None:
        first, number = self.packets.corrupt, self.packets.total
        if first is None:
            self._corrupt_time = packet.dts
            return number if packet.is_corrupt else None
        # Two transport streams, one behind the other: the last packets of the first one only look damaged.
        known = packet.dts is not None and self._corrupt_time is not None
        begins_anew = known and packet.is_keyframe and packet.dts < self._corrupt_time  # type: ignore[operator]
        return None if begins_anew and number - first <= 2 else first


def _microseconds(time: int, time_base: Fraction) -> int:
    return round(time * time_base * SECOND)
