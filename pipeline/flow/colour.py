"""Flow as a picture: Middlebury's colour wheel (Baker et al., IJCV 2011), hue for direction, saturation for length."""

import numpy as np

# From hue to hue in even steps: red, yellow, green, cyan, blue, magenta and back; the eye sees more greens and blues.
HUES = np.array([[255, 0, 0], [255, 255, 0], [0, 255, 0], [0, 255, 255], [0, 0, 255], [255, 0, 255]], np.float64)
STEPS = (15, 6, 4, 11, 13, 6)
DARKER = 0.75  # what lies beyond the bound


def colour_wheel() -> np.ndarray:
    """The 55 colours (55, 3), RGB 0..255; the first, red, points right and they go round by way of down."""
    following = np.roll(HUES, -1, axis=0)
    parts = [
        begin + (end - begin) * np.arange(steps)[:, None] / steps
        for begin, end, steps in zip(HUES, following, STEPS, strict=True)
    ]
    return np.floor(np.concatenate(parts))


def flow_to_rgb(flow: np.ndarray, bound: float | None = None) -> np.ndarray:
    """float (..., 2, H, W) pixels -> uint8 RGB (..., H, W, 3).

    No motion is white; `bound` pixels (default: the longest motion) have the full colour, and longer a darker one.
    """
    x, y = np.moveaxis(np.asarray(flow, np.float64), -3, 0)
    length = np.hypot(x, y)
    length = length / (bound or max(float(length.max(initial=0)), np.finfo(np.float32).tiny))
    colours = colour_wheel()
    turn = (np.arctan2(-y, -x) / np.pi + 1) / 2 * (len(colours) - 1)  # 0..54: right is 0, down a quarter
    below = np.floor(turn).astype(int)
    share = (turn - below)[..., None]
    colour = (1 - share) * colours[below] + share * colours[(below + 1) % len(colours)]
    inside = 255 - length[..., None] * (255 - colour)
    return np.floor(np.where(length[..., None] <= 1, inside, colour * DARKER)).astype(np.uint8)
