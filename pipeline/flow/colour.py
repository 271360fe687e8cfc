"""Flow as colours: the Middlebury colour wheel (Baker et al., IJCV 2011), hue for direction, saturation for length."""

import numpy as np

# Red, yellow, green, cyan, blue, magenta, and the number of colours from each to the next (perceptually even).
HUES = np.array([[255, 0, 0], [255, 255, 0], [0, 255, 0], [0, 255, 255], [0, 0, 255], [255, 0, 255]], np.float64)
STEPS = (15, 6, 4, 11, 13, 6)
DARKENING = 0.75  # of motion that exceeds the bound


def colour_wheel() -> np.ndarray:
    """The 55 colours (55, 3), RGB 0..255, from the direction right (red) by way of down."""
    next_hues = np.roll(HUES, -1, axis=0)
    segments = [
        begin + (end - begin) * np.arange(steps)[:, None] / steps
        for begin, end, steps in zip(HUES, next_hues, STEPS, strict=True)
    ]
    return np.floor(np.concatenate(segments))


def flow_to_rgb(flow: np.ndarray, bound: float | None = None) -> np.ndarray:
    """float (..., 2, H, W) in pixels -> uint8 RGB (..., H, W, 3).

    No motion is white. A motion of `bound` pixels (default: the longest one) has the full colour, and a longer one is
    darker.
    """
    x, y = np.moveaxis(np.asarray(flow, np.float64), -3, 0)
    length = np.hypot(x, y)
    length = length / (bound or max(float(length.max(initial=0)), np.finfo(np.float32).tiny))
    colours = colour_wheel()
    position = (np.arctan2(-y, -x) / np.pi + 1) / 2 * (len(colours) - 1)  # on the wheel: right is 0, down a quarter
    lower = np.floor(position).astype(int)
    fraction = (position - lower)[..., None]
    colour = (1 - fraction) * colours[lower] + fraction * colours[(lower + 1) % len(colours)]
    within_bound = 255 - length[..., None] * (255 - colour)
    return np.floor(np.where(length[..., None] <= 1, within_bound, colour * DARKENING)).astype(np.uint8)
