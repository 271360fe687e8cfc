"""The GPU as a `cuda.Device`: NVIDIA's driver and run-time compiler, from the packages of the extra `cuda`."""

import functools
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.common.errors import UserError
from pipeline.flow.tvl1.tile import Tile, largest_tile

SOURCE = Path(__file__).with_name("tvl1.cu")


def unavailable_reason() -> str:
    """Why no GPU can be used here, as the end of a sentence; empty if one can."""
    try:
        from cuda.bindings import driver, nvrtc

        check(driver.cuInit(0))
        check(nvrtc.nvrtcVersion())
        return "" if check(driver.cuDeviceGetCount()) else "there is no GPU"
    except ImportError as error:
        return f"the extra actionbench[cuda] is not installed ({error})"
    except Exception as error:  # a missing library raises various exceptions, some with several lines
        return f"the driver or the run-time compiler cannot be used ({str(error).splitlines()[0]})"


def check(result: tuple[Any, ...]) -> Any:
    """The values that a call of the driver or the compiler returned; an error status raises RuntimeError."""
    status, *values = result
    if status.value:
        raise RuntimeError(f"CUDA says {status.name}")
    return values[0] if len(values) == 1 else values


def open_device() -> "Gpu":
    """The first visible GPU (see CUDA_VISIBLE_DEVICES), made current for the calling thread."""
    from cuda.bindings import driver

    check(driver.cuInit(0))
    gpu = check(driver.cuDeviceGet(0))
    check(driver.cuCtxSetCurrent(check(driver.cuDevicePrimaryCtxRetain(gpu))))
    return Gpu(gpu)


class Gpu:
    """Memory and launches on a new stream: they run in order, and `download` waits for all that precede it."""

    def __init__(self, gpu: Any) -> None:
        from cuda.bindings import driver

        self.driver, self.gpu = driver, gpu
        self.stream = check(driver.cuStreamCreate(driver.CUstream_flags.CU_STREAM_NON_BLOCKING))
        self.allocations: list[Any] = []
        self.name = check(driver.cuDeviceGetName(128, gpu)).split(b"\0")[0].decode()
        self.tile = largest_tile(self.attribute("MAX_SHARED_MEMORY_PER_BLOCK_OPTIN"))
        capability = 10 * self.attribute("COMPUTE_CAPABILITY_MAJOR") + self.attribute("COMPUTE_CAPABILITY_MINOR")
        self.module = load_module(int(gpu), capability, self.tile)

    def attribute(self, name: str) -> int:
        """The value of CU_DEVICE_ATTRIBUTE_`name`."""
        number = getattr(self.driver.CUdevice_attribute, f"CU_DEVICE_ATTRIBUTE_{name}")
        return int(check(self.driver.cuDeviceGetAttribute(number, self.gpu)))

    def allocate(self, size: int) -> int:
        self.allocations.append(check(self.driver.cuMemAlloc(size)))
        return int(self.allocations[-1])

    def free(self) -> None:
        check(self.driver.cuStreamSynchronize(self.stream))
        while self.allocations:
            check(self.driver.cuMemFree(self.allocations.pop()))

    def close(self) -> None:
        self.free()
        check(self.driver.cuStreamDestroy(self.stream))

    def free_memory(self) -> int:
        return int(check(self.driver.cuMemGetInfo())[0])

    def clear(self, address: int, size: int) -> None:
        check(self.driver.cuMemsetD8Async(address, 0, size, self.stream))

    def upload(self, address: int, array: np.ndarray) -> None:
        array = np.ascontiguousarray(array)  # it is not page-locked, so the driver reads it before the call returns
        check(self.driver.cuMemcpyHtoDAsync(address, array.ctypes.data, array.nbytes, self.stream))

    def download(self, address: int, array: np.ndarray) -> None:
        check(self.driver.cuMemcpyDtoHAsync(array.ctypes.data, address, array.nbytes, self.stream))
        check(self.driver.cuStreamSynchronize(self.stream))

    def launch(self, name: str, blocks: tuple[int, int], threads: int, shared: int, *arguments: Any) -> None:
        packed = tuple(argument.value for argument in arguments), tuple(type(argument) for argument in arguments)
        function = load_kernel(self.module, name, self.tile.shared)
        check(self.driver.cuLaunchKernel(function, *blocks, 1, threads, 1, 1, shared, self.stream, packed, 0))


@functools.cache
def load_module(_gpu: int, capability: int, tile: Tile) -> Any:
    """Load the kernels as a module into the current context, once per process."""
    from cuda.bindings import driver

    image = np.frombuffer(compile_kernels(capability, tile), np.uint8)
    return check(driver.cuModuleLoadData(image.ctypes.data))


@functools.cache
def load_kernel(module: Any, name: str, shared: int) -> Any:
    """A kernel of the module. `iterate` needs more shared memory than the 48 KiB that every kernel may use."""
    from cuda.bindings import driver

    function = check(driver.cuModuleGetFunction(module, name.encode()))
    if name == "iterate":
        attribute = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        check(driver.cuFuncSetAttribute(function, attribute, shared))
    return function


def compile_kernels(capability: int, tile: Tile) -> bytes:
    """tvl1.cu as machine code for a compute capability (90 is 9.0), or as PTX if the compiler does not know it."""
    from cuda.bindings import nvrtc

    supported = check(nvrtc.nvrtcGetSupportedArchs())
    if capability < min(supported):
        raise UserError(
            f"the GPU's compute capability is {capability / 10} but this CUDA needs {min(supported) / 10}:"
            " install the packages of an older CUDA or use the backend cpu"
        )
    exact = capability in supported
    target = f"sm_{capability}" if exact else f"compute_{max(arch for arch in supported if arch <= capability)}"
    options = [f"--gpu-architecture={target}", "--use_fast_math", "--std=c++17"]
    options += [f"-D{name}={value}" for name, value in tile.macros().items()]
    program = check(nvrtc.nvrtcCreateProgram(SOURCE.read_bytes(), b"tvl1.cu", 0, [], []))
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
    if status.value:
        raise RuntimeError(f"tvl1.cu does not compile for {target}: {compiler_log(program)}")
    size, read = (nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN) if exact else (nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX)
    image = bytes(check(size(program)))
    check(read(program, image))
    return image


def compiler_log(program: Any) -> str:
    """The messages of the compiler."""
    from cuda.bindings import nvrtc

    text = bytes(check(nvrtc.nvrtcGetProgramLogSize(program)))
    check(nvrtc.nvrtcGetProgramLog(program, text))
    return text.rstrip(b"\0").decode()
