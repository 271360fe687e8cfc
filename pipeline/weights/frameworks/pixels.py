"""The first layer of imported weights turned to this pipeline's own pixels, so that one normalisation serves all nets.

A release's first layer sees c = a x + b of the x that it gets here: its filters times a, and what they make of b in the
bias or the mean of the normalisation behind it. That is exact but for the zeros beside a picture, which were the
release's mean pixel and are ours; where the two are alike (Caffe's ImageNet nets) or nothing is padded, they agree.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.common.errors import UserError
from pipeline.inputs.clip_volumes import RGB_DEVIATION, RGB_MEAN

RGB = 3


def turn(tensors: dict[str, np.ndarray], said: Mapping[str, Any] | None, what: str) -> None:
    """Fold a map's `pixels` into the tensors; a map that does not state them is a UserError."""
    name = said["into"][0] if said else ""
    kind = "rgb" if said and tensors[name].shape[1] == RGB else "flow"
    if not said or kind not in said:
        raise UserError(f"the pixels of {what} are not known for certain: import without --our-pixels and convert them")
    scale, offset = _line(said, kind, tensors[name].shape[1])
    across = (slice(None), *(None,) * (tensors[name].ndim - 2))  # a channel's number beside (I, ...) filters
    made = np.tensordot(tensors[name], offset, (1, 0)).reshape(len(tensors[name]), -1).sum(1)
    tensors[name] = tensors[name] * scale[across]
    constant, sign = said["into"][1].removeprefix("-"), -1 if said["into"][1].startswith("-") else 1
    tensors[constant] = tensors[constant] + sign * made


def _line(said: Mapping[str, Any], kind: str, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """a and b of every channel: flow's are stated, RGB's follow from what is subtracted from and divides 0 to 255."""
    if kind == "flow":
        a, b = said["flow"]
        return np.full(channels, a), np.full(channels, b)
    minus, divide = np.array(said["rgb"]["minus"], np.float64), np.array(said["rgb"]["divide"], np.float64)
    return 255 * RGB_DEVIATION.ravel() / divide, (255 * RGB_MEAN.ravel() - minus) / divide
