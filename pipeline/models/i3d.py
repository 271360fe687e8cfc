"""I3D: Inception-v1 inflated to 3D (Carreira & Zisserman 2017, Figure 3), parameters under pytorch-i3d's names.

The body is `pipeline.models.inception.body`: filters of N x N become N x N x N, except that the first two pools are
1x3x3 with stride 1 in time and the last is 2x7x7. Two-Stream I3D is two of these, trained apart, scores averaged.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.models.blocks import initialise
from pipeline.models.inception import Inception


class I3D(Inception):
    """(B, C, T, H, W), 9 frames or more -> logits (B, K), averaged over time, so that a whole video can be tested."""

    dims = 3

    def steps(self, x: Tensor) -> Tensor:
        """Logits in time, (B, K, T/8 - 1)."""
        return self.places(x).mean((3, 4))


def inflate(tensors: Mapping[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """A 2D net's tensors for its 3D kin `net`: each filter repeated N times in time and divided by N (section 2.4).

    A video of one picture repeated then has that picture's activations, away from the clip's two ends. Names are the
    same or differ in 2d and 3d; a tensor for which `net` has none is a UserError.
    """
    targets, inflated = net.state_dict(), {}
    for name, tensor in tensors.items():
        target = name.replace("2d", "3d")
        if target not in targets:
            raise UserError(
                f"the 2D weights have {name} but {type(net).__name__} has no {target}: they are another net's"
            )
        inflated[target] = _inflated(tensor, targets[target])
    return inflated


def _inflated(tensor: Tensor, target: Tensor) -> Tensor:
    if (tensor.ndim, target.ndim) != (4, 5):
        return tensor
    length = target.shape[2]
    return tensor.unsqueeze(2).repeat(1, 1, length, 1, 1) / length  # (K, C, H, W) -> (K, C, N, H, W)


def build(
    num_classes: int, channels: int = 3, crop: int = 224, dropout: float = 0.5, epsilon: float = 1e-3,
    width: float = 1.0,
) -> I3D:  # fmt: skip
    """I3D of RGB (3 channels) or flow (2) with `width` times its filters."""
    return initialise(I3D(num_classes, channels, crop, dropout, epsilon, width))
