"""Which pictures a clip is made of: T times, and at each time a stack of L pictures of every input.

Times are counted in frames. An input's picture at time t is frame t of RGB, the flow from frame t to t + 1, or how
frame t differs from the frame d_t later (FstCN). A recipe says all of it: `stack` (L of every input), `frames` (T; null
for a network that takes one time and no time axis), `stride` (frames between times), `spread` (times spread over the
whole video instead), `past_end` (what follows a video's last picture) and `flow_stack` (2014, section 3.1).
"""

from collections.abc import Sequence

import numpy as np

from pipeline.config.recipe import Recipe

CHANNELS = {"rgb": 3, "flow": 2, "difference": 3}
WHOLE = 256  # times that a clip of a whole video has at most; a longer video is cut into clips of equal length


def modalities(recipe: Recipe) -> list[str]:
    """The shards that a recipe's inputs are read from."""
    stack = recipe.stack
    found = ["rgb"] if {"rgb", "difference"} & set(stack) else []
    if "flow" in stack:
        found += ["flow", "backward"] if recipe.flow_stack.startswith("bidirectional") else ["flow"]
    return found


def channels(recipe: Recipe) -> dict[str, int]:
    """Channels of every input at one time."""
    return {name: CHANNELS[name] * length for name, length in recipe.stack.items()}


def extent(recipe: Recipe) -> int:
    """Frames that one time takes: L fields of flow lie between L + 1 frames."""
    more = {"rgb": 0, "flow": 1, "difference": recipe.difference_distance}
    return max(length + more[name] for name, length in recipe.stack.items())


def stride_within(recipe: Recipe, frames: int, times: int, wanted: int) -> int:
    """`wanted` frames between times; where the recipe gives a range, fewer in a video that is too short for them."""
    if isinstance(recipe.stride, int) or times < 2:
        return wanted
    return max(1, min(wanted, (frames - extent(recipe)) // (times - 1)))


def spread(recipe: Recipe, frames: int, times: int) -> list[int]:
    """`times` times with equal spacing from the video's begin to its end."""
    last = max(frames - extent(recipe), 0)
    return [last // 2] if times == 1 else [round(number * last / (times - 1)) for number in range(times)]


def drawn(recipe: Recipe, frames: int, generator: np.random.Generator) -> list[int]:
    """The times of a training clip: a random start and stride, or a random place in each equal part of the video."""
    times, last = recipe.frames or 1, max(frames - extent(recipe), 0)
    if recipe.uniform:
        return [
            int(generator.integers(number * last // times, (number + 1) * last // times + 1)) for number in range(times)
        ]
    low, high = bounds(recipe)
    stride = stride_within(recipe, frames, times, int(generator.integers(low, high + 1)))
    start = int(generator.integers(max(last - (times - 1) * stride, 0) + 1))
    return [start + number * stride for number in range(times)]


def tested(recipe: Recipe, frames: int, clips: int) -> list[list[int]]:
    """The times of `clips` clips with equal spacing; a stride that is drawn in training is the middle one here."""
    times = recipe.frames or 1
    if recipe.uniform and times > 1:
        return [spread(recipe, frames, times)] * clips
    stride = stride_within(recipe, frames, times, sum(bounds(recipe)) // 2)
    last = max(frames - extent(recipe) - (times - 1) * stride, 0)
    starts = [last // 2] if clips == 1 else [round(number * last / (clips - 1)) for number in range(clips)]
    return [[start + number * stride for number in range(times)] for start in starts]


def whole(recipe: Recipe, frames: int) -> list[list[int]]:
    """The times of a whole video at the recipe's stride, in as few clips of equal length as WHOLE allows."""
    stride, least = bounds(recipe)[0], recipe.frames or 1
    count = max((frames - extent(recipe)) // stride + 1, least)
    parts = -(-count // max(WHOLE, least))
    length = max(-(-count // parts), least)
    starts = [part * (count - length) // max(parts - 1, 1) for part in range(parts)]
    return [[(start + number) * stride for number in range(length)] for start in starts]


def bounds(recipe: Recipe) -> tuple[int, int]:
    """The least and the largest stride."""
    stride = recipe.stride
    return (stride, stride) if isinstance(stride, int) else (stride[0], stride[1])


def pictures(times: Sequence[int], length: int, count: int, past_end: str) -> list[int]:
    """The stacks of `length` pictures at `times`, of a video that has `count`, one after another."""
    return [within(time + number, count, past_end) for time in times for number in range(length)]


def within(number: int, count: int, past_end: str) -> int:
    """Picture `number` of a video that goes on beyond its end: `hold`s the last, `loop`s, or `reflect`s back."""
    if 0 <= number < count:
        return number
    if past_end == "loop":
        return number % count
    if past_end == "reflect" and count > 1:
        place = number % (2 * count - 2)
        return min(place, 2 * count - 2 - place)
    return min(max(number, 0), count - 1)
