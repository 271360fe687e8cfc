"""The numbers that decide which tracks there are and how they are described."""

from typing import NamedTuple

from pipeline.common.errors import UserError

KINDS = {"trajectory": 30, "hog": 96, "hof": 108, "mbhx": 96, "mbhy": 96}  # a track's descriptors and their lengths
LENGTH = 15  # steps of a track
CELLS = (2, 2, 3)  # of a volume: across, down, in time
BINS = {"hog": 8, "hof": 9, "mbhx": 8, "mbhy": 8}  # directions; flow has a ninth bin for standing still
STEP = 2.0**0.5  # from one spatial scale to the next


class Parameters(NamedTuple):
    """Lengths in pixels of the scale at hand, unless said otherwise; the values are the authors'."""

    patch: int = 32  # side of a volume; scales whose short side is below it are left out
    grid: int = 5  # spacing of the sampling grid
    scales: int = 8  # at most, each 1 / sqrt 2 of the one before
    quality: float = 0.001  # least smaller eigenvalue of a sampled point's structure tensor, as a share of the largest
    features: str = "akaze"  # what camera motion is matched by, besides flow: akaze, sift, orb or none
    flow: str = "farneback"  # or tvl1
    still: float = 3.0**0.5  # pixels of the video: the least spread in x or y of a track that is kept
    erratic: float = 50.0  # pixels of the video: the most spread in x and in y
    jump: float = 20.0  # pixels of the video: a longer step that is most of its track's way makes it erratic
    camera: float = 1.0  # pixels of the video: a track none of whose rectified steps is longer moves as the camera does


def checked(parameters: Parameters) -> Parameters:
    """The same, or a UserError for what no track can be had with."""
    for name in ("patch", "grid", "scales"):
        if getattr(parameters, name) < 1:
            raise UserError(f"idt.{name} is {getattr(parameters, name)} but must be at least 1: raise it")
    if parameters.patch % 2:
        raise UserError(f"idt.patch is {parameters.patch} but its halves are the cells: make it even")
    for name, known in (("features", ("akaze", "sift", "orb", "none")), ("flow", ("farneback", "tvl1"))):
        if getattr(parameters, name) not in known:
            raise UserError(f"idt.{name} is {getattr(parameters, name)!r} but must be one of {', '.join(known)}")
    return parameters
