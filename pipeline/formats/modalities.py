"""The modalities that shards hold, and the inputs that networks make of them: two tables, read by every stage.

To add a modality: a row in MODALITIES, a stage that writes its slices with the attributes of `made_by`, and a recipe
with it in `stack`; rules, shards, sampling, normalisation and networks of one input take it from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.formats.flow_levels import LEVELS

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # of RGB in [0, 1]
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True)
class Modality:
    """One kind of picture, a JPEG each.

    folder: of its slices, below data/<data set>/.
    made_by: the attributes by which its slices are told from those of other modalities.
    planes: what its channels are called; they stand above one another in one grey JPEG (P H, W). None is a colour JPEG.
    gap: so many fewer pictures than frames a video has, since a flow field lies between two frames.
    signed: its levels 0..255 stand for -bound..+bound; `bound` is an attribute of its slices.
    mirrored: the channels that change their sign when a picture is mirrored left to right.
    reverse: the modality with the same pictures from the next frame to this one.
    """

    folder: str
    made_by: Mapping[str, str]
    planes: tuple[str, ...] = ()
    gap: int = 0
    signed: bool = False
    mirrored: tuple[int, ...] = ()
    reverse: str = ""

    @property
    def channels(self) -> int:
        """Channels of one picture."""
        return len(self.planes) or 3

    @property
    def colorspace(self) -> str:
        """What a JPEG is decoded to, as simplejpeg calls it."""
        return "GRAY" if self.planes else "RGB"

    @property
    def file_names(self) -> tuple[str, ...]:
        """What other tools call the files of its channels: flow_x_00001.jpg, img_00001.jpg."""
        return self.planes or ("img",)

    def split_planes(self, decoded: np.ndarray) -> np.ndarray:
        """Decoded pictures (T, H, W, 3) or (T, P H, W, 1) -> their channels (T, C, H, W), without a copy."""
        if not self.planes:
            return decoded.transpose(0, 3, 1, 2)
        return decoded.reshape(len(decoded), len(self.planes), -1, decoded.shape[2])

    def normalisation(self, settings: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """(scale, offset), float32 (C,): a level times scale plus offset is what a network sees.

        RGB by ImageNet's mean and standard deviation, signed levels in their own unit (flow in pixels), others from
        -0.5 to 0.5.
        """
        if not self.planes:
            return 1 / (255 * IMAGENET_STD), -IMAGENET_MEAN / IMAGENET_STD
        low, high = (-settings["bound"], settings["bound"]) if self.signed else (-0.5, 0.5)
        return (
            np.full(self.channels, (high - low) / LEVELS, np.float32),
            np.full(self.channels, low, np.float32),
        )


FLOW_PLANES = ("flow_x", "flow_y")
MODALITIES: dict[str, Modality] = {
    "rgb": Modality("frames", {"stage": "frames"}),
    "flow": Modality("flow", {"stage": "flow"}, FLOW_PLANES, 1, signed=True, mirrored=(0,), reverse="backward"),
    "backward": Modality(
        "backward", {"stage": "flow", "direction": "backward"}, FLOW_PLANES, 1, signed=True, mirrored=(0,)
    ),
}
FRAMES = "rgb"  # the modality that all others are made of


@dataclass(frozen=True)
class NetworkInput:
    """What a network sees: the pictures of a modality, or the absolute difference of two of them (FstCN, section 3)."""

    modality: str
    label: str  # in figures
    is_difference: bool = False
    kind: Modality = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", MODALITIES[self.modality])

    def span(self, difference_distance: int) -> int:
        """Frames that one picture takes beyond its first one."""
        return difference_distance if self.is_difference else self.kind.gap

    def normalisation(self, settings: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """As Modality.normalisation; a difference has no mean to take away."""
        scale, offset = self.kind.normalisation(settings)
        return (scale, np.zeros_like(offset)) if self.is_difference else (scale, offset)


REVERSES = {modality.reverse for modality in MODALITIES.values()}
INPUTS: dict[str, NetworkInput] = {
    **{name: NetworkInput(name, modality.folder.removesuffix("s")) for name, modality in MODALITIES.items()
       if name not in REVERSES},
    "difference": NetworkInput(FRAMES, "difference", is_difference=True),
}  # fmt: skip


def modality_of(attributes: Mapping[str, Any]) -> str:
    """The modality of a slice by its attributes; empty where no stage of this pipeline has made it."""
    fits = [
        name
        for name, modality in MODALITIES.items()
        if all(attributes.get(key) == value for key, value in modality.made_by.items())
    ]
    return max(fits, key=lambda name: len(MODALITIES[name].made_by), default="")
