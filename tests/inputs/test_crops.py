"""Crops: which rectangle of a picture a network sees."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.common.errors import UserError
from pipeline.inputs import crops, protocols
from tests.helpers.tinydata import RECIPE

RECIPE = replace(RECIPE, short_side=60, crop=56)
PICTURE = (60, 80)


def draws(count=300, picture=PICTURE, **changes):
    return [
        crops.random_crop(replace(RECIPE, **changes), picture, np.random.default_rng(seed)) for seed in range(count)
    ]


def places(name, recipe=RECIPE, picture=PICTURE):
    box = crops.test_crop(recipe, picture, name, False)
    return box.top, box.left


def inside(box, picture=PICTURE):
    return min(box.top, box.left) >= 0 and box.top + box.height <= picture[0] and box.left + box.width <= picture[1]


def test_corners_and_centre_lie_where_they_are_named():
    assert [places(name) for name in (*crops.CORNERS, "centre")] == [(0, 0), (0, 24), (4, 0), (4, 24), (2, 12)]


def test_the_grid_has_nine_places_which_with_mirror_images_are_fstcns_18_crops():
    assert sorted(places(name) for name in crops.GRID) == [(y, x) for y in (0, 2, 4) for x in (0, 12, 24)]
    views = list(protocols.test_views(protocols.parse("1 clip x 18 crops"), RECIPE, 10))
    assert len({(view.place, view.flip) for view in views}) == 18


@pytest.mark.parametrize(
    ("place", "names"), [("corners", (*crops.CORNERS, "centre")), ("grid", tuple(crops.GRID)), ("centre", ("centre",))]
)
def test_training_crops_of_named_places_are_just_those(place, names):
    assert {(box.top, box.left) for box in draws(crop_position=place)} == {places(name) for name in names}


def test_random_crops_lie_anywhere_in_the_picture():
    boxes = draws(count=600)
    assert {box.top for box in boxes} == set(range(5))
    assert {box.left for box in boxes} == set(range(25))


def test_crops_near_borders_are_a_quarter_of_the_picture_from_one_at_most():
    boxes = draws(crop_position="borders", crop=20)
    assert all(min(box.top, 40 - box.top) <= 15 and min(box.left, 60 - box.left) <= 20 for box in boxes)
    assert {box.top for box in boxes} == {*range(16), *range(25, 41)}


def test_height_and_width_are_scaled_each_for_itself():
    boxes = draws(crop_scales=[1.0, 0.875, 0.75])
    assert {(box.height, box.width) for box in boxes} == {(h, w) for h in (56, 49, 42) for w in (56, 49, 42)}
    assert all(box.size == (56, 56) for box in boxes)


def test_jitter_of_the_sides_stays_within_its_share():
    boxes = draws(crop_scale_jitter=0.25, crop=40)
    assert all(30 <= side <= 50 for box in boxes for side in (box.height, box.width))
    assert len({(box.height, box.width) for box in boxes}) > 100


@pytest.mark.parametrize("place", ["random", "corners", "grid", "borders", "centre"])
@pytest.mark.parametrize("picture", [(60, 80), (61, 47), (240, 321), (33, 500)])
def test_every_crop_lies_inside_its_picture(place, picture):
    assert all(
        inside(box, picture)
        for box in draws(100, picture, crop_position=place, crop_scale_jitter=0.3, crop_scales=[1.2, 0.5])
    )
    assert all(
        inside(crops.test_crop(RECIPE, picture, name, False), picture) for name in (*crops.GRID, crops.WHOLE_PICTURE)
    )


def test_pictures_stored_at_twice_the_size_are_cropped_at_the_same_places():
    small, large = (crops.test_crop(RECIPE, size, "bottom right", True) for size in ((60, 80), (120, 160)))
    assert large[:4] == tuple(2 * side for side in small[:4])
    assert (large.size, large.flip) == (small.size, small.flip)


def test_the_whole_picture_is_brought_to_the_recipes_short_side():
    assert crops.test_crop(RECIPE, (120, 160), crops.WHOLE_PICTURE, False) == (0, 0, 120, 160, (60, 80), False)
    assert crops.test_crop(RECIPE, (90, 60), crops.WHOLE_PICTURE, True).size == (90, 60)


def test_half_of_the_crops_are_mirrored_or_none():
    assert 100 < sum(box.flip for box in draws()) < 200
    assert not any(box.flip for box in draws(flip=False))


def test_a_crop_larger_than_the_recipes_pictures_is_refused_with_both_sizes():
    with pytest.raises(UserError, match="224 pixels but pictures' short side is 60"):
        crops.test_crop(replace(RECIPE, crop=224), PICTURE, "centre", False)
