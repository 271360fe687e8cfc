"""Test protocols by name: which views of a video are scored."""

from collections.abc import Iterator
from typing import NamedTuple

from pipeline.errors import UserError


class Protocol(NamedTuple):
    """`clips` equally spaced in the video, each at these `crops`, with and without a flip."""

    clips: int
    crops: tuple[str, ...]
    flips: bool


class View(NamedTuple):
    """One crop of one clip: the clip's number and first picture, the crop's number and place, flipped or not."""

    clip: int
    start: int
    crop: int
    place: str
    flip: bool


CORNERS = ("top left", "top right", "bottom left", "bottom right")
PROTOCOLS = {
    # 25 frames with equal spacing; four corners and centre, and their mirror images (Two-Stream 2014, section 4).
    "25 frames x 10 crops": Protocol(25, (*CORNERS, "centre"), True),
    "25 frames x centre": Protocol(25, ("centre",), False),
    "1 frame x centre": Protocol(1, ("centre",), False),
}


def named(name: str) -> Protocol:
    """The protocol of that name, or a UserError with the names there are."""
    if name not in PROTOCOLS:
        raise UserError(f"there is no test protocol {name!r}: choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def starts(pictures: int, length: int, clips: int) -> list[int]:
    """First pictures of `clips` clips of `length`, equally spaced from the video's begin to its end."""
    last = max(pictures - length, 0)
    return [last // 2] if clips == 1 else [round(number * last / (clips - 1)) for number in range(clips)]


def views(protocol: Protocol, pictures: int, length: int) -> Iterator[View]:
    """Every view of one video, clip by clip."""
    for clip, start in enumerate(starts(pictures, length, protocol.clips)):
        for crop, place in enumerate(protocol.crops):
            for flip in (False, True)[: 1 + protocol.flips]:
                yield View(clip, start, crop, place, flip)
