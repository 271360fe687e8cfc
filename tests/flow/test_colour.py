"""The colours of flow."""

import numpy as np
import pytest

from pipeline.flow.colour import colour_wheel, flow_to_rgb


def uniform(x, y):
    return np.broadcast_to(np.array([x, y], np.float32)[:, None, None], (2, 3, 4))


def test_the_wheel_has_55_colours_and_starts_at_red():
    assert colour_wheel().shape == (55, 3)
    assert colour_wheel()[0].tolist() == [255, 0, 0]
    assert colour_wheel()[[15, 21, 25, 36, 49]].tolist() == [
        [255, 255, 0],
        [0, 255, 0],
        [0, 255, 255],
        [0, 0, 255],
        [255, 0, 255],
    ]


def test_no_motion_is_white():
    assert (flow_to_rgb(uniform(0, 0), bound=5) == 255).all()
    assert (flow_to_rgb(uniform(0, 0)) == 255).all()


@pytest.mark.parametrize(
    ("x", "y", "colour"), [(1, 0, [255, 0, 0]), (0, 1, [255, 229, 0]), (-1, 0, [0, 209, 255]), (0, -1, [88, 0, 255])]
)
def test_right_is_red_down_yellow_left_azure_and_up_violet(x, y, colour):
    assert flow_to_rgb(uniform(x, y))[0, 0].tolist() == pytest.approx(colour, abs=2)


def test_longer_motion_is_more_saturated_and_darker_beyond_the_bound():
    half, full, beyond = (flow_to_rgb(uniform(x, 0), bound=4)[0, 0].tolist() for x in (2, 4, 8))
    assert (half, full, beyond) == ([255, 127, 127], [255, 0, 0], [191, 0, 0])


def test_a_clip_gives_one_picture_a_field():
    assert flow_to_rgb(np.random.default_rng(0).normal(size=(5, 2, 6, 7))).shape == (5, 6, 7, 3)
