"""ActionVLAD (Girdhar et al. 2017): VGG-16's descriptors of all places and frames, pooled into one vector a video.

Published form: conv5_3 of 25 frames, 64 centres, alpha 1000; 64 x 512 numbers a video and a linear layer on them. Other
layers (Table 2a), average and max pooling (Table 2b) and two streams (Table 3a) are options of the same net. A layer is
pooled before its ReLU, as in the release, which says that performance was low behind it; `relu=True` pools it there.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.common.errors import UserError
from pipeline.models.blocks import initialise, wide
from pipeline.models.stems import carried
from pipeline.models.vgg import END, VGG

LAYERS = ("conv4_3", "conv5_3", "fc7")
FUSIONS = ("concat", "early", "late")
N = TypeVar("N", bound=nn.Module)
CONV5_1 = 24  # its number among VGG's `features`


def vlad(x: Tensor, centres: Tensor, assign: Tensor) -> Tensor:
    """Residuals to K centres, summed over space and time (eq. 1).

    x (B, T, D, H, W), centres (K, D), assign (B, T, K, H, W) -> (B, K, D)
    """
    return torch.einsum("btkhw,btdhw->bkd", assign, x) - assign.sum((1, 3, 4)).unsqueeze(2) * centres


class ActionVLAD(nn.Module):
    """Descriptors (B, T, D, H, W) -> (B, KD), of length 1.

    The soft assignment, exp(-alpha |x - c|^2) over its sum, is a softmax of 2 alpha c.x - alpha |c|^2, because |x|^2
    cancels; as in NetVLAD these weights and the centres are trained apart from each other.
    """

    def __init__(self, size: int, clusters: int, alpha: float):
        super().__init__()
        self.assign = nn.Conv2d(size, clusters, 1)
        self.centres = nn.Parameter(torch.empty(clusters, size))
        self.outputs, self.alpha = clusters * size, alpha

    def set_centres(self, centres: Tensor, alpha: float) -> None:
        """Begin from these (K, D), the k-means of L2-normalised descriptors."""
        if centres.shape != self.centres.shape:
            got, wanted = tuple(centres.shape), tuple(self.centres.shape)
            raise UserError(f"the centres are (K, D) {got} but the network's are {wanted}: run kmeans for its layer")
        with torch.no_grad():
            self.centres.copy_(centres)
            self.assign.weight.copy_(2 * alpha * self.centres[:, :, None, None])
            self.assign.bias.copy_(-alpha * self.centres.square().sum(1))  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        # At alpha 1000 half precision would mix neighbouring centres up.
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
        cut(self, layer, relu)
        self.size = wide({"conv4_3": 512, "conv5_3": 512, "fc7": 4096}[layer], width)

    def adapted(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """This trunk's state dict from a whole VGG-16's."""
        return pretrained(tensors, self)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 5:
            got = tuple(x.shape[1:])
            raise UserError(f"ActionVLAD got an input of {got} but takes clips of (C, T, H, W): stack frames")
        return descriptors(self, x.transpose(1, 2).flatten(0, 1), self.layer).unflatten(0, (len(x), -1))


def cut(net: VGG, layer: str, relu: bool) -> None:
    """Take from VGG-16 what comes after `layer`, and the layer's own ReLU unless `relu`."""
    last, top = (5, "classifier") if layer == "fc7" else (END[layer], "features")
    if top == "features":
        net.classifier = nn.Sequential()
    setattr(net, top, nn.Sequential(*list(getattr(net, top))[: last if relu else last - 1]))


def descriptors(net: VGG, x: Tensor, layer: str) -> Tensor:
    """What a VGG-16 cut at `layer` knows of each place: (B, C, H, W) -> (B, D, h, w); fc7 knows of one place."""
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


class Joint(nn.Module):
    """Both streams' descriptors in one pooling: side by side in a longer one, `concat`, or as more of them, `early`."""

    inputs = ("rgb", "flow")

    def __init__(self, classes: int, rgb: Trunk, flow: Trunk, pooling: nn.Module, dropout: float, fusion: str):
        super().__init__()
        self.rgb, self.flow, self.pooling = rgb, flow, pooling
        self.dim = 2 if fusion == "concat" else 1
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(pooling.outputs, classes)  # type: ignore[arg-type]

    def set_centres(self, stream: str, centres: Tensor) -> None:
        """Begin a stream's share from its own k-means.

        Of `early` that is half of the centres, (K / 2, D); of `concat` half of every centre, (K, D), which is divided
        by sqrt(2), about the length of either half of a joint descriptor of length 1.
        """
        if not isinstance(self.pooling, ActionVLAD):
            kind = type(self.pooling).__name__
            raise UserError(f"it pools by {kind}, which has no centres: take {stream}.centres out of init")
        whole = self.pooling.centres.detach().clone()
        part = whole.chunk(2, self.dim - 1)[self.inputs.index(stream)]
        if centres.shape != part.shape:
            got, wanted = tuple(centres.shape), tuple(part.shape)
            raise UserError(f"the centres of {stream} are {got} but its share is {wanted}: run kmeans for as many")
        part.copy_(centres / 2**0.5 if self.dim == 2 else centres)
        self.pooling.set_centres(whole, self.pooling.alpha)

    def forward(self, rgb: Tensor, flow: Tensor) -> Tensor:
        if self.dim == 2 and rgb.shape[2] != flow.shape[2]:
            counts = f"{rgb.shape[2]} RGB frames but {flow.shape[2]} of flow"
            raise UserError(f"concat fusion got {counts}: give both as many")
        both = torch.cat([self.rgb(rgb), self.flow(flow)], self.dim)  # (B, T, 2D, h, w) or (B, 2T, D, h, w)
        return self.classifier(self.dropout(self.pooling(both)))


class Late(nn.Module):
    """A net a stream: in training a tuple of both logits (B, K), each with its loss; in tests their weighted mean."""

    inputs = ("rgb", "flow")

    def __init__(self, rgb: OneStream, flow: OneStream, weights: Sequence[float]):
        super().__init__()
        self.rgb, self.flow, self.weights = rgb, flow, tuple(weights)

    def forward(self, rgb: Tensor, flow: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        logits = self.rgb(rgb), self.flow(flow)
        if self.training:
            return logits
        a, b = self.weights
        return (a * logits[0] + b * logits[1]) / (a + b)


def pretrained(tensors: Mapping[str, Tensor], trunk: Trunk) -> dict[str, Tensor]:
    """VGG-16's tensors for a trunk: what lies behind its layer is left out, conv1 is carried from RGB to flow."""
    return carried({name: tensor for name, tensor in tensors.items() if name in trunk.state_dict()}, trunk)


def freeze(net: nn.Module, stage: int) -> None:
    """Stage 1 trains the classifier alone; stage 2 the centres and assignment, too, and VGG-16 from conv5_1 on."""
    for name, parameter in net.named_parameters():
        parts = name.split(".")
        if "features" in parts:
            trained = stage == 2 and int(parts[parts.index("features") + 1]) >= CONV5_1
        else:
            trained = stage == 2 or _is_last(parts)
        parameter.requires_grad_(trained)


def _is_last(parts: Sequence[str]) -> bool:
    return parts[-2] == "classifier"  # fc6 and fc7 have a number between


def build(
    num_classes: int, channels: int = 3, crop: int = 224, layer: str = "conv5_3", pooling: str = "vlad",
    clusters: int = 64, alpha: float = 1000.0, relu: bool = False, dropout: float = 0.5, width: float = 1.0,
    stage: int = 0,
) -> OneStream:  # fmt: skip
    """One stream; its centres are noise until `set_centres`. `stage` 1 or 2 freezes what the paper freezes in it."""
    trunk = Trunk(channels, crop, _one_of("layer", layer, LAYERS), width, relu)
    net = OneStream(num_classes, trunk, _pooling(pooling, trunk.size, clusters, alpha), dropout)
    return _ready(net, stage)


def two_stream(
    num_classes: int, channels: int = 3, flow_channels: int = 20, crop: int = 224, layer: str = "conv5_3",
    pooling: str = "vlad", fusion: str = "late", weights: Sequence[float] = (1, 2), clusters: int = 64,
    alpha: float = 1000.0, relu: bool = False, dropout: float = 0.5, width: float = 1.0, stage: int = 0,
) -> Joint | Late:  # fmt: skip
    """Two streams by `fusion`; `weights` of late fusion are RGB's and flow's, 1:2 in the released code."""
    _one_of("layer", layer, LAYERS)
    rgb, flow = (Trunk(c, crop, layer, width, relu) for c in (channels, flow_channels))
    size = rgb.size * (2 if _one_of("fusion", fusion, FUSIONS) == "concat" else 1)

    def pool() -> nn.Module:
        return _pooling(pooling, size, clusters, alpha)

    if fusion == "late":
        streams = OneStream(num_classes, rgb, pool(), dropout), OneStream(num_classes, flow, pool(), dropout)
        return _ready(Late(*streams, weights=weights), stage)
    return _ready(Joint(num_classes, rgb, flow, pool(), dropout, fusion), stage)


def _one_of(option: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise UserError(f"ActionVLAD's {option} is {value!r} but must be one of {', '.join(known)}: mend the recipe")
    return value


def _pooling(kind: str, size: int, clusters: int, alpha: float) -> nn.Module:
    pool = POOLINGS[_one_of("pooling", kind, tuple(POOLINGS))]
    return pool(size, clusters, alpha) if pool is ActionVLAD else pool(size)


def _ready(net: N, stage: int) -> N:
    """Fresh weights, centres of random directions, and what `stage` freezes frozen; stage 0 freezes nothing."""
    classifiers = [m for m in net.modules() if isinstance(m, OneStream | Joint)]
    initialise(net, *(m.classifier for m in classifiers))
    for layer in (m for m in net.modules() if isinstance(m, ActionVLAD)):
        layer.set_centres(functional.normalize(torch.randn_like(layer.centres)), layer.alpha)
    if stage:
        freeze(net, stage)
    return net
