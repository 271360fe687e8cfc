"""TV-L1 recovers known motions, has the flow of OpenCV, and gives the same bits for any batches and threads."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.flow import tvl1
from pipeline.flow.tvl1 import driver

CLIPS = Path(__file__).parents[3] / "shared" / "clips"
INNER = (slice(None), slice(24, -24), slice(24, -24))


def texture(height, width, seed=0):
    noise = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    waves = sum(cv2.GaussianBlur(noise, (0, 0), sigma) * sigma for sigma in (2, 4, 8))
    return cv2.normalize(waves, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def clip(name, count, size=(340, 256), skip=8):
    path = CLIPS / name
    if not path.exists():
        pytest.skip(f"{path} is absent")
    reader = cv2.VideoCapture(str(path))
    frames = [reader.read()[1] for _ in range(skip + count)][skip:]
    grey = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in frames]
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in grey])


def difference(a, b):
    return np.hypot(*np.moveaxis(a - b, 1, 0))


def moved(image, matrix):
    """`image` after the affine motion x -> matrix (x, 1), and its true flow (2, H, W)."""
    height, width = image.shape
    y, x = np.mgrid[:height, :width]
    true = np.stack([matrix[i][0] * x + matrix[i][1] * y + matrix[i][2] - (x, y)[i] for i in range(2)])
    return cv2.warpAffine(image, np.array(matrix), (width, height), flags=cv2.INTER_CUBIC, borderMode=1), true


def about_centre(linear, height, width):
    centre = np.array([width / 2, height / 2])
    return np.column_stack([linear, centre - np.array(linear) @ centre]).tolist()


MOTIONS = {
    "shift": [[1, 0, 3.5], [0, 1, -1.25]],
    "rotation": about_centre([[np.cos(0.03), -np.sin(0.03)], [np.sin(0.03), np.cos(0.03)]], 128, 160),
    "zoom": about_centre([[1.04, 0], [0, 1.04]], 128, 160),
    "shear": about_centre([[1, 0.05], [0, 1]], 128, 160),
}


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("preset", tvl1.PRESETS)
def test_flow_recovers_a_known_motion(motion, preset):
    image = texture(128, 160)
    after, true = moved(image, MOTIONS[motion])
    found = tvl1.flow(np.stack([image, after]), backend="cpu", preset=preset)[0]
    assert np.median(np.hypot(*(found - true)[INNER])) < 0.15


@pytest.mark.parametrize("motion", MOTIONS)
def test_flow_recovers_a_known_motion_of_a_real_frame(motion):
    image = clip("test.avi", 1, size=(160, 128))[0]
    after, true = moved(image, MOTIONS[motion])
    found = tvl1.flow(np.stack([image, after]), backend="cpu")[0]
    assert np.median(np.hypot(*(found - true)[INNER])) < 0.3


@pytest.mark.parametrize("name", ["test.avi", "arm_wrestling.mp4", "surveillance_fights/fight/fi005.mp4"])
def test_flow_is_that_of_opencv(name):
    frames = clip(name, 3)
    away = difference(tvl1.flow(frames, backend="cpu"), tvl1.flow(frames, backend="opencv"))
    assert away.mean() <= 0.02
    assert np.percentile(away, 95) <= 0.06


@pytest.mark.parametrize("changed", [{"preset": "opencv-cuda"}, {"preset": "ipol"}, {"median": 3}, {"scales": 2}])
def test_flow_is_that_of_opencv_with_other_parameters(changed):
    frames = np.stack([texture(60, 80), np.roll(texture(60, 80), 2, axis=1)])
    away = difference(tvl1.flow(frames, backend="cpu", **changed), tvl1.flow(frames, backend="opencv", **changed))
    assert np.percentile(away, 95) <= 0.06


def test_with_a_fixed_number_of_iterations_flow_is_that_of_opencv_to_a_thousandth_of_a_pixel():
    image = texture(50, 70)
    frames = np.stack([image, moved(image, [[1, 0, 1.5], [0, 1, -0.5]])[0]])
    fixed = {"scales": 1, "epsilon": 0, "inner_iterations": 10, "outer_iterations": 3}
    away = difference(tvl1.flow(frames, backend="cpu", **fixed), tvl1.flow(frames, backend="opencv", **fixed))
    assert np.percentile(away, 99) < 1e-3


def test_order_batch_and_threads_change_no_bit():
    frames = np.stack([np.roll(texture(40, 50), shift, axis=1) for shift in (0, 1, 3, 2, 5, 4, 4, 6, 9, 7, 8)])
    whole = tvl1.flow(frames, backend="cpu", threads=1)
    assert np.array_equal(whole, tvl1.flow(frames, backend="cpu", threads=3))
    assert np.array_equal(whole[4:7], tvl1.flow(frames[4:8], backend="cpu", threads=2))
    pairs = [tvl1.flow(frames[i : i + 2], backend="cpu")[0] for i in reversed(range(10))]
    assert np.array_equal(whole, pairs[::-1])


def test_identical_frames_have_no_flow():
    assert not tvl1.flow(np.stack([texture(90, 70)] * 3), backend="cpu").any()


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (1, 40), (40, 1), (3, 700), (33, 17), (61, 81)])
def test_any_size_has_a_finite_flow(size):
    frames = np.random.default_rng(0).integers(0, 256, (3, *size), dtype=np.uint8)
    found = tvl1.flow(frames, backend="cpu")
    assert found.shape == (2, 2, *size)
    assert np.isfinite(found).all()


def test_constant_images_have_no_flow_whatever_their_levels():
    frames = np.stack([np.full((20, 30), level, np.uint8) for level in (0, 255, 128)])
    assert not tvl1.flow(frames, backend="cpu").any()


def test_one_frame_has_no_pairs():
    assert tvl1.flow(np.zeros((1, 8, 9), np.uint8), backend="cpu").shape == (0, 2, 8, 9)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((2, 8, 8), np.float32), "frames are float32"),
        (np.full((2, 8, 8), np.nan), "frames are float64"),
        (np.zeros((8, 8), np.uint8), r"shape \(8, 8\)"),
        (np.zeros((2, 8, 8, 3), np.uint8), r"shape \(2, 8, 8, 3\)"),
        (np.zeros((0, 8, 8), np.uint8), r"shape \(0, 8, 8\)"),
        ([np.zeros((8, 8), np.uint8), np.zeros((8, 9), np.uint8)], r"\(8, 8\) and \(8, 9\)"),
    ],
)
def test_invalid_frames_are_a_user_error(frames, message):
    with pytest.raises(UserError, match=message):
        tvl1.flow(frames, backend="cpu")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"gamma": 1.0}, "no parameter 'gamma'"),
        ({"preset": "farneback"}, "no preset 'farneback'"),
        ({"tau": 0.5}, "tau is 0.5"),
        ({"scales": 2.5}, "scales is 2.5"),
        ({"median": 7}, "median is 7"),
        ({"epsilon": float("nan")}, "epsilon is nan"),
        ({"lambda_": "0.1"}, "lambda_ is '0.1'"),
        ({"warps": True}, "warps is True"),
    ],
)
def test_an_invalid_parameter_is_a_user_error(wrong, message):
    with pytest.raises(UserError, match=message):
        tvl1.resolve(**wrong)


def test_the_default_parameters_are_those_of_opencv():
    algorithm = cv2.optflow.DualTVL1OpticalFlow_create()
    ours = tvl1.resolve()
    theirs = {"tau": algorithm.getTau(), "lambda_": algorithm.getLambda(), "median": algorithm.getMedianFiltering()}
    assert {name: ours[name] for name in theirs} == theirs
    assert tvl1.resolve("opencv-cuda", tau=0.2) == ours | {
        "tau": 0.2,
        "inner_iterations": 300,
        "outer_iterations": 1,
        "median": 0,
    }


def test_auto_logs_its_backend_once(capsys):
    log.say_once.cache_clear()
    for _ in range(2):
        tvl1.flow(np.zeros((2, 4, 4), np.uint8))
    assert capsys.readouterr().err.count("TV-L1 runs on the backend") == 1


def test_a_missing_gpu_is_a_user_error():
    if not driver.unavailable_reason():
        pytest.skip("there is a GPU")
    with pytest.raises(UserError, match="cannot run on the backend cuda because"):
        tvl1.flow(np.zeros((2, 4, 4), np.uint8), backend="cuda")


def test_on_a_gpu_flow_is_that_of_the_cpu():
    if missing := driver.unavailable_reason():
        pytest.skip(missing)
    frames = clip("test.avi", 3)
    away = difference(tvl1.flow(frames, backend="cuda"), tvl1.flow(frames, backend="cpu"))
    assert away.mean() <= 0.02
    assert np.percentile(away, 95) <= 0.06


def test_zero_threads_are_a_user_error():
    with pytest.raises(UserError, match="0 threads"):
        tvl1.flow(np.zeros((2, 4, 4), np.uint8), backend="cpu", threads=0)


def test_an_unknown_backend_is_a_user_error():
    with pytest.raises(UserError, match="no backend 'gpu'"):
        tvl1.flow(np.zeros((2, 4, 4), np.uint8), backend="gpu")
