"""TV-L1's parameters: presets, overrides, and what is refused."""

import json
from collections.abc import Callable
from typing import Any

from pipeline.common.errors import UserError

OPENCV: dict[str, Any] = {
    "tau": 0.25,  # time step of the dual; converges up to 0.25
    "lambda_": 0.15,  # weight of the data term: smaller is smoother
    "theta": 0.3,  # tightness between u and v
    "scales": 5,  # levels of the pyramid, at most; none has a side under 16
    "scale_step": 0.8,  # size of a level relative to the finer one
    "warps": 5,  # linearisations a level
    "epsilon": 0.01,  # stop when the mean square change of an iteration is under its square (pixels)
    "inner_iterations": 30,  # between two median filters, at most
    "outer_iterations": 10,  # median filters a warp, at most
    "median": 5,  # side of the median filter: 0 (none), 3 or 5
}
ONE_LOOP = {"inner_iterations": 300, "outer_iterations": 1, "median": 0}
PRESETS: dict[str, dict[str, Any]] = {
    "opencv": OPENCV,
    "opencv-cuda": OPENCV | ONE_LOOP,
    "ipol": OPENCV | ONE_LOOP | {"scale_step": 0.5},
}

Rule = tuple[type, Callable[[Any], bool], str]
POSITIVE: Rule = (float, lambda value: 0 < value < float("inf"), "a positive number")
COUNT: Rule = (int, lambda value: value >= 1, "a whole number from 1 on")
RULES: dict[str, Rule] = {
    "tau": (float, lambda value: 0 < value <= 0.25, "above 0 and at most 0.25, where the iteration converges"),
    "lambda_": POSITIVE,
    "theta": POSITIVE,
    "scales": COUNT,
    "scale_step": (float, lambda value: 0.1 <= value <= 0.95, "between 0.1 and 0.95"),
    "warps": COUNT,
    "epsilon": (float, lambda value: 0 <= value < float("inf"), "0 or a positive number"),
    "inner_iterations": COUNT,
    "outer_iterations": COUNT,
    "median": (int, lambda value: value in (0, 3, 5), "0, 3 or 5"),
}


def resolve(preset: str = "opencv", **overrides: Any) -> dict[str, Any]:
    """Every parameter's value: the preset's, with `overrides` on top.

    `opencv` holds the defaults of cv2.optflow.DualTVL1OpticalFlow; `opencv-cuda` the schedule of OpenCV's CUDA form
    (one loop of 300 iterations, no median filter); `ipol` that with the pyramid step 0.5 of Sanchez, Meinhardt and
    Facciolo (Image Processing On Line 3, 2013), but without its Gaussian smoothing. Unknown names and values out of
    range raise UserError.
    """
    if preset not in PRESETS:
        raise UserError(f"TV-L1 has no preset {preset!r}: choose one of {', '.join(PRESETS)}")
    unknown = sorted(set(overrides) - set(OPENCV))
    if unknown:
        raise UserError(f"TV-L1 has no parameter {unknown[0]!r}: it has {', '.join(OPENCV)}")
    return {name: _value(name, overrides.get(name, value)) for name, value in PRESETS[preset].items()}


def _value(name: str, value: Any) -> Any:
    kind, fits, wanted = RULES[name]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or kind(value) != value or not fits(value):
        raise UserError(f"TV-L1's {name} is {value!r} but has to be {wanted}: change {name}")
    return kind(value)


def parse_parameters(text: str) -> dict[str, Any]:
    """`{"warps": 3}` -> a dict; anything but a JSON object is the user's error."""
    try:
        parsed = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"--parameters is {text!r}, which is not JSON ({error}): write e.g. '{{\"warps\": 3}}'"
        ) from error
    if not isinstance(parsed, dict):
        raise UserError(f"--parameters is {text!r} but must be a JSON object, such as '{{\"warps\": 3}}'")
    return parsed
