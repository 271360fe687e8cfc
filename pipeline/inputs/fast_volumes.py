"""Training clips written picture by picture into given buffers, such as shared memory.

The buffers then hold what `clip_volumes.read_volumes` and `crop_volumes` make of the same clip, bit for bit.
"""

import math
import threading
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import simplejpeg
import torch

from pipeline.common.errors import UserError
from pipeline.config.recipe import Recipe
from pipeline.formats.modalities import FRAMES, INPUTS
from pipeline.formats.shards import ShardReader
from pipeline.inputs import clip_sampling, clip_volumes
from pipeline.inputs.clip_volumes import Sample, Size
from pipeline.inputs.crops import Box
from pipeline.inputs.readers import Readers

Buffers = Sequence[tuple[np.ndarray, np.ndarray]]  # (volume, offset) of every input, to be written
EXACT_INTEGER = 2**24  # float32 holds every integer up to here, so that the order of their sum does not matter
ALIGNMENT = 32  # bytes; OpenCV's `split` takes fifteen times as long for rows that begin elsewhere

_scratch = threading.local()  # the picture that was decoded last, which the next one overwrites


def buffer_shapes(recipe: Recipe) -> list[tuple[tuple[int, ...], type, tuple[int, ...]]]:
    """(shape of the volume, its type, shape of the offset) of every input."""
    times = () if recipe.frames is None else (recipe.frames,)
    shapes: list[tuple[tuple[int, ...], type, tuple[int, ...]]] = []
    for name, channels in clip_sampling.channels(recipe).items():
        dtype = np.float32 if _is_computed(recipe, name) and not INPUTS[name].is_difference else np.uint8
        shapes.append(((channels, *times, recipe.crop, recipe.crop), dtype, (channels, *times)))
    return shapes


def allocate(recipe: Recipe) -> Buffers:
    """Buffers for one sample."""
    return [(np.empty(shape, dtype), np.empty(offset, np.float32)) for shape, dtype, offset in buffer_shapes(recipe)]


def as_tensors(buffers: Buffers) -> Sample:
    """Tensors that share the memory of the buffers."""
    return tuple((torch.from_numpy(data), torch.from_numpy(offset)) for data, offset in buffers)


def write_clip(
    buffers: Buffers,
    readers: Readers,
    recipe: Recipe,
    video: str,
    times: Sequence[int],
    choose_box: Callable[[Size], Box],
) -> None:
    """Write one clip; `choose_box` gives the crop for the pictures' size.

    Each picture is cropped as soon as it is decoded, while it is in the processor's cache. Inputs that are computed
    from several pictures are read whole.
    """
    if any(_is_computed(recipe, name) for name in recipe.stack):
        _write_computed(buffers, readers, recipe, video, times, choose_box)
        return
    streams = [_Stream(readers[INPUTS[name].modality], recipe, video, times, name) for name in recipe.stack]
    box = choose_box(clip_volumes.common_size({stream.name: stream.size for stream in streams}))
    for stream, (data, offset) in zip(streams, buffers, strict=True):
        means = stream.write(data.reshape(len(data), -1, *box.size), box)
        stream.write_offset(offset.reshape(len(offset), -1), means, box.flip)


def add_rgb_jitter(buffers: Buffers, names: Sequence[str], strength: float, generator: np.random.Generator) -> None:
    """Add to each channel of RGB a normal draw of `strength` standard deviations, the same in every picture."""
    if strength == 0:
        return
    draw = generator.normal(0, strength, 3).astype(np.float32)
    for name, (_, offset) in zip(names, buffers, strict=True):
        if name == FRAMES:
            by_channel = offset.reshape(len(offset) // 3, 3, -1)
            by_channel += draw[:, np.newaxis]


def _is_computed(recipe: Recipe, name: str) -> bool:
    """Whether an input is computed from several pictures: differences, and flow stacks that are not simple."""
    return INPUTS[name].is_difference or (INPUTS[name].kind.signed and recipe.flow_stack != "simple")


class _Stream:
    """The pictures of one input of a clip, decoded one after another."""

    def __init__(self, reader: ShardReader, recipe: Recipe, video: str, times: Sequence[int], name: str) -> None:
        self.name, self.video, self.kind, self.stack = name, video, INPUTS[name].kind, recipe.stack[name]
        indices = clip_sampling.picture_indices(times, self.stack, reader.count(video), recipe.padding)
        self.positions: dict[int, list[int]] = {index: [] for index in sorted(set(indices))}  # picture -> in the stacks
        for position, index in enumerate(indices):
            self.positions[index].append(position)
        self.jpegs, self.count = reader.buffers(video, list(self.positions)), len(indices)
        height, width, *_ = simplejpeg.decode_jpeg_header(self.jpegs[0])
        self.shape = (height, width, 1 if self.kind.planes else 3)
        self.size: Size = (height // (len(self.kind.planes) or 1), width)
        self.bound = reader.settings["bound"] if recipe.mean_subtraction and self.kind.signed else None

    def write(self, data: np.ndarray, box: Box) -> np.ndarray:
        """Fill data (LC, T, h, w); returns the mean levels (TL, C), zeros where they are not subtracted."""
        channels = self.kind.channels
        means = np.zeros((self.count, channels), np.float32)
        scratch = _aligned_scratch("picture", self.shape)
        for (index, positions), jpeg in zip(self.positions.items(), self.jpegs, strict=True):
            picture = self._decode(jpeg, index, scratch)
            if self.bound is not None:
                means[positions] = _mean_levels(picture)
            for position in positions:
                time, layer = divmod(position, self.stack)
                planes = list(data[layer * channels : (layer + 1) * channels, time])
                if self.kind.planes:
                    _crop_planes(picture, planes, box, self.kind.mirrored)
                else:
                    _crop_rgb(picture, planes, box)
        return means

    def write_offset(self, offset: np.ndarray, means: np.ndarray, flip: bool) -> None:
        """Fill offset (LC, T)."""
        offset[:] = 0
        if self.bound is not None:
            offset[:] = -clip_volumes.levels_to_pixels(means, self.bound).reshape(-1, len(offset)).T
        if flip:
            for channel in self.kind.mirrored:
                offset[channel :: self.kind.channels] *= -1

    def _decode(self, jpeg: memoryview, index: int, scratch: np.ndarray) -> np.ndarray:
        """One picture in the scratch memory: (H, W, 3), or the planes (P, H, W)."""
        try:
            picture = simplejpeg.decode_jpeg(jpeg, colorspace=self.kind.colorspace, buffer=scratch)
        except ValueError:  # a torn picture, or one that is larger than the scratch memory
            self._refuse_other_size(simplejpeg.decode_jpeg_header(jpeg)[:2], index)
            raise
        if picture.shape != self.shape:
            self._refuse_other_size(picture.shape[:2], index)
        return picture.reshape(len(self.kind.planes), *self.size) if self.kind.planes else picture

    def _refuse_other_size(self, size: Sequence[int], index: int) -> None:
        this, first = ("x".join(map(str, one)) for one in (size, self.shape[:2]))
        if this != first:
            raise UserError(f"{self.video}: {self.name} {index} is {this}, others {first}: pack it again")


def _write_computed(
    buffers: Buffers,
    readers: Readers,
    recipe: Recipe,
    video: str,
    times: Sequence[int],
    choose_box: Callable[[Size], Box],
) -> None:
    volumes = clip_volumes.read_volumes(readers, recipe, video, times)
    box = choose_box(clip_volumes.picture_size(volumes))
    sample = clip_volumes.crop_volumes(volumes, box, recipe.frames is not None)
    for (to_data, to_offset), (data, offset) in zip(buffers, sample, strict=True):
        to_data[...], to_offset[...] = data.numpy(), offset.numpy()


def _mean_levels(planes: np.ndarray) -> Sequence[float] | np.ndarray:
    """The mean levels (P,) of uint8 (P, H, W), as numpy's float32 sums give them."""
    sums = [cv2.sumElems(plane)[0] for plane in planes]
    exact = max(sums) <= EXACT_INTEGER
    return [total / planes[0].size for total in sums] if exact else planes.mean((1, 2), dtype=np.float32)


def _crop_rgb(picture: np.ndarray, planes: list[np.ndarray], box: Box) -> None:
    """Crop (H, W, 3) into three planes (h, w)."""
    part = picture[box.top : box.top + box.height, box.left : box.left + box.width]
    if part.shape[:2] != box.size:
        part = _resize(part, box)
    if not box.flip and box.size[1] % ALIGNMENT == 0 and planes[0].ctypes.data % ALIGNMENT == 0:
        cv2.split(part, planes)
        return
    aligned_width = -(-box.size[1] // ALIGNMENT) * ALIGNMENT
    channels = list(_aligned_scratch("planes", (3, box.size[0], aligned_width))[..., : box.size[1]])
    cv2.split(part, channels)
    for plane, channel in zip(planes, channels, strict=True):
        _copy(channel, plane, box.flip)


def _crop_planes(picture: np.ndarray, planes: list[np.ndarray], box: Box, mirrored: Sequence[int]) -> None:
    """Crop (P, H, W) into P planes (h, w); when mirrored, the channels `mirrored` change their sign."""
    parts = picture[:, box.top : box.top + box.height, box.left : box.left + box.width]
    for part, plane in zip(parts, planes, strict=True):
        _copy(part if part.shape == box.size else _resize(part, box), plane, box.flip)
    if box.flip:
        for channel in mirrored:
            cv2.bitwise_not(planes[channel], planes[channel])  # LEVELS - x


def _copy(part: np.ndarray, plane: np.ndarray, flip: bool) -> None:
    if flip:
        cv2.flip(part, 1, plane)
    else:
        plane[...] = part


def _resize(part: np.ndarray, box: Box) -> np.ndarray:
    return cv2.resize(part, box.size[::-1], interpolation=clip_volumes.interpolation(box.height, box.size[0]))


def _aligned_scratch(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """uint8 scratch memory of `shape`, kept by this thread under `name`; its first byte is aligned."""
    size, memory = math.prod(shape), getattr(_scratch, name, None)
    if memory is None or len(memory) < size:
        whole = np.empty(size + ALIGNMENT, np.uint8)
        memory = whole[-whole.ctypes.data % ALIGNMENT :][:size]
        setattr(_scratch, name, memory)
    return memory[:size].reshape(shape)
