"""Scenes for the tests of improved trajectories."""

import cv2
import numpy as np


def texture(height, width, seed=0):
    """A grey picture with structure of several sizes everywhere, uint8."""
    noise = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    waves = np.sum([cv2.GaussianBlur(noise, (0, 0), sigma) * sigma for sigma in (1.5, 3, 6)], axis=0)
    return cv2.normalize(waves, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def pan(count, shift, size=(96, 128)):
    """Frames of a camera that passes over a still texture: `shift` (x, y) is how the picture moves, whole pixels."""
    reach = count * max(map(abs, shift))
    scene = texture(size[0] + 2 * reach, size[1] + 2 * reach)
    places = [(reach - t * shift[1], reach - t * shift[0]) for t in range(count)]
    return [scene[y : y + size[0], x : x + size[1]] for y, x in places]


def walker(count, step, size=(96, 128)):
    """Frames of a textured square of 40 pixels that moves `step` pixels to the right over a still texture."""
    frames = []
    for t in range(count):
        frame, left = texture(*size), 10 + t * step
        frame[30:70, left : left + 40] = texture(40, 40, seed=1)
        frames.append(frame)
    return frames
