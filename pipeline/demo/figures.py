"""Draw an actor, a flag and a door, anti-aliased, with coordinates in sixteenths of a pixel.

Body coordinates: x forward, y up, origin between the feet, lengths in px at scale 1.
"""

from dataclasses import dataclass

import cv2
import numpy as np

Colour = tuple[int, int, int]  # blue, green, red

FRACTION_BITS = 4  # of OpenCV's fixed-point coordinates: 1/16 px
POLE, CLOTH = 33.0, (40.0, 23.0)  # length of a flag's pole above the hand; length and height of its cloth


@dataclass(frozen=True)
class Actor:
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
class Pose:
    """A body's position in the image: its feet (x, y) in px, its scale, and the direction it faces (1 right, -1 left).

    `lean` is the angle in radians by which the body is turned forward about its feet.
    """

    feet: np.ndarray
    scale: float
    facing: int
    lean: float = 0

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """(n, 2) body coordinates -> (n, 2) px of the image."""
        forward, up = points.T
        cos, sin = np.cos(self.lean), np.sin(self.lean)
        turned = np.stack([forward * cos + up * sin, up * cos - forward * sin], axis=1)
        return self.feet + self.scale * turned * (self.facing, -1)


def draw_actor(image: np.ndarray, actor: Actor, pose: Pose, crouch: float, arms: tuple[float, float]) -> None:
    """Draw an actor on `image`; crouch 0 upright to 1 seated, arms in radians from hanging down towards the front."""
    hip, shoulder = hip_and_shoulder(actor, crouch)
    width = actor.limb * pose.scale
    _draw_limb(image, pose, [shoulder, *_arm_joints(actor, shoulder, arms[0])], actor.skin, width)
    for foot in (-0.14, 0.14):
        _draw_limb(image, pose, _leg_joints(actor, hip, np.array([foot * actor.leg, 0])), actor.trousers, 1.2 * width)
    _draw_limb(image, pose, [hip, shoulder], actor.shirt, 2 * width)
    _draw_limb(image, pose, [shoulder, *_arm_joints(actor, shoulder, arms[1])], actor.skin, width)
    middle = shoulder + (shoulder - hip) / actor.torso * actor.head * 1.2
    _draw_disc(image, pose.to_image(middle[None])[0], actor.head * pose.scale, actor.skin)


def hip_and_shoulder(actor: Actor, crouch: float) -> tuple[np.ndarray, np.ndarray]:
    """Hip and shoulder of a crouching body, whose hip moves behind the feet and which leans forward halfway down."""
    hip = actor.leg * np.array([-0.45 * crouch, 0.96 - 0.84 * crouch])
    lean = 0.05 + 0.1 * crouch + 0.5 * np.sin(np.pi * crouch)
    return hip, hip + actor.torso * np.array([np.sin(lean), np.cos(lean)])


def hand_position(actor: Actor, crouch: float, angle: float) -> np.ndarray:
    """(2,) the hand of an arm at this angle."""
    return _arm_joints(actor, hip_and_shoulder(actor, crouch)[1], angle)[-1]


def draw_flag(image: np.ndarray, pose: Pose, grip: np.ndarray, tilt: float, phase: float, colour: Colour) -> None:
    """Draw a flag held at `grip` (2,) in body coordinates, its pole `tilt` radians forward, its cloth trailing."""
    up, back = np.array([np.sin(tilt), np.cos(tilt)]), np.array([-np.cos(tilt), np.sin(tilt)])
    steps = np.linspace(0, 1, 9)
    turn = 2 * np.pi * steps - phase
    top = grip + POLE * up + np.outer(CLOTH[0] * steps, back) + np.outer(4 * np.sin(turn) * steps, up)
    bottom = top - CLOTH[1] * up
    fill_polygon(image, pose.to_image(np.concatenate([top, bottom[::-1]])), colour)
    for i, shade in enumerate(np.rint(16 * np.cos(turn[:-1])).astype(int).tolist()):
        strip = np.array([top[i], top[i + 1], bottom[i + 1], bottom[i]])
        fill_polygon(image, pose.to_image(strip), shade_colour(colour, shade))
    draw_line(image, pose.to_image(np.stack([grip - 4 * up, grip + POLE * up])), (40, 40, 40), 2)


def draw_door(
    image: np.ndarray, pose: Pose, size: tuple[float, float], opening: float, panel: Colour, gap: Colour
) -> None:
    """Draw a door whose hinge is at the origin of `pose`; size (width, height), opening 0 to 1."""
    wide, high = size
    fill_polygon(
        image,
        pose.to_image(np.array([(-2, 0), (wide + 2, 0), (wide + 2, high + 2), (-2, high + 2)])),
        (50, 50, 50),
    )
    fill_polygon(image, pose.to_image(np.array([(0, 0), (wide, 0), (wide, high), (0, high)])), gap)
    edge, near = wide * np.cos(1.35 * opening), 7 * np.sin(1.35 * opening)  # the free edge swings to the viewer
    leaf = np.array([(0, 0), (edge, -near), (edge, high + near), (0, high)])
    fill_polygon(image, pose.to_image(leaf), panel)
    for low in (0.1, 0.56):  # two panels give the door a texture, without which optical flow finds no motion
        corners = [(u, v) for u, v in ((0.2, low), (0.8, low), (0.8, low + 0.34), (0.2, low + 0.34))]
        inset = np.array([(u * edge, -u * near + v * (high + 2 * u * near)) for u, v in corners])
        fill_polygon(image, pose.to_image(inset), shade_colour(panel, -45))


def draw_line(image: np.ndarray, points: np.ndarray, colour: Colour, width: float) -> None:
    """Draw a thick polyline through (n, 2) px."""
    cv2.polylines(image, [_fixed_point(points)], False, colour, max(1, round(width)), cv2.LINE_AA, FRACTION_BITS)


def fill_polygon(image: np.ndarray, points: np.ndarray, colour: Colour) -> None:
    """Draw a filled polygon with corners (n, 2) px."""
    cv2.fillPoly(image, [_fixed_point(points)], colour, cv2.LINE_AA, FRACTION_BITS)


def shade_colour(colour: Colour, shade: int) -> Colour:
    """A lighter or darker colour; `shade` is added to blue, green and red, and so to the luma of any colour."""
    blue, green, red = colour
    return blue + shade, green + shade, red + shade


def _draw_limb(image: np.ndarray, pose: Pose, points: list[np.ndarray], colour: Colour, width: float) -> None:
    draw_line(image, pose.to_image(np.stack(points)), colour, width)


def _draw_disc(image: np.ndarray, middle: np.ndarray, radius: float, colour: Colour) -> None:
    x, y = _fixed_point(middle).tolist()
    cv2.circle(image, (x, y), round(radius * (1 << FRACTION_BITS)), colour, -1, cv2.LINE_AA, FRACTION_BITS)


def _leg_joints(actor: Actor, hip: np.ndarray, foot: np.ndarray) -> list[np.ndarray]:
    """Hip, knee and foot; upper and lower leg have equal lengths and the knee points forward."""
    leg = foot - hip
    bend = np.sqrt(max(0.0, (actor.leg / 2) ** 2 - leg @ leg / 4))
    knee = (hip + foot) / 2 + bend * np.array([-leg[1], leg[0]]) / np.sqrt(leg @ leg)
    return [hip, knee, foot]


def _arm_joints(actor: Actor, shoulder: np.ndarray, angle: float) -> list[np.ndarray]:
    """Elbow and hand; the forearm is turned a little further forward than the upper arm."""
    elbow = shoulder + actor.arm / 2 * np.array([np.sin(angle), -np.cos(angle)])
    return [elbow, elbow + actor.arm / 2 * np.array([np.sin(angle + 0.3), -np.cos(angle + 0.3)])]


def _fixed_point(points: np.ndarray) -> np.ndarray:
    return np.rint(points * (1 << FRACTION_BITS)).astype(np.int32)
