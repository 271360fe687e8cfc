"""What the clips of one group share, an actor before a background, and the camera that looks at them."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.demo.figures import Build, Colour

WIDTH, HEIGHT = 160, 120  # px of a frame
MARGIN = 24  # px that the background reaches beyond a frame on every side, for the camera to move in


@dataclass(frozen=True)
class Scene:
    """One group: an actor, a background (H, W, 3) uint8 larger than a frame, and the colours of a door."""

    build: Build
    background: np.ndarray
    panel: Colour
    gap: Colour


def scene(seed: int, group: int) -> Scene:
    """The scene of a group, the same for every class: a background cannot tell what happens before it."""
    rng = np.random.default_rng([seed, 0, group])
    panel, gap = _colour(rng, 150, 25), _colour(rng, 55, 15)
    return Scene(build(rng), background(rng), panel, gap)


def build(rng: np.random.Generator) -> Build:
    """An actor about 70 px tall, in dark clothes."""
    return Build(
        leg=rng.uniform(29, 34),
        torso=rng.uniform(20, 25),
        arm=rng.uniform(22, 26),
        head=rng.uniform(5, 6.5),
        limb=rng.uniform(3, 4),
        shirt=_colour(rng, 55, 25),
        trousers=_colour(rng, 35, 15),
        skin=_colour(rng, 75, 8),
    )


def background(rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) uint8: a light colour with smooth noise in brightness, and a little in colour."""
    size = (WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN)
    grey = sum(weight * _noise(rng, size, px, 1) for px, weight in ((28, 12), (11, 9), (5, 8)))
    tint = 5 * _noise(rng, size, 28, 3)
    return np.clip(np.array(_colour(rng, 165, 12)) + grey + tint, 0, 255).astype(np.uint8)


def look(background: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """A frame (HEIGHT, WIDTH, 3) of the background, with the camera `camera` (x, y) px off its middle."""
    height, width = background.shape[:2]
    middle = ((width - 1) / 2 + float(camera[0]), (height - 1) / 2 + float(camera[1]))
    return cv2.getRectSubPix(background, (WIDTH, HEIGHT), middle)


def _noise(rng: np.random.Generator, size: tuple[int, int], px: int, channels: int) -> np.ndarray:
    """(H, W, channels) of about unit spread, with blobs of about `px` pixels."""
    coarse = rng.standard_normal((size[1] // px + 2, size[0] // px + 2, channels))
    return cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC).reshape(size[1], size[0], channels)


def _colour(rng: np.random.Generator, level: int, spread: int) -> Colour:
    blue, green, red = (int(level + rng.integers(-spread, spread + 1)) for _ in range(3))
    return blue, green, red
