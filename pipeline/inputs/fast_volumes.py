"""Training samples, written picture by picture straight into the memory that they travel in.

What comes out is what `inputs.read` and `inputs.cut` make of the same clip, bit for bit.
"""

import math
import threading
from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
import simplejpeg
import torch

from pipeline.common.errors import UserError
from pipeline.config.recipe import Recipe
from pipeline.formats.shards import ShardReader
from pipeline.inputs import clip_sampling, clip_volumes
from pipeline.inputs.clip_volumes import Sample, Size
from pipeline.inputs.crops import Box
from pipeline.inputs.readers import Readers

Room = Sequence[tuple[np.ndarray, np.ndarray]]  # (volume, shift) of every input, to be written
EXACT = 2**24  # integers up to here are numbers of 32 bits, so that sums of theirs do not depend on the order

ALIGNED = 32  # bytes: rows that begin elsewhere cost OpenCV's `split` fifteen times as much

_scratch = threading.local()  # the picture that was decoded last, which the next one overwrites


def shapes(recipe: Recipe) -> list[tuple[tuple[int, ...], type, tuple[int, ...]]]:
    """(shape of the volume, its type, shape of the shift) of every input."""
    times = () if recipe.frames is None else (recipe.frames,)
    square, followed = (recipe.crop,) * 2, recipe.flow_stack != "simple"
    kinds = {"flow": np.float32 if followed else np.uint8}
    counted = clip_sampling.channels(recipe).items()
    return [((count, *times, *square), kinds.get(name, np.uint8), (count, *times)) for name, count in counted]


def room_for(recipe: Recipe) -> Room:
    """Memory for one sample."""
    return [(np.empty(shape, kind), np.empty(shift, np.float32)) for shape, kind, shift in shapes(recipe)]


def tensors(room: Room) -> Sample:
    """The same memory."""
    return tuple((torch.from_numpy(data), torch.from_numpy(shift)) for data, shift in room)


def write(
    room: Room,
    readers: Readers,
    recipe: Recipe,
    video: str,
    times: Sequence[int],
    draw: Callable[[Size], Box],
) -> None:
    """One clip, cut by the box that `draw` makes of its pictures' size.

    Each picture is cut as soon as it is decoded, while the processor's cache holds it. Inputs that are computed from
    several pictures at once are read whole.
    """
    if "difference" in recipe.stack or recipe.flow_stack != "simple":
        _write_whole(room, readers, recipe, video, times, draw)
        return
    streams = [_Stream(readers[name], recipe, video, times) for name in recipe.stack]
    box = draw(clip_volumes.same_size({stream.name: stream.size for stream in streams}))
    for stream, (data, shift) in zip(streams, room, strict=True):
        means = stream.write(data.reshape(len(data), -1, *box.size), box)
        stream.shift(shift.reshape(len(shift), -1), means, box.flip)


def jitter(room: Room, names: Sequence[str], strength: float, generator: np.random.Generator) -> None:
    """Shift each channel of RGB by its own normal draw, of `strength` deviations, the same in every picture."""
    if strength == 0:
        return
    draw = generator.normal(0, strength, 3).astype(np.float32)
    for name, (_, shift) in zip(names, room, strict=True):
        if name == "rgb":
            by_channel = shift.reshape(len(shift) // 3, 3, -1)
            by_channel += draw[:, np.newaxis]


class _Stream:
    """The pictures that a clip has of one input, RGB or flow, decoded one after another."""

    def __init__(self, reader: ShardReader, recipe: Recipe, video: str, times: Sequence[int]) -> None:
        self.name, self.video, self.stack = reader.modality, video, recipe.stack[reader.modality]
        wanted = clip_sampling.pictures(times, self.stack, reader.count(video), recipe.padding)
        self.places: dict[int, list[int]] = {number: [] for number in sorted(set(wanted))}
        for place, number in enumerate(wanted):
            self.places[number].append(place)
        self.jpegs, self.count = reader.buffers(video, list(self.places)), len(wanted)
        height, width, *_ = simplejpeg.decode_jpeg_header(self.jpegs[0])
        self.rgb = self.name == "rgb"
        self.colours = "RGB" if self.rgb else "GRAY"
        self.shape = (height, width, 3) if self.rgb else (height, width, 1)  # flow's x stands above its y
        self.size: Size = (height, width) if self.rgb else (height // 2, width)
        self.bound = reader.settings["bound"] if recipe.mean_subtraction and not self.rgb else None

    def write(self, data: np.ndarray, box: Box) -> np.ndarray:
        """Fill data (LC, T, h, w); the fields' mean levels (TL, 2), where these are subtracted."""
        means, channels = np.zeros((self.count, 2), np.float32), len(data) // self.stack
        scratch, cut = _aligned("picture", self.shape), _cut_rgb if self.rgb else _cut_field
        for (number, places), jpeg in zip(self.places.items(), self.jpegs, strict=True):
            picture = self._decoded(jpeg, number, scratch)
            if self.bound is not None:
                means[places] = _means(picture)
            for place in places:
                time, layer = divmod(place, self.stack)
                planes = list(data[layer * channels : (layer + 1) * channels, time])
                cut(picture, planes, box)
        return means

    def shift(self, shift: np.ndarray, means: np.ndarray, flip: bool) -> None:
        """Fill shift (LC, T)."""
        shift[:] = 0
        if self.bound is not None:
            shift[:] = -clip_volumes.pixels(means, self.bound).reshape(-1, len(shift)).T
        if flip and not self.rgb:
            shift[0::2] *= -1

    def _decoded(self, jpeg: memoryview, number: int, scratch: np.ndarray) -> np.ndarray:
        """One picture in the scratch: (H, W, 3), or x and y of flow (2, H, W)."""
        try:
            picture = simplejpeg.decode_jpeg(jpeg, colorspace=self.colours, buffer=scratch)
        except ValueError:  # what is torn, or too large for the scratch
            self._refuse_other(simplejpeg.decode_jpeg_header(jpeg)[:2], number)
            raise
        if picture.shape != self.shape:
            self._refuse_other(picture.shape[:2], number)
        return picture if self.rgb else picture.reshape(2, *self.size)

    def _refuse_other(self, size: Sequence[int], number: int) -> None:
        mine, first = ("x".join(map(str, one)) for one in (size, self.shape[:2]))
        if mine != first:
            raise UserError(f"{self.video}: {self.name} {number} is {mine}, others {first}: pack it again")


def _write_whole(
    room: Room,
    readers: Readers,
    recipe: Recipe,
    video: str,
    times: Sequence[int],
    draw: Callable[[Size], Box],
) -> None:
    volumes: Mapping[str, clip_volumes.Volume] = clip_volumes.read(readers, recipe, video, times)
    sample = clip_volumes.cut(volumes, draw(clip_volumes.size_of(volumes)), recipe.frames is not None)
    for (to_data, to_shift), (data, shift) in zip(room, sample, strict=True):
        to_data[...], to_shift[...] = data.numpy(), shift.numpy()


def _means(field: np.ndarray) -> Sequence[float] | np.ndarray:
    """The mean levels (2,) that numpy's sums of 32 bits make of uint8 (2, H, W)."""
    sums = [cv2.sumElems(plane)[0] for plane in field]
    exact = max(sums) <= EXACT
    return [total / field[0].size for total in sums] if exact else field.mean((1, 2), dtype=np.float32)


def _cut_rgb(picture: np.ndarray, planes: list[np.ndarray], box: Box) -> None:
    """Part of (H, W, 3) into three planes (h, w)."""
    part = picture[box.top : box.top + box.height, box.left : box.left + box.width]
    if part.shape[:2] != box.size:
        part = _resized(part, box)
    if not box.flip and box.size[1] % ALIGNED == 0 and planes[0].ctypes.data % ALIGNED == 0:
        cv2.split(part, planes)
        return
    wide = -(-box.size[1] // ALIGNED) * ALIGNED
    apart = list(_aligned("planes", (3, box.size[0], wide))[..., : box.size[1]])
    cv2.split(part, apart)
    for plane, one in zip(planes, apart, strict=True):
        _place(one, plane, box.flip)


def _cut_field(picture: np.ndarray, planes: list[np.ndarray], box: Box) -> None:
    """Part of (2, H, W) into two planes; mirrored, its x points the other way."""
    parts = picture[:, box.top : box.top + box.height, box.left : box.left + box.width]
    for part, plane in zip(parts, planes, strict=True):
        _place(part if part.shape == box.size else _resized(part, box), plane, box.flip)
    if box.flip:
        cv2.bitwise_not(planes[0], planes[0])  # LEVELS - x


def _place(part: np.ndarray, plane: np.ndarray, flip: bool) -> None:
    if flip:
        cv2.flip(part, 1, plane)
    else:
        plane[...] = part


def _resized(part: np.ndarray, box: Box) -> np.ndarray:
    return cv2.resize(part, box.size[::-1], interpolation=clip_volumes.interpolation(box.height, box.size[0]))


def _aligned(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """This thread's scratch memory of a name, of which a part has the shape asked for; uint8."""
    size, memory = math.prod(shape), getattr(_scratch, name, None)
    if memory is None or len(memory) < size:
        whole = np.empty(size + ALIGNED, np.uint8)
        memory = whole[-whole.ctypes.data % ALIGNED :][:size]
        setattr(_scratch, name, memory)
    return memory[:size].reshape(shape)
