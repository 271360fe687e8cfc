"""The parameters of TV-L1: presets, overrides and their valid ranges."""

import json
from collections.abc import Callable
from typing import Any

from pipeline.common.errors import UserError

OPENCV: dict[str, Any] = {
    "tau": 0.25,  # time step of the dual update; it converges up to 0.25
    "lambda_": 0.15,  # weight of the data term; a smaller one gives a smoother flow
    "theta": 0.3,  # coupling between u and v
    "scales": 5,  # maximum number of pyramid levels; no level has a side under 16 pixels
    "scale_step": 0.8,  # size of a level relative to the next finer one
    "warps": 5,  # linearisations of the image per level
    "epsilon": 0.01,  # a warp ends when the RMS change of u in an iteration is smaller, in pixels
    "inner_iterations": 30,  # maximum between two median filters
    "outer_iterations": 10,  # maximum number of median filters per warp
    "median": 5,  # side of the median filter in pixels: 0 (none), 3 or 5
}
ONE_LOOP = {"inner_iterations": 300, "outer_iterations": 1, "median": 0}
PRESETS: dict[str, dict[str, Any]] = {
    "opencv": OPENCV,
    "opencv-cuda": OPENCV | ONE_LOOP,
    "ipol": OPENCV | ONE_LOOP | {"scale_step": 0.5},
}

Rule = tuple[type, Callable[[Any], bool], str]  # type, whether a value is valid, the requirement in words
POSITIVE: Rule = (float, lambda value: 0 < value < float("inf"), "a positive number")
COUNT: Rule = (int, lambda value: value >= 1, "an integer of at least 1")
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
    """The values of all parameters: those of a preset, replaced by `overrides`.

    `opencv` has the defaults of cv2.optflow.DualTVL1OpticalFlow. `opencv-cuda` has the iterations of OpenCV's CUDA
    implementation: one loop of 300 iterations without a median filter. `ipol` has, in addition, the pyramid step 0.5 of
    Sanchez, Meinhardt and Facciolo (Image Processing On Line 3, 2013), but not their Gaussian smoothing. Raises
    UserError for unknown names and invalid values.
    """
    if preset not in PRESETS:
        raise UserError(f"TV-L1 has no preset {preset!r}: choose one of {', '.join(PRESETS)}")
    unknown = sorted(set(overrides) - set(OPENCV))
    if unknown:
        raise UserError(f"TV-L1 has no parameter {unknown[0]!r}: its parameters are {', '.join(OPENCV)}")
    return {name: _value(name, overrides.get(name, value)) for name, value in PRESETS[preset].items()}


def _value(name: str, value: Any) -> Any:
    type_, is_valid, requirement = RULES[name]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or type_(value) != value or not is_valid(value):
        raise UserError(f"TV-L1's {name} is {value!r} but has to be {requirement}: change {name}")
    return type_(value)


def parse_parameters(text: str) -> dict[str, Any]:
    """Parse a JSON object such as `{"warps": 3}`; raises UserError for anything else."""
    try:
        parsed = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"--parameters is {text!r}, which is not JSON ({error}): write e.g. '{{\"warps\": 3}}'"
        ) from error
    if not isinstance(parsed, dict):
        raise UserError(f"--parameters is {text!r} but must be a JSON object, such as '{{\"warps\": 3}}'")
    return parsed
