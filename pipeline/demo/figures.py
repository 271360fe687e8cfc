"""Draws a stick figure, a flag and a door, anti-aliased, with corners placed to a sixteenth of a pixel.

Bodies are described in their own frame: x forward, y up, the origin between the feet, lengths in px at scale 1.
"""

from dataclasses import dataclass

import cv2
import numpy as np

Colour = tuple[int, int, int]  # blue, green, red

SHIFT = 4  # cv2's fixed point: 1/16 px
POLE, CLOTH = 33.0, (40.0, 23.0)  # a flag's pole above the hand, its cloth's length and height


@dataclass(frozen=True)
class Build:
    """An actor's proportions in px and colours."""

    leg: float
    torso: float
    arm: float
    head: float
    limb: float
    shirt: Colour
    trousers: Colour
    skin: Colour


@dataclass(frozen=True)
class Stand:
    """Where a body stands in the picture: the place of its feet (x, y) px, its scale, and where it faces (1 right).

    `fall` radians is how far it has turned about its feet, forward from upright.
    """

    feet: np.ndarray
    scale: float
    facing: int
    fall: float = 0

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """(n, 2) points of the body -> (n, 2) px."""
        forward, up = points.T
        cos, sin = np.cos(self.fall), np.sin(self.fall)
        turned = np.stack([forward * cos + up * sin, up * cos - forward * sin], axis=1)
        return self.feet + self.scale * turned * (self.facing, -1)


def draw_figure(picture: np.ndarray, build: Build, stand: Stand, crouch: float, arms: tuple[float, float]) -> None:
    """Draw an actor in place; crouch 0 upright to 1 seated, arms in radians from hanging down towards the front."""
    hip, shoulder = spine(build, crouch)
    width = build.limb * stand.scale
    _limb(picture, stand, [shoulder, *_arm(build, shoulder, arms[0])], build.skin, width)
    for foot in (-0.14, 0.14):
        _limb(picture, stand, _leg(build, hip, np.array([foot * build.leg, 0])), build.trousers, 1.2 * width)
    _limb(picture, stand, [hip, shoulder], build.shirt, 2 * width)
    _limb(picture, stand, [shoulder, *_arm(build, shoulder, arms[1])], build.skin, width)
    middle = shoulder + (shoulder - hip) / build.torso * build.head * 1.2
    _disc(picture, stand.to_picture(middle[None])[0], build.head * stand.scale, build.skin)


def spine(build: Build, crouch: float) -> tuple[np.ndarray, np.ndarray]:
    """Hip and shoulder of a body that sinks behind its feet and leans forward on the way."""
    hip = build.leg * np.array([-0.45 * crouch, 0.96 - 0.84 * crouch])
    lean = 0.05 + 0.1 * crouch + 0.5 * np.sin(np.pi * crouch)
    return hip, hip + build.torso * np.array([np.sin(lean), np.cos(lean)])


def hand(build: Build, crouch: float, angle: float) -> np.ndarray:
    """(2,) where the hand of an arm at this angle is."""
    return _arm(build, spine(build, crouch)[1], angle)[-1]


def draw_flag(picture: np.ndarray, stand: Stand, grip: np.ndarray, tilt: float, phase: float, colour: Colour) -> None:
    """Draw a flag held at `grip` (2,) of the body, its pole `tilt` radians forward of upright, its cloth trailing."""
    up, back = np.array([np.sin(tilt), np.cos(tilt)]), np.array([-np.cos(tilt), np.sin(tilt)])
    steps = np.linspace(0, 1, 9)
    turn = 2 * np.pi * steps - phase
    top = grip + POLE * up + np.outer(CLOTH[0] * steps, back) + np.outer(4 * np.sin(turn) * steps, up)
    bottom = top - CLOTH[1] * up
    fill(picture, stand.to_picture(np.concatenate([top, bottom[::-1]])), colour)
    for i, shade in enumerate(np.rint(16 * np.cos(turn[:-1])).astype(int).tolist()):
        strip = np.array([top[i], top[i + 1], bottom[i + 1], bottom[i]])
        fill(picture, stand.to_picture(strip), shaded(colour, shade))
    line(picture, stand.to_picture(np.stack([grip - 4 * up, grip + POLE * up])), (40, 40, 40), 2)


def draw_door(
    picture: np.ndarray, stand: Stand, size: tuple[float, float], opened: float, panel: Colour, gap: Colour
) -> None:
    """Draw a door whose hinge is at the origin of `stand`; size (width, height), opened 0 to 1."""
    wide, high = size
    fill(
        picture,
        stand.to_picture(np.array([(-2, 0), (wide + 2, 0), (wide + 2, high + 2), (-2, high + 2)])),
        (50, 50, 50),
    )
    fill(picture, stand.to_picture(np.array([(0, 0), (wide, 0), (wide, high), (0, high)])), gap)
    edge, near = wide * np.cos(1.35 * opened), 7 * np.sin(1.35 * opened)  # the free edge swings towards us
    leaf = np.array([(0, 0), (edge, -near), (edge, high + near), (0, high)])
    fill(picture, stand.to_picture(leaf), panel)
    for low in (0.1, 0.56):  # two sunk fields give the leaf a texture that flow can follow
        corners = [(u, v) for u, v in ((0.2, low), (0.8, low), (0.8, low + 0.34), (0.2, low + 0.34))]
        inset = np.array([(u * edge, -u * near + v * (high + 2 * u * near)) for u, v in corners])
        fill(picture, stand.to_picture(inset), shaded(panel, -45))


def line(picture: np.ndarray, points: np.ndarray, colour: Colour, width: float) -> None:
    """A run of thick segments through (n, 2) px."""
    cv2.polylines(picture, [_fixed(points)], False, colour, max(1, round(width)), cv2.LINE_AA, SHIFT)


def fill(picture: np.ndarray, points: np.ndarray, colour: Colour) -> None:
    """A filled polygon with corners (n, 2) px."""
    cv2.fillPoly(picture, [_fixed(points)], colour, cv2.LINE_AA, SHIFT)


def shaded(colour: Colour, shade: int) -> Colour:
    """A lighter or darker tone; `shade` on blue, green and red alike moves the luma of every colour by as much."""
    blue, green, red = colour
    return blue + shade, green + shade, red + shade


def _limb(picture: np.ndarray, stand: Stand, points: list[np.ndarray], colour: Colour, width: float) -> None:
    line(picture, stand.to_picture(np.stack(points)), colour, width)


def _disc(picture: np.ndarray, middle: np.ndarray, radius: float, colour: Colour) -> None:
    x, y = _fixed(middle).tolist()
    cv2.circle(picture, (x, y), round(radius * (1 << SHIFT)), colour, -1, cv2.LINE_AA, SHIFT)


def _leg(build: Build, hip: np.ndarray, foot: np.ndarray) -> list[np.ndarray]:
    """Hip, knee and foot; the knee lies in front, where two halves of the leg's length meet."""
    span = foot - hip
    bend = np.sqrt(max(0.0, (build.leg / 2) ** 2 - span @ span / 4))
    knee = (hip + foot) / 2 + bend * np.array([-span[1], span[0]]) / np.sqrt(span @ span)
    return [hip, knee, foot]


def _arm(build: Build, shoulder: np.ndarray, angle: float) -> list[np.ndarray]:
    """Elbow and hand; the forearm is bent a little further than the upper arm."""
    elbow = shoulder + build.arm / 2 * np.array([np.sin(angle), -np.cos(angle)])
    return [elbow, elbow + build.arm / 2 * np.array([np.sin(angle + 0.3), -np.cos(angle + 0.3)])]


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.rint(points * (1 << SHIFT)).astype(np.int32)
