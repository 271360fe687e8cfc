"""Input normalisation folded into a first layer, so that imported weights take this pipeline's normalised pixels.

A release's first layer was trained on a x + b of the x that it gets here. So its filters are multiplied by a, and their
response to b goes into the bias, or into the mean of the batch normalisation that follows. This is exact except for
the zero padding at a picture's border: the padding was the release's mean pixel and is now this pipeline's. Where both
are the same (Caffe's ImageNet networks), or nothing is padded, it is exact there too.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.common.errors import UserError
from pipeline.formats.modalities import IMAGENET_MEAN, IMAGENET_STD

RGB_CHANNELS = 3


def fold_normalisation(tensors: dict[str, np.ndarray], pixels: Mapping[str, Any] | None, source: str) -> None:
    """Change the first layer in `tensors` by the `pixels` of a map in maps.yaml; without them it is a UserError.

    `source` names the weights in the error.
    """
    filters_name = pixels["into"][0] if pixels else ""
    modality = "rgb" if pixels and tensors[filters_name].shape[1] == RGB_CHANNELS else "flow"
    if not pixels or modality not in pixels:
        raise UserError(
            f"the pixels of {source} are not known for certain: import without --our-pixels and convert them"
        )
    filters = tensors[filters_name]
    scale, offset = _scale_and_offset(pixels, modality, filters.shape[1])
    response = np.tensordot(filters, offset, (1, 0)).reshape(len(filters), -1).sum(1)  # (O,)
    tensors[filters_name] = filters * scale.reshape(-1, *(1,) * (filters.ndim - 2))  # (O, I, H, W)
    constant, sign = pixels["into"][1].removeprefix("-"), -1 if pixels["into"][1].startswith("-") else 1
    tensors[constant] = tensors[constant] + sign * response


def _scale_and_offset(pixels: Mapping[str, Any], modality: str, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """a and b of every channel: flow's are in maps.yaml; RGB's follow from the release's own mean and divisor."""
    if modality == "flow":
        scale, offset = pixels["flow"]
        return np.full(channels, scale), np.full(channels, offset)
    minus, divide = np.array(pixels["rgb"]["minus"], np.float64), np.array(pixels["rgb"]["divide"], np.float64)
    return 255 * IMAGENET_STD / divide, (255 * IMAGENET_MEAN - minus) / divide
