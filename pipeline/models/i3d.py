"""I3D: Inception-v1 inflated to 3D (Carreira & Zisserman 2017, Figure 3), parameters under pytorch-i3d's names.

The body is `pipeline.models.inception.body`: filters of N x N become N x N x N, except that the first two pools are
1x3x3 with stride 1 in time and the last is 2x7x7. Two-Stream I3D is two of these networks, trained apart, whose scores
are averaged.
"""

from pipeline.models.blocks import initialise
from pipeline.models.inception import Inception


class I3D(Inception):
    """(B, C, T, H, W) of 9 frames or more -> logits (B, K), averaged over time, so that it can score a whole video."""

    dims = 3


def build(
    num_classes: int, channels: int = 3, crop: int = 224, dropout: float = 0.5, epsilon: float = 1e-3,
    width: float = 1.0,
) -> I3D:  # fmt: skip
    """I3D for RGB (3 channels) or flow (2) with `width` times its filters."""
    return initialise(I3D(num_classes, channels, crop, dropout, epsilon, width))
