"""Test protocols by name, `WHAT x WHERE`: which views of a video are scored.

WHAT is `25 frames` or `10 clips`: so many clips of the network's own length, with equal spacing in the video; or
`25 frames at once`: one clip of so many times; or `whole video`: every time at the recipe's stride. WHERE is a key of
CROPS.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.config.recipe import Recipe
from pipeline.inputs import clip_sampling
from pipeline.inputs.crops import CORNERS, GRID, WHOLE_PICTURE


class Protocol(NamedTuple):
    """`number` clips, cropped at these `positions`, with `flips` mirrored as well; `mode` is a value of MODES."""

    mode: str
    number: int
    positions: tuple[str, ...]
    flips: bool


class View(NamedTuple):
    """One crop of one clip: the clip's number and times, the crop's number and position (`place`), mirrored or not."""

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
    "whole picture": ((WHOLE_PICTURE,), False),
    "whole picture + flip": ((WHOLE_PICTURE,), True),  # fully convolutional (ST-ResNet, section 3)
}
MODES = {r"(\d+) (?:frames?|clips?)": "clips", r"(\d+) frames at once": "at once", r"whole video": "whole video"}


def parse(name: str) -> Protocol:
    """The protocol of a name; raises UserError with the form of names."""
    what, _, where = name.partition(" x ")
    matches = [(mode, match) for pattern, mode in MODES.items() if (match := re.fullmatch(pattern, what))]
    if not matches or where not in CROPS or (matches[0][1].groups() and int(matches[0][1][1]) < 1):
        raise UserError(
            f"there is no test protocol {name!r}: write `25 frames x 10 crops`, with clips, frames at once or whole"
            f" video before the x, and after it one of {', '.join(CROPS)}"
        )
    mode, match = matches[0]
    return Protocol(mode, int(match[1]) if match.groups() else 0, *CROPS[where])


def clip_times(protocol: Protocol, recipe: Recipe, frames: int) -> list[list[int]]:
    """The times of every clip of a video of `frames` frames; a network without a time axis has one time per clip."""
    if protocol.mode == "whole video":
        clips = clip_sampling.whole_video_clips(recipe, frames)
        return clips if recipe.frames else [[time] for clip in clips for time in clip]
    if protocol.mode == "at once":
        if not recipe.frames:
            raise UserError(
                f"the protocol is {protocol.number} frames at once but {recipe.net} sees one time, as frames is"
                f" null: write {protocol.number} frames"
            )
        return [clip_sampling.uniform_times(recipe, frames, protocol.number)]
    return clip_sampling.uniform_clips(recipe, frames, protocol.number)


def test_views(protocol: Protocol, recipe: Recipe, frames: int) -> Iterator[View]:
    """Every view of one video, clip by clip."""
    for clip, times in enumerate(clip_times(protocol, recipe, frames)):
        for crop, position in enumerate(protocol.positions):
            for flip in (False, True)[: 1 + protocol.flips]:
                yield View(clip, tuple(times), crop, position, flip)
