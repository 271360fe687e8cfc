"""The movements as curves over time. Properties that must not reveal the class have one distribution for all classes.

Every function takes a random generator and returns a value or row per frame; lengths in px, times in frames.
"""

import numpy as np

STACK = 10  # flow fields that a temporal network sees at once
HOLD = 2 * STACK  # frames of a door's middle state, and of its first and last state together
MOVE = (3, 5)  # flow fields of one opening or closing of a door, fewest and most
PERIOD = (10.0, 13.0)  # of an oscillation: about one stack, so that every stack shows a whole one
AMPLITUDE = (6.5, 8.5)  # of an oscillation
OSCILLATIONS = {"Bounce": (0, 1), "Sway": (1, 0), "Circle": (1, 1)}  # factors of the x and y displacement
STILL = (5, 9)  # frames before and after sitting down or standing up: less than a stack
TRAJECTORIES = ("figure_eight", "jump")  # the oscillations of demo_pretrain


def random_length(rng: np.random.Generator) -> int:
    """Frames of a clip: a length that suits `door_opening`, for every class, so that it does not reveal the class."""
    return 2 * HOLD + 2 * (int(rng.integers(MOVE[0], MOVE[1] + 1)) - 1)


def ease(steps: int) -> np.ndarray:
    """From 0 to 1 in `steps` steps, slow at both ends and symmetric: ease(n) == 1 - ease(n)[::-1]."""
    return (1 - np.cos(np.pi * np.arange(steps + 1) / steps)) / 2


def door_opening(frames: int, opens_first: bool) -> np.ndarray:
    """(frames,) opening of a door, 0 closed to 1 open: it moves, holds for HOLD frames and moves back.

    `frames` is a `random_length`. The first and the last hold take STACK frames each. So both states take the same time
    in total, and a stack of flow fields shows either movement at every position, whichever of the two comes first.
    """
    steps = (frames - 2 * HOLD) // 2 + 1
    move = ease(steps)[1:-1]
    curve = np.concatenate([np.zeros(STACK), move, np.ones(HOLD), move[::-1], np.zeros(STACK)])
    return curve if opens_first else 1 - curve


def sitting_down(rng: np.random.Generator, frames: int) -> np.ndarray:
    """(frames,) crouch of an actor who sits down, 0 upright to 1 seated."""
    before, after = rng.integers(STILL[0], STILL[1] + 1, size=2)
    return np.concatenate([np.zeros(before), ease(frames - before - after - 1), np.ones(after)])


def crouch(rng: np.random.Generator, frames: int, name: str) -> np.ndarray:
    """(frames,) crouch of a motion class: SitDown, its reverse StandUp, or for others a constant random frame of it."""
    curve = sitting_down(rng, frames)
    if name == "SitDown":
        return curve
    return curve[::-1] if name == "StandUp" else np.full(frames, rng.choice(curve))


def oscillation(rng: np.random.Generator, frames: int, name: str) -> np.ndarray:
    """(frames, 2) displacement (x, y) of the body for one of the OSCILLATIONS, in a random direction of rotation."""
    angle = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(frames) / rng.uniform(*PERIOD)
    curve = rng.uniform(*AMPLITUDE) * np.stack([np.cos(angle) * rng.choice([-1, 1]), np.sin(angle)], axis=1)
    return curve * OSCILLATIONS[name]


def displacement(rng: np.random.Generator, frames: int, name: str) -> np.ndarray:
    """(frames, 2) displacement of a motion class: its oscillation, or for others a constant random frame of one."""
    if name in OSCILLATIONS:
        return oscillation(rng, frames, name)
    curve = oscillation(rng, frames, str(rng.choice(list(OSCILLATIONS))))
    return np.tile(rng.choice(curve), (frames, 1))


def slow_transition(rng: np.random.Generator, frames: int, reverse: bool) -> np.ndarray:
    """(frames,) from 0 to 1, or in `reverse` from 1 to 0, as slowly as sitting down."""
    curve = sitting_down(rng, frames)
    return curve[::-1] if reverse else curve


def lying(rng: np.random.Generator, frames: int, name: str) -> np.ndarray:
    """(frames,) from 0 upright to 1 on the floor: lie_down, its reverse get_up, or a constant random frame of it."""
    curve = slow_transition(rng, frames, reverse=name == "get_up")
    return curve if name in ("lie_down", "get_up") else np.full(frames, rng.choice(curve))


def trajectory(rng: np.random.Generator, frames: int, name: str) -> np.ndarray:
    """(frames, 2) displacement of one of the TRAJECTORIES; for other classes a constant random frame of one."""
    shape = name if name in TRAJECTORIES else str(rng.choice(TRAJECTORIES))
    angle = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(frames) / rng.uniform(*PERIOD)
    across = np.cos(angle) * rng.choice([-1, 1])
    eight = np.stack([across, np.sin(2 * angle) / 2], axis=1)
    hops = np.stack([0 * across, 1 - 2 * np.abs(np.sin(angle / 2))], axis=1)  # y points down: the floor is at 1
    curve = rng.uniform(*AMPLITUDE) * (eight if shape == "figure_eight" else hops)
    return curve if name == shape else np.tile(rng.choice(curve), (frames, 1))


def camera_shake(rng: np.random.Generator, frames: int) -> np.ndarray:
    """(frames, 2) path of a hand-held camera: slow waves that add up to about 1 px per frame."""
    time = np.arange(frames)[:, None, None]
    period = rng.uniform(16, 45, size=(1, 2, 2))
    waves = period / 16 * np.sin(2 * np.pi * (time / period + rng.uniform(size=(1, 2, 2))))
    return waves.sum(axis=2)
