"""The GPU as `cuda.Device`: NVIDIA's driver and run-time compiler through the pip packages of the extra `cuda`."""

import functools
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.common.errors import UserError
from pipeline.flow.tvl1.tile import Tile, largest_tile

SOURCE = Path(__file__).with_name("tvl1.cu")


def unavailable_reason() -> str:
    """Why no GPU can be used here, as the end of a sentence; empty where one can."""
    try:
        from cuda.bindings import driver, nvrtc

        check(driver.cuInit(0))
        check(nvrtc.nvrtcVersion())
        return "" if check(driver.cuDeviceGetCount()) else "there is no GPU"
    except ImportError as error:
        return f"the extra actionbench[cuda] is not installed ({error})"
    except Exception as error:  # a library that is absent comes as an exception of many kinds, some of many lines
        return f"the driver or the run-time compiler does not answer ({str(error).splitlines()[0]})"


def check(answer: tuple[Any, ...]) -> Any:
    """What a call of the driver or the compiler returned beside its status; a bad status raises RuntimeError."""
    status, *values = answer
    if status.value:
        raise RuntimeError(f"CUDA says {status.name}")
    return values[0] if len(values) == 1 else values


def open_device() -> "Gpu":
    """The first GPU that CUDA_VISIBLE_DEVICES leaves, for the calling thread."""
    from cuda.bindings import driver

    check(driver.cuInit(0))
    gpu = check(driver.cuDeviceGet(0))
    check(driver.cuCtxSetCurrent(check(driver.cuDevicePrimaryCtxRetain(gpu))))
    return Gpu(gpu)


class Gpu:
    """Memory and launches on a stream of its own: in order, and every `get` waits for what was asked before it."""

    def __init__(self, gpu: Any) -> None:
        from cuda.bindings import driver

        self.driver, self.gpu = driver, gpu
        self.stream = check(driver.cuStreamCreate(driver.CUstream_flags.CU_STREAM_NON_BLOCKING))
        self.kept: list[Any] = []
        self.name = check(driver.cuDeviceGetName(128, gpu)).split(b"\0")[0].decode()
        self.tile = largest_tile(self.attribute("MAX_SHARED_MEMORY_PER_BLOCK_OPTIN"))
        capability = 10 * self.attribute("COMPUTE_CAPABILITY_MAJOR") + self.attribute("COMPUTE_CAPABILITY_MINOR")
        self.module = load_module(int(gpu), capability, self.tile)

    def attribute(self, name: str) -> int:
        """One of the driver's numbers about the GPU."""
        number = getattr(self.driver.CUdevice_attribute, f"CU_DEVICE_ATTRIBUTE_{name}")
        return int(check(self.driver.cuDeviceGetAttribute(number, self.gpu)))

    def allocate(self, count: int) -> int:
        self.kept.append(check(self.driver.cuMemAlloc(count)))
        return int(self.kept[-1])

    def free(self) -> None:
        check(self.driver.cuStreamSynchronize(self.stream))
        while self.kept:
            check(self.driver.cuMemFree(self.kept.pop()))

    def close(self) -> None:
        self.free()
        check(self.driver.cuStreamDestroy(self.stream))

    def room(self) -> int:
        return int(check(self.driver.cuMemGetInfo())[0])

    def clear(self, address: int, count: int) -> None:
        check(self.driver.cuMemsetD8Async(address, 0, count, self.stream))

    def put(self, address: int, array: np.ndarray) -> None:
        whole = np.ascontiguousarray(array)  # read before the call returns: it is not page-locked
        check(self.driver.cuMemcpyHtoDAsync(address, whole.ctypes.data, whole.nbytes, self.stream))

    def get(self, address: int, array: np.ndarray) -> None:
        check(self.driver.cuMemcpyDtoHAsync(array.ctypes.data, address, array.nbytes, self.stream))
        check(self.driver.cuStreamSynchronize(self.stream))

    def launch(self, name: str, blocks: tuple[int, int], threads: int, shared: int, *arguments: Any) -> None:
        packed = tuple(argument.value for argument in arguments), tuple(type(argument) for argument in arguments)
        function = load_kernel(self.module, name, self.tile.shared)
        check(self.driver.cuLaunchKernel(function, *blocks, 1, threads, 1, 1, shared, self.stream, packed, 0))


@functools.cache
def load_module(_gpu: int, capability: int, tile: Tile) -> Any:
    """The kernels as a module in the current context, once a process."""
    from cuda.bindings import driver

    image = np.frombuffer(compile_kernels(capability, tile), np.uint8)
    return check(driver.cuModuleLoadData(image.ctypes.data))


@functools.cache
def load_kernel(module: Any, name: str, shared: int) -> Any:
    """One kernel of the module; `iterate` may use more shared memory than the 48 KiB that need no asking."""
    from cuda.bindings import driver

    function = check(driver.cuModuleGetFunction(module, name.encode()))
    if name == "iterate":
        most = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        check(driver.cuFuncSetAttribute(function, most, shared))
    return function


def compile_kernels(capability: int, tile: Tile) -> bytes:
    """tvl1.cu as machine code for a compute capability (90 is 9.0), or as PTX for one newer than the compiler."""
    from cuda.bindings import nvrtc

    known = check(nvrtc.nvrtcGetSupportedArchs())
    if capability < min(known):
        raise UserError(
            f"the GPU's compute capability is {capability / 10} but this CUDA starts at {min(known) / 10}:"
            " install an older CUDA's packages or use the backend cpu"
        )
    exact = capability in known
    target = f"sm_{capability}" if exact else f"compute_{max(arch for arch in known if arch <= capability)}"
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
    """The compiler's messages."""
    from cuda.bindings import nvrtc

    text = bytes(check(nvrtc.nvrtcGetProgramLogSize(program)))
    check(nvrtc.nvrtcGetProgramLog(program, text))
    return text.rstrip(b"\0").decode()
