"""Test protocols by name, `WHAT x WHERE`: which views of a video are scored.

WHAT is `25 frames` or `10 clips`, so many times the network's own input with equal spacing in the video; `25 frames at
once`, one input of so many times; or `whole video`, every time at the recipe's stride. WHERE is one of CROPS.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.config.recipe import Recipe
from pipeline.inputs import clip_sampling
from pipeline.inputs.crops import CORNERS, GRID, WHOLE


class Protocol(NamedTuple):
    """`number` clips at these `places`, mirrored as well with `flips`; `way` is clips, at once or whole video."""

    way: str
    number: int
    places: tuple[str, ...]
    flips: bool


class View(NamedTuple):
    """One crop of one clip: the clip's number and times, the crop's number and place, mirrored or not."""

    clip: int
    times: tuple[int, ...]
    crop: int
    place: str
    flip: bool


CROPS = {
    "centre": (("centre",), False),
    "centre + flip": (("centre",), True),
    "5 crops": ((*CORNERS, "centre"), False),
    "10 crops": ((*CORNERS, "centre"), True),  # four corners and centre, and their mirror images (2014, section 4)
    "18 crops": (tuple(GRID), True),  # a 3x3 grid and its mirror images (FstCN, section 4)
    "whole picture": ((WHOLE,), False),
    "whole picture + flip": ((WHOLE,), True),  # fully convolutional (ST-ResNet, section 3)
}
WAYS = {r"(\d+) (?:frames?|clips?)": "clips", r"(\d+) frames at once": "at once", r"whole video": "whole video"}


def named(name: str) -> Protocol:
    """The protocol of that name, or a UserError with how names are made."""
    what, _, where = name.partition(" x ")
    found = [(way, match) for pattern, way in WAYS.items() if (match := re.fullmatch(pattern, what))]
    if not found or where not in CROPS or (found[0][1].groups() and int(found[0][1][1]) < 1):
        raise UserError(
            f"there is no test protocol {name!r}: write `25 frames x 10 crops`, with clips, frames at once or whole"
            f" video before the x, and after it one of {', '.join(CROPS)}"
        )
    way, match = found[0]
    return Protocol(way, int(match[1]) if match.groups() else 0, *CROPS[where])


def times(protocol: Protocol, recipe: Recipe, frames: int) -> list[list[int]]:
    """The times of every clip of a video of so many frames; a network without a time axis sees one time a clip."""
    if protocol.way == "whole video":
        found = clip_sampling.whole_video_clips(recipe, frames)
        return found if recipe.frames else [[time] for clip in found for time in clip]
    if protocol.way == "at once":
        if not recipe.frames:
            raise UserError(
                f"the protocol is {protocol.number} frames at once but {recipe.net} sees one time, as frames is"
                f" null: write {protocol.number} frames"
            )
        return [clip_sampling.uniform_times(recipe, frames, protocol.number)]
    return clip_sampling.uniform_clips(recipe, frames, protocol.number)


def views(protocol: Protocol, recipe: Recipe, frames: int) -> Iterator[View]:
    """Every view of one video, clip by clip."""
    for clip, chosen in enumerate(times(protocol, recipe, frames)):
        for crop, place in enumerate(protocol.places):
            for flip in (False, True)[: 1 + protocol.flips]:
                yield View(clip, tuple(chosen), crop, place, flip)
