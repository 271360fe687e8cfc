"""Which rectangle of a picture a network sees: in training drawn, in tests by the name of its place.

A recipe's `crop` and `short_side` are the network's pixels: a crop of 224 from pictures whose short side is 256. In
pictures stored at another size the rectangle is larger or smaller by as much, and is resized.
"""

from typing import NamedTuple

import numpy as np

from pipeline.common.errors import UserError
from pipeline.config.recipe import Recipe

ROWS = {"top": 0.0, "": 0.5, "bottom": 1.0}
COLUMNS = {"left": 0.0, "": 0.5, "right": 1.0}
# name -> share of the room above and left of the crop: the 3x3 grid (FstCN, section 4)
GRID = {
    f"{row} {column}".strip() or "centre": (down, across)
    for row, down in ROWS.items()
    for column, across in COLUMNS.items()
}
CORNERS = ("top left", "top right", "bottom left", "bottom right")
WHOLE = "whole"  # the picture uncropped, for networks that average over positions
PLACES = ("random", "corners", "grid", "borders", "centre")
BORDER = 0.25  # of the picture: as far from a border as a crop of `borders` may lie (ST-ResNet, section 3)


class Box(NamedTuple):
    """A rectangle in stored pixels, the (height, width) that it is resized to, and whether it is mirrored then."""

    top: int
    left: int
    height: int
    width: int
    size: tuple[int, int]
    flip: bool


def test_crop(recipe: Recipe, picture: tuple[int, int], place: str, flip: bool) -> Box:
    """The test crop at a place of GRID, or the whole picture, of pictures of (height, width)."""
    if place == WHOLE:
        scale = min(picture) / recipe.short_side
        return Box(0, 0, *picture, (round(picture[0] / scale), round(picture[1] / scale)), flip)
    height, width = crop_sides(recipe, picture, (1.0, 1.0))
    down, across = GRID[place]
    top, left = int(down * (picture[0] - height)), int(across * (picture[1] - width))
    return Box(top, left, height, width, (recipe.crop,) * 2, flip)


def random_crop(recipe: Recipe, picture: tuple[int, int], generator: np.random.Generator) -> Box:
    """A training crop: sides drawn from `scales` and by `side_jitter`, each for itself, then a place, then a coin."""
    scales = [float(generator.choice(recipe.crop_scales)) for _ in range(2)]
    if recipe.crop_scale_jitter:
        low, high = 1 - recipe.crop_scale_jitter, 1 + recipe.crop_scale_jitter
        scales = [scale * generator.uniform(low, high) for scale in scales]
    height, width = crop_sides(recipe, picture, (scales[0], scales[1]))
    room = (picture[0] - height, picture[1] - width)
    top, left = _position(recipe.crop_position, picture, room, generator)
    flip = bool(recipe.flip and generator.random() < 0.5)
    return Box(top, left, height, width, (recipe.crop,) * 2, flip)


def crop_sides(recipe: Recipe, picture: tuple[int, int], scales: tuple[float, float]) -> tuple[int, int]:
    """A crop's (height, width) in stored pixels; one larger than its pictures is the recipe's mistake, unless drawn."""
    crop, short = recipe.crop, recipe.short_side
    if crop > short:
        raise UserError(f"crops are {crop} pixels but pictures' short side is {short}: make crop smaller")
    stored = crop * min(picture) / short
    return min(round(stored * scales[0]), picture[0]), min(round(stored * scales[1]), picture[1])


def _position(
    place: str, picture: tuple[int, int], room: tuple[int, int], generator: np.random.Generator
) -> tuple[int, int]:
    if place == "random":
        return int(generator.integers(room[0] + 1)), int(generator.integers(room[1] + 1))
    if place == "borders":
        return _near_border(picture[0], room[0], generator), _near_border(picture[1], room[1], generator)
    names = {"corners": (*CORNERS, "centre"), "grid": tuple(GRID), "centre": ("centre",)}[place]
    down, across = GRID[names[int(generator.integers(len(names)))]]
    return int(down * room[0]), int(across * room[1])


def _near_border(side: int, room: int, generator: np.random.Generator) -> int:
    distance = int(generator.integers(min(room, int(BORDER * side)) + 1))
    return distance if generator.random() < 0.5 else room - distance
