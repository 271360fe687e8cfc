"""Draw one clip, frame by frame: an actor of a class in the scene of a group."""

from collections.abc import Callable

import numpy as np

from pipeline.demo import CLASSES, PRETRAIN_CLASSES, actions
from pipeline.demo.figures import Colour, Pose, draw_actor, draw_door, draw_flag, hand_position
from pipeline.demo.scenes import HEIGHT, WIDTH, Scene, crop_background, random_scene

FLAGS: dict[str, Colour] = {  # each has the grey value 80 by BT.601, so that flow of grey frames is the same for all
    "WaveRedFlag": (28, 33, 191),
    "WaveGreenFlag": (69, 110, 26),
    "WaveBlueFlag": (190, 78, 41),
    "wave_yellow_flag": (18, 83, 98),
    "wave_purple_flag": (150, 36, 140),
    "wave_teal_flag": (130, 95, 30),
}
DOORS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {  # (frames,) 0 closed to 1 open
    "OpenClose": lambda rng, frames: actions.door_opening(frames, opens_first=True),
    "CloseOpen": lambda rng, frames: actions.door_opening(frames, opens_first=False),
    "open_door": lambda rng, frames: actions.slow_transition(rng, frames, reverse=False),
    "close_door": lambda rng, frames: actions.slow_transition(rng, frames, reverse=True),
}
ARM_DOWN, ARM_AHEAD, ARM_UP = 0.1, 1.2, 1.9  # radians from hanging down
BODY_FLAT, ARM_FLAT = 1.45, 2.6  # radians: of a body on the floor from upright, of its arm from hanging down
PRETRAIN_SCENES = 100  # is added to a group's number in demo_pretrain, so that its scenes differ from the demo's

# Draws frame `t` on an image (H, W, 3) whose camera is moved by (x, y) px.
DrawFrame = Callable[[np.ndarray, int, np.ndarray], None]


def draw_clip(seed: int, name: str, group: int, number: int) -> np.ndarray:
    """(frames, HEIGHT, WIDTH, 3) uint8 BGR: clip `number` of a class and group; the same arguments, the same clip."""
    rng, scene = rng_and_scene(seed, name, group, number)
    frames = actions.random_length(rng)
    camera = actions.camera_shake(rng, frames)
    start = rng.uniform(-10, 10, size=2)
    draw = action(rng, name, scene, frames)
    images = [crop_background(scene.background, start + offset) for offset in camera]
    for t, image in enumerate(images):
        draw(image, t, camera[t])
    return np.stack(images)


def rng_and_scene(seed: int, name: str, group: int, number: int) -> tuple[np.random.Generator, Scene]:
    """The random generator of a clip and the scene of its group. The data sets share neither."""
    if name in CLASSES:
        return np.random.default_rng([seed, 1, CLASSES.index(name), group, number]), random_scene(seed, group)
    rng = np.random.default_rng([seed, 2, PRETRAIN_CLASSES.index(name), group, number])
    return rng, random_scene(seed, PRETRAIN_SCENES + group)


def action(rng: np.random.Generator, name: str, scene: Scene, frames: int) -> DrawFrame:
    """The function that draws the frames of a class's action."""
    if name in FLAGS:
        return wave_flag(rng, scene, frames, FLAGS[name])
    if name in DOORS:
        return move_door(rng, scene, DOORS[name](rng, frames))
    move = move_or_crouch if name in CLASSES else move_or_lie_down
    return move(rng, scene, frames, name)


def wave_flag(rng: np.random.Generator, scene: Scene, frames: int, colour: Colour) -> DrawFrame:
    """An actor who waves a flag overhead."""
    pose = random_pose(rng, (14, 4), low=18)
    phase = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(frames) / rng.uniform(12, 18)
    swing = rng.uniform(0.2, 0.35) * np.sin(phase)

    def draw(image: np.ndarray, t: int, camera: np.ndarray) -> None:
        current = Pose(pose.feet - camera, pose.scale, pose.facing)
        draw_actor(image, scene.actor, current, 0, (ARM_DOWN, ARM_UP + swing[t]))
        grip = hand_position(scene.actor, 0, ARM_UP + swing[t])
        draw_flag(image, current, grip, 0.2 - 1.2 * swing[t], 2 * phase[t], colour)

    return draw


def move_or_crouch(rng: np.random.Generator, scene: Scene, frames: int, name: str) -> DrawFrame:
    """An actor whose whole body moves with a constant crouch, or who sits down or stands up on the spot."""
    pose = random_pose(rng, (18, 9))
    path, crouch = actions.displacement(rng, frames, name), actions.crouch(rng, frames, name)

    def draw(image: np.ndarray, t: int, camera: np.ndarray) -> None:
        current = Pose(pose.feet + path[t] - camera, pose.scale, pose.facing)
        arm = ARM_DOWN + (ARM_AHEAD - ARM_DOWN) * crouch[t]
        draw_actor(image, scene.actor, current, crouch[t], (arm + 0.25, arm))

    return draw


def move_or_lie_down(rng: np.random.Generator, scene: Scene, frames: int, name: str) -> DrawFrame:
    """An actor whose whole body moves at a constant angle, or who lies down or gets up on the spot."""
    pose = random_pose(rng, (8, 5), low=3)
    path, lying = actions.trajectory(rng, frames, name), actions.lying(rng, frames, name)
    slide = np.outer(lying, (-32 * pose.facing * pose.scale, 0))  # keeps the middle of the body in place

    def draw(image: np.ndarray, t: int, camera: np.ndarray) -> None:
        feet = pose.feet + path[t] + slide[t] - camera
        current = Pose(feet, pose.scale, pose.facing, BODY_FLAT * lying[t])
        bend = 0.35 * np.sin(np.pi * lying[t])
        draw_actor(image, scene.actor, current, bend, (ARM_DOWN + bend, ARM_FLAT * lying[t]))

    return draw


def move_door(rng: np.random.Generator, scene: Scene, opening: np.ndarray) -> DrawFrame:
    """An actor who stands beside a moving door; opening (frames,), 0 closed to 1 open."""
    pose = random_pose(rng, (10, 6))
    size = (rng.uniform(27, 33), rng.uniform(62, 70))
    hinge = pose.feet + np.array([pose.facing * pose.scale * rng.uniform(-1, 3), -2])
    feet = pose.feet - np.array([pose.facing * pose.scale * rng.uniform(21, 25), 0])

    def draw(image: np.ndarray, t: int, camera: np.ndarray) -> None:
        door = Pose(hinge - camera, pose.scale, pose.facing)
        draw_door(image, door, size, opening[t], scene.panel, scene.gap)
        draw_actor(image, scene.actor, Pose(feet - camera, pose.scale, pose.facing), 0, (ARM_DOWN, 0.6))

    return draw


def random_pose(rng: np.random.Generator, spread: tuple[float, float], low: float = 0) -> Pose:
    """A random pose near the middle of the image, up to `spread` (x, y) px off and `low` px lower."""
    middle = np.array([WIDTH / 2, HEIGHT / 2 + 32 + low])
    return Pose(middle + rng.uniform(-1, 1, size=2) * spread, rng.uniform(0.85, 1.05), int(rng.choice([-1, 1])))
