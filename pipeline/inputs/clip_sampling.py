"""Which pictures a clip is made of: T times, and at each time a stack of L pictures of every input.

Times are counted in frames. The picture of an input at time t is frame t of RGB, the flow from frame t to t + 1, or
the difference of frames t and t + d_t (FstCN). The recipe's keys for this are `stack` (L of every input), `frames` (T;
null for a network without a time axis), `stride`, `uniform`, `padding` and `flow_stack`; see experiments/README.md.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.config.recipe import Recipe
from pipeline.formats.modalities import INPUTS, MODALITIES

MAX_TIMES = 256  # of one clip of a whole video; a longer video is cut into clips of equal length


def modalities(recipe: Recipe) -> list[str]:
    """The modalities whose shards the recipe's inputs are read from."""
    names = {INPUTS[name].modality for name in recipe.stack}
    if recipe.flow_stack.startswith("bidirectional"):
        names |= {MODALITIES[name].reverse for name in names}
    return [name for name in MODALITIES if name in names]


def channels(recipe: Recipe) -> dict[str, int]:
    """The channels of every input at one time: those of a picture, times L."""
    return {name: INPUTS[name].kind.channels * length for name, length in recipe.stack.items()}


def extent(recipe: Recipe) -> int:
    """Frames that one time takes: L flow fields lie between L + 1 frames."""
    return max(length + INPUTS[name].span(recipe.difference_distance) for name, length in recipe.stack.items())


def limited_stride(recipe: Recipe, frames: int, times: int, stride: int) -> int:
    """`stride`; if the recipe has a range of strides, less in a video that is too short for it."""
    if isinstance(recipe.stride, int) or times < 2:
        return stride
    return max(1, min(stride, (frames - extent(recipe)) // (times - 1)))


def uniform_times(recipe: Recipe, frames: int, times: int) -> list[int]:
    """`times` times with equal spacing, from the beginning of the video to its end."""
    return _equally_spaced(max(frames - extent(recipe), 0), times)


def random_clip(recipe: Recipe, frames: int, generator: np.random.Generator) -> list[int]:
    """The times of a training clip of a video of `frames` frames.

    A random start and stride, or with `uniform` a random time in each of T equal parts of the video.
    """
    times, last = recipe.frames or 1, max(frames - extent(recipe), 0)
    if recipe.uniform:
        return [
            int(generator.integers(number * last // times, (number + 1) * last // times + 1)) for number in range(times)
        ]
    low, high = stride_range(recipe)
    stride = limited_stride(recipe, frames, times, int(generator.integers(low, high + 1)))
    start = int(generator.integers(max(last - (times - 1) * stride, 0) + 1))
    return [start + number * stride for number in range(times)]


def uniform_clips(recipe: Recipe, frames: int, clips: int) -> list[list[int]]:
    """The times of `clips` test clips with equal spacing; of a range of strides the middle one is taken."""
    times = recipe.frames or 1
    if recipe.uniform and times > 1:
        return [uniform_times(recipe, frames, times)] * clips
    stride = limited_stride(recipe, frames, times, sum(stride_range(recipe)) // 2)
    last = max(frames - extent(recipe) - (times - 1) * stride, 0)
    return [[start + number * stride for number in range(times)] for start in _equally_spaced(last, clips)]


def whole_video_clips(recipe: Recipe, frames: int) -> list[list[int]]:
    """The times of a whole video at the recipe's stride, in as few clips of equal length as MAX_TIMES allows."""
    stride, least = stride_range(recipe)[0], recipe.frames or 1
    count = max((frames - extent(recipe)) // stride + 1, least)
    clips = -(-count // max(MAX_TIMES, least))
    length = max(-(-count // clips), least)
    starts = [clip * (count - length) // max(clips - 1, 1) for clip in range(clips)]
    return [[(start + number) * stride for number in range(length)] for start in starts]


def stride_range(recipe: Recipe) -> tuple[int, int]:
    """The smallest and the largest stride."""
    stride = recipe.stride
    return (stride, stride) if isinstance(stride, int) else (stride[0], stride[1])


def picture_indices(times: Sequence[int], length: int, count: int, padding: str) -> list[int]:
    """The indices of the stacks of `length` pictures at `times`, one stack after another, of a video of `count`."""
    return [pad_index(time + number, count, padding) for time in times for number in range(length)]


def pad_index(index: int, count: int, padding: str) -> int:
    """The index in 0..count-1 that stands for `index`: `hold` repeats the last one, `loop` and `reflect` go on."""
    if 0 <= index < count:
        return index
    if padding == "loop":
        return index % count
    if padding == "reflect" and count > 1:
        position = index % (2 * count - 2)
        return min(position, 2 * count - 2 - position)
    return min(max(index, 0), count - 1)


def _equally_spaced(last: int, count: int) -> list[int]:
    """`count` starts from 0 to `last`; a single one is in the middle."""
    return [last // 2] if count == 1 else [round(number * last / (count - 1)) for number in range(count)]
