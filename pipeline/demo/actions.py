"""The movements as numbers over time. What must not tell a class is drawn from the same distribution for all classes.

Every function takes a random generator and gives one value or row a frame; lengths in px, times in frames.
"""

import numpy as np

STACK = 10  # flow fields a temporal net sees at once
HOLD = 2 * STACK  # frames that the middle state of a door lasts, and the first and last state together
MOVE = (3, 5)  # flow fields that opening or closing takes, fewest and most
PERIOD = (10.0, 13.0)  # of an oscillation: about one stack, so that every stack shows a whole one
SWING = (6.5, 8.5)  # radius of an oscillation
OSCILLATIONS = {"Bounce": (0, 1), "Sway": (1, 0), "Circle": (1, 1)}  # which of x and y each moves along
STILL = (5, 9)  # frames before and after sitting down or standing up: less than a stack
TRAJECTORIES = ("figure_eight", "jump")  # the demo_pretrain data set's oscillations


def duration(rng: np.random.Generator) -> int:
    """Frames of a clip: whatever a door needs (`openness`), for every class, so that the length tells nothing."""
    return 2 * HOLD + 2 * (int(rng.integers(MOVE[0], MOVE[1] + 1)) - 1)


def ease(steps: int) -> np.ndarray:
    """From 0 to 1 in `steps` steps, slow at both ends, and its own reverse: ease(n) == 1 - ease(n)[::-1]."""
    return (1 - np.cos(np.pi * np.arange(steps + 1) / steps)) / 2


def openness(frames: int, opens_first: bool) -> np.ndarray:
    """(frames,) of a door, 0 closed to 1 open: moves, holds for HOLD frames, moves back; `frames` as from `duration`.

    The first and last hold are STACK frames each. So both states take the same time in total, and a stack of flow
    fields meets either movement at every place within it, whichever of the two comes first.
    """
    move = (frames - 2 * HOLD) // 2 + 1
    there = ease(move)[1:-1]
    path = np.concatenate([np.zeros(STACK), there, np.ones(HOLD), there[::-1], np.zeros(STACK)])
    return path if opens_first else 1 - path


def sitting(rng: np.random.Generator, frames: int) -> np.ndarray:
    """(frames,) crouch of someone sitting down, 0 upright to 1 seated."""
    before, after = rng.integers(STILL[0], STILL[1] + 1, size=2)
    return np.concatenate([np.zeros(before), ease(frames - before - after - 1), np.ones(after)])


def crouch(rng: np.random.Generator, frames: int, name: str) -> np.ndarray:
    """(frames,) of a motion class: SitDown, its reverse StandUp, or one crouch held, a random frame of these."""
    path = sitting(rng, frames)
    if name == "SitDown":
        return path
    return path[::-1] if name == "StandUp" else np.full(frames, rng.choice(path))


def oscillation(rng: np.random.Generator, frames: int, kind: str) -> np.ndarray:
    """(frames, 2) displacement of the whole body (x, y), of one of the OSCILLATIONS; either way round."""
    angle = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(frames) / rng.uniform(*PERIOD)
    path = rng.uniform(*SWING) * np.stack([np.cos(angle) * rng.choice([-1, 1]), np.sin(angle)], axis=1)
    return path * OSCILLATIONS[kind]


def displacement(rng: np.random.Generator, frames: int, name: str) -> np.ndarray:
    """(frames, 2) of a motion class: its oscillation, or for the others one place held, a random frame of these."""
    if name in OSCILLATIONS:
        return oscillation(rng, frames, name)
    path = oscillation(rng, frames, str(rng.choice(list(OSCILLATIONS))))
    return np.tile(rng.choice(path), (frames, 1))


def once(rng: np.random.Generator, frames: int, back: bool) -> np.ndarray:
    """(frames,) from 0 to 1 or `back` from 1 to 0, at the pace of sitting down."""
    path = sitting(rng, frames)
    return path[::-1] if back else path


def lying(rng: np.random.Generator, frames: int, name: str) -> np.ndarray:
    """(frames,) of lie_down, 0 upright to 1 on the floor, its reverse get_up, or one angle held, a frame of these."""
    path = once(rng, frames, back=name == "get_up")
    return path if name in ("lie_down", "get_up") else np.full(frames, rng.choice(path))


def trajectory(rng: np.random.Generator, frames: int, name: str) -> np.ndarray:
    """(frames, 2) displacement of a class of TRAJECTORIES; for other classes one place held, a frame of these."""
    kind = name if name in TRAJECTORIES else str(rng.choice(TRAJECTORIES))
    angle = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(frames) / rng.uniform(*PERIOD)
    across = np.cos(angle) * rng.choice([-1, 1])
    eight = np.stack([across, np.sin(2 * angle) / 2], axis=1)
    hops = np.stack([0 * across, 1 - 2 * np.abs(np.sin(angle / 2))], axis=1)  # y points down: the floor is at 1
    path = rng.uniform(*SWING) * (eight if kind == "figure_eight" else hops)
    return path if name == kind else np.tile(rng.choice(path), (frames, 1))


def shake(rng: np.random.Generator, frames: int) -> np.ndarray:
    """(frames, 2) path of a hand-held camera: slow waves that add up to about 1 px a frame."""
    time = np.arange(frames)[:, None, None]
    period = rng.uniform(16, 45, size=(1, 2, 2))
    waves = period / 16 * np.sin(2 * np.pi * (time / period + rng.uniform(size=(1, 2, 2))))
    return waves.sum(axis=2)
