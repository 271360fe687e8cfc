"""The parameters of tracks and of their descriptors."""

from typing import NamedTuple

from pipeline.common.errors import UserError

DESCRIPTOR_LENGTHS = {"trajectory": 30, "hog": 96, "hof": 108, "mbhx": 96, "mbhy": 96}  # by kind
TRACK_LENGTH = 15  # steps
CELLS = (2, 2, 3)  # of a volume: across, down, in time
BINS = {"hog": 8, "hof": 9, "mbhx": 8, "mbhy": 8}  # directions; HOF has a ninth bin for no motion
SCALE_STEP = 2.0**0.5  # the ratio of a spatial scale to the next


class Parameters(NamedTuple):
    """Lengths are in pixels of a track's scale unless stated otherwise; the defaults are the authors' values."""

    patch: int = 32  # side of a volume; scales with a shorter side than it are left out
    grid: int = 5  # spacing of the sampling grid
    scales: int = 8  # at most, each 1 / sqrt 2 of the previous one
    quality: float = 0.001  # smallest minor eigenvalue of a sampled point's structure tensor, as a share of the largest
    features: str = "akaze"  # that match camera motion, besides flow: akaze, sift, orb or none
    flow: str = "farneback"  # or tvl1
    still: float = 3.0**0.5  # pixels of the video: the smallest std of x or of y of a kept track
    erratic: float = 50.0  # pixels of the video: the largest std of x and of y
    jump: float = 20.0  # pixels of the video: a track is dropped if a longer step is most of its path
    camera: float = 1.0  # pixels of the video: a track without a longer rectified step moves with the camera


TRACK_SETTINGS = ("frame_size", "frame_fps", *Parameters._fields)  # which files that are used together must share


def check_parameters(parameters: Parameters) -> Parameters:
    """The same parameters; values that allow no tracks are a UserError."""
    for name in ("patch", "grid", "scales"):
        if getattr(parameters, name) < 1:
            raise UserError(f"idt.{name} is {getattr(parameters, name)} but must be at least 1: raise it")
    if parameters.patch % 2:
        raise UserError(f"idt.patch is {parameters.patch} but must be even, as a cell is half of it: make it even")
    for name, choices in (("features", ("akaze", "sift", "orb", "none")), ("flow", ("farneback", "tvl1"))):
        if getattr(parameters, name) not in choices:
            raise UserError(f"idt.{name} is {getattr(parameters, name)!r} but must be one of {', '.join(choices)}")
    return parameters
