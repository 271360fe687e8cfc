"""One clip: who does what, where and when, drawn frame by frame."""

from collections.abc import Callable

import numpy as np

from pipeline.demo import CLASSES, PRETRAINING, actions
from pipeline.demo.figures import Colour, Stand, draw_door, draw_figure, draw_flag, hand
from pipeline.demo.scenes import HEIGHT, WIDTH, Scene, look, scene

FLAGS: dict[str, Colour] = {  # grey value 80 each by BT.601, so that flow from grey frames cannot tell them apart
    "WaveRedFlag": (28, 33, 191),
    "WaveGreenFlag": (69, 110, 26),
    "WaveBlueFlag": (190, 78, 41),
    "wave_yellow_flag": (18, 83, 98),
    "wave_purple_flag": (150, 36, 140),
    "wave_teal_flag": (130, 95, 30),
}
DOORS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {  # (frames,) 0 closed to 1 open
    "OpenClose": lambda rng, frames: actions.openness(frames, opens_first=True),
    "CloseOpen": lambda rng, frames: actions.openness(frames, opens_first=False),
    "open_door": lambda rng, frames: actions.once(rng, frames, back=False),
    "close_door": lambda rng, frames: actions.once(rng, frames, back=True),
}
ARM_DOWN, ARM_AHEAD, ARM_UP = 0.1, 1.2, 1.9  # radians from hanging down
FLAT, ARM_FLAT = 1.45, 2.6  # radians: a body on the floor from upright, its arm from hanging down
OTHER_SCENES = 100  # what demo_pretrain adds to a group's number: none of its actors and backgrounds is the demo's

Draw = Callable[[np.ndarray, int, np.ndarray], None]  # draws on a picture, for a frame, with the camera moved (x, y) px


def clip(seed: int, name: str, group: int, number: int) -> np.ndarray:
    """(frames, HEIGHT, WIDTH, 3) uint8 BGR of clip `number` of a class and group; the same arguments, the same clip."""
    rng, setting = start_of(seed, name, group, number)
    frames = actions.duration(rng)
    drift = actions.shake(rng, frames)
    start = rng.uniform(-10, 10, size=2)
    draw = performance(rng, name, setting, frames)
    pictures = [look(setting.background, start + move) for move in drift]
    for t, picture in enumerate(pictures):
        draw(picture, t, drift[t])
    return np.stack(pictures)


def start_of(seed: int, name: str, group: int, number: int) -> tuple[np.random.Generator, Scene]:
    """A clip's own random stream and the scene of its group, which no other data set has."""
    if name in CLASSES:
        return np.random.default_rng([seed, 1, CLASSES.index(name), group, number]), scene(seed, group)
    rng = np.random.default_rng([seed, 2, PRETRAINING.index(name), group, number])
    return rng, scene(seed, OTHER_SCENES + group)


def performance(rng: np.random.Generator, name: str, setting: Scene, frames: int) -> Draw:
    """What the actor of a class does, as a function that draws one frame of it."""
    if name in FLAGS:
        return waving(rng, setting, frames, FLAGS[name])
    if name in DOORS:
        return beside_door(rng, setting, DOORS[name](rng, frames))
    return (moving if name in CLASSES else falling)(rng, setting, frames, name)


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


def falling(rng: np.random.Generator, setting: Scene, frames: int, name: str) -> Draw:
    """Moves the whole body leaning over at a held angle, or lies down or gets up on one spot."""
    stand = place(rng, (8, 5), low=3)
    path, down = actions.trajectory(rng, frames, name), actions.lying(rng, frames, name)
    slide = np.outer(down, (-32 * stand.facing * stand.scale, 0))  # the middle of the body stays where it is

    def draw(picture: np.ndarray, t: int, camera: np.ndarray) -> None:
        here = Stand(stand.feet + path[t] + slide[t] - camera, stand.scale, stand.facing, FLAT * down[t])
        bend = 0.35 * np.sin(np.pi * down[t])
        draw_figure(picture, setting.build, here, bend, (ARM_DOWN + bend, ARM_FLAT * down[t]))

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
