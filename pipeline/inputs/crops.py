"""The crop of a picture that a network sees: random in training, at a named position in tests.

A recipe's `crop` and `short_side` are in the network's pixels: a crop of 224 from pictures whose short side is 256.
In pictures stored at another size the crop is larger or smaller by the same factor, and is resized.
"""

from typing import NamedTuple

import numpy as np

from pipeline.common.errors import UserError
from pipeline.config.recipe import Recipe

ROWS = {"top": 0.0, "": 0.5, "bottom": 1.0}
COLUMNS = {"left": 0.0, "": 0.5, "right": 1.0}
# Name -> share of the free rows above the crop and of the free columns left of it: the 3x3 grid (FstCN, section 4).
GRID = {
    f"{row} {column}".strip() or "centre": (down, across)
    for row, down in ROWS.items()
    for column, across in COLUMNS.items()
}
CORNERS = ("top left", "top right", "bottom left", "bottom right")
WHOLE_PICTURE = "whole"  # uncropped, for networks that average over positions
BORDER_SHARE = 0.25  # of the picture's side: the largest distance from a border with `borders` (ST-ResNet, section 3)


class Box(NamedTuple):
    """A crop in stored pixels, the (height, width) that it is resized to, and whether it is mirrored afterwards."""

    top: int
    left: int
    height: int
    width: int
    size: tuple[int, int]
    flip: bool


def test_crop(recipe: Recipe, picture: tuple[int, int], position: str, flip: bool) -> Box:
    """The crop at a position of GRID, or WHOLE_PICTURE, of pictures of size (height, width)."""
    if position == WHOLE_PICTURE:
        scale = min(picture) / recipe.short_side
        return Box(0, 0, *picture, (round(picture[0] / scale), round(picture[1] / scale)), flip)
    height, width = crop_sides(recipe, picture, (1.0, 1.0))
    down, across = GRID[position]
    top, left = int(down * (picture[0] - height)), int(across * (picture[1] - width))
    return Box(top, left, height, width, (recipe.crop,) * 2, flip)


def random_crop(recipe: Recipe, picture: tuple[int, int], generator: np.random.Generator) -> Box:
    """A random training crop: height and width are scaled independently, then position and flip are drawn."""
    scales = [float(generator.choice(recipe.crop_scales)) for _ in range(2)]
    if recipe.crop_scale_jitter:
        low, high = 1 - recipe.crop_scale_jitter, 1 + recipe.crop_scale_jitter
        scales = [scale * generator.uniform(low, high) for scale in scales]
    height, width = crop_sides(recipe, picture, (scales[0], scales[1]))
    free = (picture[0] - height, picture[1] - width)
    top, left = _top_left(recipe.crop_position, picture, free, generator)
    flip = bool(recipe.flip and generator.random() < 0.5)
    return Box(top, left, height, width, (recipe.crop,) * 2, flip)


def crop_sides(recipe: Recipe, picture: tuple[int, int], scales: tuple[float, float]) -> tuple[int, int]:
    """A crop's (height, width) in stored pixels, at most the picture's.

    A recipe whose `crop` exceeds its `short_side` raises UserError.
    """
    crop, short = recipe.crop, recipe.short_side
    if crop > short:
        raise UserError(f"crops are {crop} pixels but pictures' short side is {short}: make crop smaller")
    stored = crop * min(picture) / short
    return min(round(stored * scales[0]), picture[0]), min(round(stored * scales[1]), picture[1])


def _top_left(
    position: str, picture: tuple[int, int], free: tuple[int, int], generator: np.random.Generator
) -> tuple[int, int]:
    """Top and left of a crop that leaves `free` (rows, columns) of the picture, by the recipe's `crop_position`."""
    if position == "random":
        return int(generator.integers(free[0] + 1)), int(generator.integers(free[1] + 1))
    if position == "borders":
        return _near_border(picture[0], free[0], generator), _near_border(picture[1], free[1], generator)
    names = {"corners": (*CORNERS, "centre"), "grid": tuple(GRID), "centre": ("centre",)}[position]
    down, across = GRID[names[int(generator.integers(len(names)))]]
    return int(down * free[0]), int(across * free[1])


def _near_border(side: int, free: int, generator: np.random.Generator) -> int:
    distance = int(generator.integers(min(free, int(BORDER_SHARE * side)) + 1))
    return distance if generator.random() < 0.5 else free - distance
