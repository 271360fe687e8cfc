"""I3D: Inception-v1 inflated to 3D (Carreira & Zisserman 2017, Figure 3), parameters under pytorch-i3d's names.

The body is `pipeline.models.inception.body`: filters of N x N become N x N x N, except that the first two pools are
1x3x3 with stride 1 in time and the last is 2x7x7. Two-Stream I3D is two of these, trained apart, scores averaged.
"""

from collections.abc import Mapping

from torch import Tensor

from pipeline.models.blocks import initialise
from pipeline.models.inception import Inception
from pipeline.models.stems import carried


class I3D(Inception):
    """(B, C, T, H, W), 9 frames or more -> logits (B, K), averaged over time, so that a whole video can be tested."""

    dims = 3

    def steps(self, x: Tensor) -> Tensor:
        """Logits in time, (B, K, T/8 - 1)."""
        return self.places(x).mean((3, 4))


def inflate(tensors: Mapping[str, Tensor], net: I3D) -> dict[str, Tensor]:
    """Inception-v1's tensors for I3D: each filter repeated N times in time and divided by N (section 2.4).

    A video of one picture repeated then has that picture's activations, away from the clip's two ends. Filters of
    another number of channels are carried over, too; what does not fit is a UserError.
    """
    return carried({name.replace("2d", "3d"): tensor for name, tensor in tensors.items()}, net)


def build(
    num_classes: int, channels: int = 3, crop: int = 224, dropout: float = 0.5, epsilon: float = 1e-3,
    width: float = 1.0,
) -> I3D:  # fmt: skip
    """I3D of RGB (3 channels) or flow (2) with `width` times its filters."""
    return initialise(I3D(num_classes, channels, crop, dropout, epsilon, width))
