"""The vector kernels give the results of the scalar form and of OpenCV."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from pipeline.flow import tvl1
from pipeline.flow.tvl1 import (
    compile,
    median,
    pyramid,
    scalar,
    sweep,
    warp,
)
from pipeline.flow.tvl1 import level as solver

SIZES = [(1, 1), (5, 7), (9, 16), (16, 15), (33, 50)]
random = np.random.default_rng(7)


def plane(height, width, scale=1.0):
    """A flat plane of noise with the border column that `sweep` expects, and a view of its pixels."""
    row = pyramid.stride(width)
    whole = pyramid.aligned_zeros((height + 1) * row)
    inside = whole[: height * row].reshape(height, row)
    inside[:, :width] = random.normal(size=(height, width), scale=scale)
    inside[:, width] = inside[:, width - 1]
    return whole, inside[:, :width]


def state(height, width):
    """u, q, data and their size, with |u| about 2, |q| below 1 and gradients of a few grey levels."""
    u, q, data = ([plane(height, width, scale)[0] for _ in range(n)] for n, scale in ((2, 2), (4, 0.3), (4, 4)))
    data[3][:] = -1 / np.maximum(data[0] ** 2 + data[1] ** 2, 1e-30)
    return u, tuple(q), tuple(data), (height, width, pyramid.stride(width))


def make_level(frame):
    level = pyramid.empty_level(*frame.shape)
    pyramid.fill_pyramid([level], frame, 0.8)
    return level


def inside(flat, size):
    return flat[: size[0] * size[2]].reshape(size[0], size[2])[:, : size[1]]


@pytest.mark.parametrize("shape", SIZES)
def test_a_fused_sweep_is_an_iteration_of_the_scalar_form(shape):
    u, q, data, size = state(*shape)
    v, r = [a.copy() for a in u], tuple(a.copy() for a in q)
    mask = (np.arange(size[2]) < size[1]).astype(np.float32)
    steps = (np.float32(0.045), np.float32(0.25), np.float32(0.25 / 0.3))
    for _ in range(3):
        change = sweep.sweep(*u, q, data, mask, size, steps)
        expected = scalar.sweep(*v, r, data, mask, size, steps)
    assert change == pytest.approx(expected, rel=1e-4)
    for ours, theirs in zip((*u, *q), (*v, *r), strict=True):
        np.testing.assert_allclose(inside(ours, size), inside(theirs, size), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", SIZES)
def test_the_vector_warp_is_that_of_the_scalar_form(shape):
    u, _, data, size = state(*shape)
    expected = tuple(a.copy() for a in data)
    level = make_level(random.integers(0, 256, shape, dtype=np.uint8))
    taps = (np.zeros((2, size[2]), np.int32), np.zeros((2, size[2]), np.float32))
    warp.warp(level.grey, level.sampled, *u, data, taps, size)
    scalar.warp(level.grey, level.sampled, *u, expected, taps, size)
    for ours, theirs in zip(data[:3], expected[:3], strict=True):
        np.testing.assert_allclose(inside(ours, size), inside(theirs, size), rtol=1e-3, atol=3e-3)
    np.testing.assert_allclose(1 / inside(data[3], size), 1 / inside(expected[3], size), rtol=1e-3, atol=1e-4)


def test_the_warp_samples_as_opencv_does_within_and_beyond_the_image():
    u, _, data, size = state(33, 50)
    u[0] *= 20
    level = make_level(random.integers(0, 256, (33, 50), dtype=np.uint8))
    taps = (np.zeros((2, size[2]), np.int32), np.zeros((2, size[2]), np.float32))
    warp.warp(level.grey, level.sampled, *u, data, taps, size)
    y, x = np.mgrid[:33, :50].astype(np.float32)
    where = x + inside(u[0], size), y + inside(u[1], size)
    gradient = level.sampled.reshape(33 + 8, 50 + 8, 4)[4:-4, 4:-4, 1].copy()
    np.testing.assert_allclose(inside(data[0], size), cv2.remap(gradient, *where, cv2.INTER_CUBIC), atol=1e-3)


@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize("shape", SIZES)
def test_the_median_is_that_of_opencv_bit_for_bit(shape, side):
    whole, within = plane(*shape)
    size = (*shape, pyramid.stride(shape[1]))
    out, plain, columns = np.zeros_like(whole), np.zeros_like(whole), np.zeros((5, size[2] + 32), np.float32)
    median.median(whole, out, columns, size, side)
    scalar.median(whole, plain, columns, size, side)
    assert np.array_equal(inside(out, size), cv2.medianBlur(within.copy(), side))
    assert np.array_equal(inside(out, size), inside(plain, size))


def test_the_sorting_network_finds_the_median_of_every_zero_one_window():
    """By the 0-1 principle this proves it for all windows: five sorted columns of zeros and ones have 6^5 forms."""
    ones = np.array(np.meshgrid(*[range(6)] * 5)).reshape(5, -1).T  # how many ones each of five columns holds
    image = (np.arange(5)[:, None] >= 5 - ones.ravel()).astype(np.float32)  # window after window, side by side
    size = (5, image.shape[1], pyramid.stride(image.shape[1]))
    whole, out = pyramid.aligned_zeros(6 * size[2]), pyramid.aligned_zeros(6 * size[2])
    inside(whole, size)[:] = image
    median.median(whole, out, np.zeros((5, size[2] + 32), np.float32), size, 5)
    assert np.array_equal(inside(out, size)[2, 2::5], ones.sum(axis=1) >= 13)


@pytest.mark.parametrize("step", [0.8, 0.5, 0.73])
@pytest.mark.parametrize("shape", [(256, 340), (61, 83), (17, 400)])
def test_levels_have_the_sizes_that_opencv_gives_them(shape, step):
    expected, image = [], np.zeros(shape, np.uint8)
    while not expected or (min(image.shape) >= 16 and len(expected) < 9):
        expected.append(image.shape)
        image = cv2.resize(image, None, fx=step, fy=step)
    assert pyramid.level_sizes(*shape, 9, step) == expected


def test_the_scalar_form_gives_the_flow_of_the_vector_form():
    image = cv2.GaussianBlur(random.integers(0, 256, (40, 50), dtype=np.uint8), (0, 0), 2)
    frames, fixed = np.stack([image, np.roll(image, 1, axis=1)]), {"epsilon": 0, "inner_iterations": 10, "scales": 2}
    away = tvl1.flow(frames, backend="scalar", **fixed) - tvl1.flow(frames, backend="cpu", **fixed)
    assert np.percentile(np.abs(away), 95) < 1e-3


NARROW = """
import sys
import numpy as np
from pipeline.flow import tvl1
frames = np.random.default_rng(3).integers(0, 256, (2, 20, 37), dtype=np.uint8)
fixed = {"epsilon": 0, "inner_iterations": 5, "outer_iterations": 2, "scales": 1, "warps": 2}
found = tvl1.flow(frames, backend="cpu", **fixed)
"""


@pytest.mark.parametrize("processor", ["haswell", "generic"])
def test_narrower_processors_give_the_same_flow(processor, tmp_path):
    narrow = {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    script = NARROW + f"found.tofile({str(tmp_path / 'flow')!r})"
    subprocess.run([sys.executable, "-c", script], env=os.environ | narrow, check=True)
    here: dict = {}
    exec(NARROW, here)  # noqa: S102
    away = np.abs(np.fromfile(tmp_path / "flow", np.float32) - here["found"].ravel())
    assert np.percentile(away, 95) < 1e-3


def test_a_change_in_any_file_invalidates_the_compiled_kernels(monkeypatch):
    codegen = solver.solve.targetctx.codegen()
    before = solver.solve._cache._index_key("signature", codegen)
    monkeypatch.setattr(compile, "PACKAGE_HASH", "another")
    assert solver.solve._cache._index_key("signature", codegen) != before


def test_kernels_compile_without_a_writable_folder(monkeypatch):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", "/proc/nowhere")
    assert compile.kernel(lambda x: x + 1)(1) == 2
