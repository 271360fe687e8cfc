"""The CUDA backend without a GPU: its kernels compiled for the CPU, with the same host code, give the CPU's flow."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.common.errors import UserError
from pipeline.flow import tvl1
from pipeline.flow.tvl1 import cuda, driver
from pipeline.flow.tvl1.tile import TILES, count_tiles, largest_tile

SOURCE = Path(cuda.__file__).with_name("tvl1.cu")


class Processor:
    """A `cuda.Device` on the CPU: its memory is that of numpy arrays, and its blocks run one after the other."""

    def __init__(self, tile, folder, backwards=False):
        self.tile, self.allocations = tile, []
        library = folder / "tvl1.so"
        macros = [f"-D{name}={value}" for name, value in tile.macros().items()] + ["-DBACKWARDS"] * backwards
        compiler = ["g++", "-x", "c++", "-std=c++17", "-O2", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC"]
        subprocess.run([*compiler, "-Wno-unknown-pragmas", *macros, str(SOURCE), "-o", str(library)], check=True)
        self.library = ctypes.CDLL(str(library))
        self.block = [ctypes.c_int.in_dll(self.library, f"block_{axis}") for axis in "xy"]

    def allocate(self, count):
        self.allocations.append(np.full(count + 64, 0xFF, np.uint8))  # NaN, to detect uninitialised reads
        address = self.allocations[-1].ctypes.data
        return address + -address % 64

    def free(self):
        self.allocations.clear()

    def free_memory(self):
        return 1 << 30

    def clear(self, address, count):
        ctypes.memset(address, 0, count)

    def upload(self, address, array):
        ctypes.memmove(address, np.ascontiguousarray(array).ctypes.data, array.nbytes)

    def download(self, address, array):
        assert array.flags.c_contiguous
        ctypes.memmove(array.ctypes.data, address, array.nbytes)

    def launch(self, name, blocks, threads, shared, *arguments):
        across = blocks[0] if name == "iterate" else 1  # the others loop over all elements at once
        for self.block[1].value in range(blocks[1]):
            for self.block[0].value in range(across):
                getattr(self.library, name)(*arguments)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    if not shutil.which("g++"):
        pytest.skip("there is no C++ compiler")
    return lambda tile, **options: Processor(tile, tmp_path_factory.mktemp("tvl1"), **options)


@pytest.fixture(scope="module")
def small(build):
    return build(TILES[-1])


def moving(height, width, count=3):
    """Frames of a texture that zooms and shifts slowly."""
    noise = np.random.default_rng(height).normal(size=(height, width)).astype(np.float32)
    grey = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    steps = [np.array([[1 + 0.01 * t, 0, 0.8 * t], [0, 1, -0.4 * t]]) for t in range(count)]
    return np.stack([cv2.warpAffine(grey, step, (width, height), borderMode=cv2.BORDER_REFLECT) for step in steps])


def flow(device, frames, max_pairs=256, **parameters):
    out = np.full((len(frames) - 1, 2, *frames.shape[1:]), np.nan, np.float32)
    cuda.flow_into(device, frames, out, tvl1.resolve(**parameters), max_pairs)
    return out


def away(device, frames, **parameters):
    return np.hypot(
        *np.moveaxis(flow(device, frames, **parameters) - tvl1.flow(frames, backend="cpu", **parameters), 1, 0)
    )


FIXED = {"epsilon": 0, "inner_iterations": 10, "outer_iterations": 2, "warps": 2}


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (24, 56), (25, 57), (61, 119), (33, 240), (130, 31)])
def test_tiles_and_their_borders_give_the_flow_of_the_cpu(small, size):
    assert np.percentile(away(small, moving(*size), scales=1, **FIXED), 99) < 2e-3


@pytest.mark.parametrize("tile", TILES, ids=str)
def test_every_tile_gives_the_flow_of_the_cpu(build, tile):
    assert np.percentile(away(build(tile), moving(100, 150), **FIXED), 98) < 2e-3


@pytest.mark.parametrize("preset", tvl1.PRESETS)
def test_with_the_stopping_criterion_the_flow_is_that_of_the_cpu(small, preset):
    difference = away(small, moving(64, 80), preset=preset)
    assert difference.mean() < 0.02
    assert np.percentile(difference, 95) < 0.06


def test_real_frames_have_the_flow_of_opencv(build):
    path = Path(__file__).parents[3] / "shared" / "clips" / "test.avi"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    reader = cv2.VideoCapture(str(path))
    grey = [cv2.cvtColor(reader.read()[1], cv2.COLOR_BGR2GRAY) for _ in range(3)]
    frames = np.stack([cv2.resize(frame, (200, 150), interpolation=cv2.INTER_AREA) for frame in grey])
    ours = flow(build(TILES[0]), frames)
    difference = np.hypot(*np.moveaxis(ours - tvl1.flow(frames, backend="opencv"), 1, 0))
    assert difference.mean() <= 0.02
    assert np.percentile(difference, 95) <= 0.06


@pytest.mark.parametrize("median", [0, 3])
def test_with_other_median_filters_the_flow_is_that_of_the_cpu(small, median):
    assert np.percentile(away(small, moving(40, 50), median=median, **FIXED), 98) < 2e-3


def test_the_order_of_the_threads_between_two_barriers_does_not_matter(build):
    orders = [flow(build(TILES[-1], backwards=backwards), moving(70, 90)) for backwards in (False, True)]
    assert np.array_equal(*orders)


def test_batches_change_no_bit(small):
    frames = moving(40, 50, count=6)
    whole = flow(small, frames)
    assert np.array_equal(whole, flow(small, frames, max_pairs=2))
    assert np.array_equal(whole[2:3], flow(small, frames[2:4]))


def test_identical_frames_have_no_flow(small):
    assert not flow(small, np.repeat(moving(30, 40, count=1), 3, axis=0)).any()


def test_one_frame_has_no_pairs_and_needs_no_gpu():
    assert cuda.flow(moving(30, 40, count=1), tvl1.resolve(), 1).shape == (0, 2, 30, 40)


@pytest.mark.parametrize("length", range(1, 400, 7))
def test_tiles_cover_every_length(length):
    for side, depth in ((128, 8), (64, 8), (32, 4)):
        count = count_tiles(length, side, depth)
        assert (count - 1) * (side - 2 * depth) + side >= length
        assert count == 1 or (count - 2) * (side - 2 * depth) + side < length


@pytest.mark.parametrize("capability", [75, 80, 86, 89, 90, 100, 120, 999])
@pytest.mark.parametrize("tile", TILES, ids=str)
def test_the_kernels_compile_for_every_gpu(capability, tile):
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="the extra actionbench[cuda] is not installed")
    supported = driver.check(nvrtc.nvrtcGetSupportedArchs())
    if capability < min(supported):
        pytest.skip(f"this run-time compiler starts at {min(supported)}")
    assert driver.compile_kernels(capability, tile).startswith(b"\x7fELF" if capability in supported else b"//")


def test_a_gpu_without_enough_memory_is_a_user_error(small, monkeypatch):
    monkeypatch.setattr(Processor, "free_memory", lambda self: 1000)
    with pytest.raises(UserError, match="do not fit"):
        flow(small, moving(8, 9))
    with pytest.raises(UserError, match="shared memory"):
        largest_tile(1000)
