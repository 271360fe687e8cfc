"""The scene that the clips of one group share: an actor in front of a background, and a moving camera."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.demo.figures import Actor, Colour

WIDTH, HEIGHT = 160, 120  # of a frame, px
MARGIN = 24  # px of background beyond each side of a frame, in which the camera can move


@dataclass(frozen=True)
class Scene:
    """The scene of a group: an actor, a background (H, W, 3) uint8 larger than a frame, the colours of a door."""

    actor: Actor
    background: np.ndarray
    panel: Colour
    gap: Colour


def random_scene(seed: int, group: int) -> Scene:
    """The scene of a group, the same for every class, so that a background does not reveal the class."""
    rng = np.random.default_rng([seed, 0, group])
    panel, gap = _random_colour(rng, 150, 25), _random_colour(rng, 55, 15)
    return Scene(random_actor(rng), random_background(rng), panel, gap)


def random_actor(rng: np.random.Generator) -> Actor:
    """An actor about 70 px tall, in dark clothes."""
    return Actor(
        leg=rng.uniform(29, 34),
        torso=rng.uniform(20, 25),
        arm=rng.uniform(22, 26),
        head=rng.uniform(5, 6.5),
        limb=rng.uniform(3, 4),
        shirt=_random_colour(rng, 55, 25),
        trousers=_random_colour(rng, 35, 15),
        skin=_random_colour(rng, 75, 8),
    )


def random_background(rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) uint8: a light colour with smooth noise, strong in brightness and weak in colour."""
    size = (WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN)
    grey = sum(weight * _noise(rng, size, px, 1) for px, weight in ((28, 12), (11, 9), (5, 8)))
    tint = 5 * _noise(rng, size, 28, 3)
    return np.clip(np.array(_random_colour(rng, 165, 12)) + grey + tint, 0, 255).astype(np.uint8)


def crop_background(background: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """(HEIGHT, WIDTH, 3) the part of the background that is seen with the camera (x, y) px off its centre."""
    height, width = background.shape[:2]
    middle = ((width - 1) / 2 + float(camera[0]), (height - 1) / 2 + float(camera[1]))
    return cv2.getRectSubPix(background, (WIDTH, HEIGHT), middle)


def _noise(rng: np.random.Generator, size: tuple[int, int], px: int, channels: int) -> np.ndarray:
    """(H, W, channels) smooth noise with a standard deviation of about 1 and blobs of about `px` pixels."""
    coarse = rng.standard_normal((size[1] // px + 2, size[0] // px + 2, channels))
    return cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC).reshape(size[1], size[0], channels)


def _random_colour(rng: np.random.Generator, level: int, spread: int) -> Colour:
    blue, green, red = (int(level + rng.integers(-spread, spread + 1)) for _ in range(3))
    return blue, green, red
