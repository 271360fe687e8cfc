"""One clip: who does what, where and when, drawn frame by frame."""

from collections.abc import Callable

import numpy as np

from pipeline.demo import CLASSES, GROUPS, actions
from pipeline.demo.figures import Colour, Stand, draw_door, draw_figure, draw_flag, hand
from pipeline.demo.scenes import HEIGHT, WIDTH, Scene, look, scene

FLAGS: dict[str, Colour] = {  # grey value 80 each by BT.601, so that flow from grey frames cannot tell them apart
    "WaveRedFlag": (28, 33, 191),
    "WaveGreenFlag": (69, 110, 26),
    "WaveBlueFlag": (190, 78, 41),
}
ARM_DOWN, ARM_AHEAD, ARM_UP = 0.1, 1.2, 1.9  # radians from hanging down

Draw = Callable[[np.ndarray, int, np.ndarray], None]  # draws on a picture, for a frame, with the camera moved (x, y) px


def clip(seed: int, name: str, group: int, number: int) -> np.ndarray:
    """(frames, HEIGHT, WIDTH, 3) uint8 BGR of clip `number` of a class and group; the same arguments, the same clip."""
    rng = np.random.default_rng([seed, 1, CLASSES.index(name), group, number])
    setting = scene(seed, group)
    frames = actions.duration(rng)
    drift = actions.shake(rng, frames)
    start = rng.uniform(-10, 10, size=2)
    draw = performance(rng, name, setting, frames)
    pictures = [look(setting.background, start + move) for move in drift]
    for t, picture in enumerate(pictures):
        draw(picture, t, drift[t])
    return np.stack(pictures)


def performance(rng: np.random.Generator, name: str, setting: Scene, frames: int) -> Draw:
    """What the actor of a class does, as a function that draws one frame of it."""
    if name in GROUPS["appearance"]:
        return waving(rng, setting, frames, FLAGS[name])
    if name in GROUPS["motion"]:
        return moving(rng, setting, frames, name)
    return beside_door(rng, setting, actions.openness(frames, opens_first=name == "OpenClose"))


def waving(rng: np.random.Generator, setting: Scene, frames: int, colour: Colour) -> Draw:
    """Swings a flag overhead."""
    stand = place(rng, (14, 4), low=18)
    turn = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(frames) / rng.uniform(12, 18)
    swing = rng.uniform(0.2, 0.35) * np.sin(turn)

    def draw(picture: np.ndarray, t: int, camera: np.ndarray) -> None:
        here = Stand(stand.feet - camera, stand.scale, stand.facing)
        draw_figure(picture, setting.build, here, 0, (ARM_DOWN, ARM_UP + swing[t]))
        grip = hand(setting.build, 0, ARM_UP + swing[t])
        draw_flag(picture, here, grip, 0.2 - 1.2 * swing[t], 2 * turn[t], colour)

    return draw


def moving(rng: np.random.Generator, setting: Scene, frames: int, name: str) -> Draw:
    """Moves the whole body in a held pose, or sits down or stands up on one spot."""
    stand = place(rng, (18, 9))
    path, crouch = actions.displacement(rng, frames, name), actions.crouch(rng, frames, name)

    def draw(picture: np.ndarray, t: int, camera: np.ndarray) -> None:
        here = Stand(stand.feet + path[t] - camera, stand.scale, stand.facing)
        reach = ARM_DOWN + (ARM_AHEAD - ARM_DOWN) * crouch[t]
        draw_figure(picture, setting.build, here, crouch[t], (reach + 0.25, reach))

    return draw


def beside_door(rng: np.random.Generator, setting: Scene, opened: np.ndarray) -> Draw:
    """Stands by while a door moves; opened (frames,), 0 closed to 1 open."""
    stand = place(rng, (10, 6))
    size = (rng.uniform(27, 33), rng.uniform(62, 70))
    hinge = stand.feet + np.array([stand.facing * stand.scale * rng.uniform(-1, 3), -2])
    feet = stand.feet - np.array([stand.facing * stand.scale * rng.uniform(21, 25), 0])

    def draw(picture: np.ndarray, t: int, camera: np.ndarray) -> None:
        here = Stand(hinge - camera, stand.scale, stand.facing)
        draw_door(picture, here, size, opened[t], setting.panel, setting.gap)
        draw_figure(picture, setting.build, Stand(feet - camera, stand.scale, stand.facing), 0, (ARM_DOWN, 0.6))

    return draw


def place(rng: np.random.Generator, spread: tuple[float, float], low: float = 0) -> Stand:
    """Somewhere about the middle of the picture, up to `spread` (x, y) px off, facing either way."""
    middle = np.array([WIDTH / 2, HEIGHT / 2 + 32 + low])
    return Stand(middle + rng.uniform(-1, 1, size=2) * spread, rng.uniform(0.85, 1.05), int(rng.choice([-1, 1])))
