"""ActionVLAD (Girdhar et al. 2017): VGG-16's descriptors of all positions and frames, pooled into one vector a video.

Published form: conv5_3 of 25 frames, 64 centres, alpha 1000; 64 x 512 numbers a video, and a linear layer on them.
Other layers (Table 2a), average and max pooling (Table 2b) and two streams (Table 3a) are options. A layer is pooled
before its ReLU, as in the release, which found worse results after it; `relu=True` pools it after the ReLU.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.common.errors import UserError
from pipeline.models.blocks import initialise, wide
from pipeline.models.transfer import convert_weights
from pipeline.models.vgg import END, VGG

LAYERS = ("conv4_3", "conv5_3", "fc7")
FUSIONS = ("concat", "early", "late")
N = TypeVar("N", bound=nn.Module)
CONV5_1 = 24  # its index in VGG's `features`


def vlad(x: Tensor, centres: Tensor, assign: Tensor) -> Tensor:
    """Residuals to K centres, summed over space and time (eq. 1).

    x (B, T, D, H, W), centres (K, D), assign (B, T, K, H, W) -> (B, K, D)
    """
    return torch.einsum("btkhw,btdhw->bkd", assign, x) - assign.sum((1, 3, 4)).unsqueeze(2) * centres


class ActionVLAD(nn.Module):
    """Descriptors (B, T, D, H, W) -> vectors (B, KD) of length 1.

    The soft assignment, exp(-alpha |x - c|^2) divided by its sum over the centres, is the softmax of
    2 alpha c.x - alpha |c|^2, because |x|^2 cancels. As in NetVLAD these weights and the centres are separate
    parameters.
    """

    def __init__(self, size: int, clusters: int, alpha: float):
        super().__init__()
        self.assign = nn.Conv2d(size, clusters, 1)
        self.centres = nn.Parameter(torch.empty(clusters, size))
        self.outputs, self.alpha = clusters * size, alpha

    def set_centres(self, centres: Tensor, alpha: float) -> None:
        """Set centres and assignment to the k-means centres (K, D) of L2-normalised descriptors."""
        if centres.shape != self.centres.shape:
            shape, own_shape = tuple(centres.shape), tuple(self.centres.shape)
            raise UserError(
                f"the centres are (K, D) {shape} but the network's are {own_shape}: run kmeans for its layer"
            )
        with torch.no_grad():
            self.centres.copy_(centres)
            self.assign.weight.copy_(2 * alpha * self.centres[:, :, None, None])
            self.assign.bias.copy_(-alpha * self.centres.square().sum(1))  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        # At alpha 1000 half precision cannot tell neighbouring centres apart.
        with torch.autocast("cuda" if x.is_cuda else "cpu", enabled=False):
            x = functional.normalize(x.float(), dim=2)
            assign = self.assign(x.flatten(0, 1)).softmax(1).unflatten(0, x.shape[:2])  # (B, T, K, H, W)
            v = functional.normalize(vlad(x, self.centres, assign), dim=2)  # (B, K, D), intra-normalised
            return functional.normalize(v.flatten(1), dim=1)


class Average(nn.Module):
    """Descriptors (B, T, D, H, W) -> their mean over space and time (B, D)."""

    def __init__(self, size: int):
        super().__init__()
        self.outputs = size

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((1, 3, 4))


class Max(Average):
    """Descriptors (B, T, D, H, W) -> their maximum over space and time (B, D)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.amax((1, 3, 4))


POOLINGS = {"vlad": ActionVLAD, "average": Average, "max": Max}


class Trunk(VGG):
    """VGG-16 up to `layer`, under VGG-16's names: clips (B, C, T, H, W) -> descriptors (B, T, D, h, w)."""

    def __init__(self, channels: int, crop: int, layer: str, width: float, relu: bool):
        super().__init__(1, channels, crop, 0.0, width)
        self.layer = layer
        truncate(self, layer, relu)
        self.size = wide({"conv4_3": 512, "conv5_3": 512, "fc7": 4096}[layer], width)

    def convert_weights(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A VGG-16's state dict in this trunk's shapes, without the layers after the trunk."""
        return convert_weights({name: tensors[name] for name in self.state_dict() if name in tensors}, self)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 5:
            shape = tuple(x.shape[1:])
            raise UserError(f"ActionVLAD got an input of {shape} but takes clips of (C, T, H, W): stack frames")
        return descriptors(self, x.transpose(1, 2).flatten(0, 1), self.layer).unflatten(0, (len(x), -1))


def truncate(net: VGG, layer: str, relu: bool) -> None:
    """Remove VGG-16's layers after `layer`, and without `relu` the layer's own ReLU too."""
    end, sequence = (5, "classifier") if layer == "fc7" else (END[layer], "features")
    if sequence == "features":
        net.classifier = nn.Sequential()
    setattr(net, sequence, nn.Sequential(*list(getattr(net, sequence))[: end if relu else end - 1]))


def descriptors(net: VGG, x: Tensor, layer: str) -> Tensor:
    """The descriptors at every position of a VGG-16 truncated at `layer`. (B, C, H, W) -> (B, D, h, w), 1 x 1 of fc7"""
    return net.fc7(x)[:, :, None, None] if layer == "fc7" else net.maps(x, layer)


class OneStream(nn.Module):
    """Clips (B, C, T, H, W) -> logits (B, K)."""

    inputs: tuple[str, ...] = ("rgb",)

    def __init__(self, classes: int, trunk: Trunk, pooling: nn.Module, dropout: float):
        super().__init__()
        self.trunk, self.pooling, self.inputs = trunk, pooling, trunk.inputs
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(pooling.outputs, classes)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.pooling(self.trunk(x))))


class JointPooling(nn.Module):
    """Both streams' descriptors in one pooling, joined along D (`concat` fusion) or along time (`early` fusion).

    RGB clips (B, C, T, H, W), flow clips (B, C', T, H, W) -> logits (B, K)
    """

    inputs = ("rgb", "flow")

    def __init__(self, classes: int, rgb: Trunk, flow: Trunk, pooling: nn.Module, dropout: float, fusion: str):
        super().__init__()
        self.rgb, self.flow, self.pooling = rgb, flow, pooling
        self.dim = 2 if fusion == "concat" else 1
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(pooling.outputs, classes)  # type: ignore[arg-type]

    def set_centres(self, stream: str, centres: Tensor) -> None:
        """Set one stream's half of the centres to the k-means centres of its own descriptors.

        With `early` fusion it is half of the centres, (K / 2, D). With `concat` it is half of every centre, (K, D),
        divided by sqrt(2), because either half of a joint descriptor of length 1 is about 1 / sqrt(2) long.
        """
        if not isinstance(self.pooling, ActionVLAD):
            pooling = type(self.pooling).__name__
            raise UserError(f"it pools by {pooling}, which has no centres: take {stream}.centres out of init")
        joint_centres = self.pooling.centres.detach().clone()
        half = joint_centres.chunk(2, self.dim - 1)[self.inputs.index(stream)]
        if centres.shape != half.shape:
            shape, half_shape = tuple(centres.shape), tuple(half.shape)
            raise UserError(f"the centres of {stream} are {shape} but its half is {half_shape}: run kmeans for as many")
        half.copy_(centres / 2**0.5 if self.dim == 2 else centres)
        self.pooling.set_centres(joint_centres, self.pooling.alpha)

    def forward(self, rgb: Tensor, flow: Tensor) -> Tensor:
        if self.dim == 2 and rgb.shape[2] != flow.shape[2]:
            counts = f"{rgb.shape[2]} RGB frames but {flow.shape[2]} of flow"
            raise UserError(f"concat fusion got {counts}: give the same number of both")
        x = torch.cat([self.rgb(rgb), self.flow(flow)], self.dim)  # (B, T, 2D, h, w) or (B, 2T, D, h, w)
        return self.classifier(self.dropout(self.pooling(x)))


class LateFusion(nn.Module):
    """One network a stream: in training a tuple of both logits (B, K), in evaluation their weighted mean (B, K)."""

    inputs = ("rgb", "flow")

    def __init__(self, rgb: OneStream, flow: OneStream, weights: Sequence[float]):
        super().__init__()
        self.rgb, self.flow, self.weights = rgb, flow, tuple(weights)

    def forward(self, rgb: Tensor, flow: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        logits = self.rgb(rgb), self.flow(flow)
        if self.training:
            return logits
        rgb_weight, flow_weight = self.weights
        return (rgb_weight * logits[0] + flow_weight * logits[1]) / (rgb_weight + flow_weight)


def freeze(net: nn.Module, stage: int) -> None:
    """Leave trainable what the paper trains: in stage 1 the classifier; in stage 2 also the pooling and conv5_1 on."""
    for name, parameter in net.named_parameters():
        parts = name.split(".")
        if "features" in parts:
            trainable = stage == 2 and int(parts[parts.index("features") + 1]) >= CONV5_1
        else:
            trainable = stage == 2 or parts[-2] == "classifier"  # VGG's fc6 is classifier.0, with a number between
        parameter.requires_grad_(trainable)


def build(
    num_classes: int, channels: int = 3, crop: int = 224, layer: str = "conv5_3", pooling: str = "vlad",
    clusters: int = 64, alpha: float = 1000.0, relu: bool = False, dropout: float = 0.5, width: float = 1.0,
    stage: int = 0,
) -> OneStream:  # fmt: skip
    """One stream; its centres are random until `set_centres`. `stage` 1 or 2 freezes what the paper freezes in it."""
    trunk = Trunk(channels, crop, _check_choice("layer", layer, LAYERS), width, relu)
    net = OneStream(num_classes, trunk, _build_pooling(pooling, trunk.size, clusters, alpha), dropout)
    return _initialise(net, stage)


def two_stream(
    num_classes: int, channels: int = 3, flow_channels: int = 20, crop: int = 224, layer: str = "conv5_3",
    pooling: str = "vlad", fusion: str = "late", weights: Sequence[float] = (1, 2), clusters: int = 64,
    alpha: float = 1000.0, relu: bool = False, dropout: float = 0.5, width: float = 1.0, stage: int = 0,
) -> JointPooling | LateFusion:  # fmt: skip
    """Two streams joined by `fusion`; late fusion weighs RGB and flow by `weights`, 1:2 in the released code."""
    _check_choice("layer", layer, LAYERS)
    rgb, flow = (Trunk(c, crop, layer, width, relu) for c in (channels, flow_channels))
    size = rgb.size * (2 if _check_choice("fusion", fusion, FUSIONS) == "concat" else 1)

    def pool() -> nn.Module:
        return _build_pooling(pooling, size, clusters, alpha)

    if fusion == "late":
        streams = OneStream(num_classes, rgb, pool(), dropout), OneStream(num_classes, flow, pool(), dropout)
        return _initialise(LateFusion(*streams, weights=weights), stage)
    return _initialise(JointPooling(num_classes, rgb, flow, pool(), dropout, fusion), stage)


def _check_choice(option: str, value: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise UserError(
            f"ActionVLAD's {option} is {value!r} but must be one of {', '.join(choices)}: correct the recipe"
        )
    return value


def _build_pooling(name: str, size: int, clusters: int, alpha: float) -> nn.Module:
    pooling = POOLINGS[_check_choice("pooling", name, tuple(POOLINGS))]
    return pooling(size, clusters, alpha) if pooling is ActionVLAD else pooling(size)


def _initialise(net: N, stage: int) -> N:
    """Fresh weights and centres of random directions; `stage` 1 or 2 freezes parameters, and 0 none."""
    classifiers = [m for m in net.modules() if isinstance(m, OneStream | JointPooling)]
    initialise(net, *(m.classifier for m in classifiers))
    for layer in (m for m in net.modules() if isinstance(m, ActionVLAD)):
        layer.set_centres(functional.normalize(torch.randn_like(layer.centres)), layer.alpha)
    if stage:
        freeze(net, stage)
    return net
