"""FstCN, factorised spatio-temporal convolutional networks (Sun et al. 2015, arXiv 1510.00562), on 204x204 crops.

shared SCLs  Conv(96,7,2) LRN Pool(3,2)  Conv(256,5,2) LRN Pool(3,2)  Conv(512,3,1)  Conv(512,3,1)
TCL path     Conv(128,3,1) Pool(3,3)  T-P operator  Conv(32,3,1) and Conv(32,5,1) side by side, dropout  fc 4096, 2048
SCL path     Conv(512,3,1) Pool(3,2)  fc 4096, 2048
             concatenation, fc

The paper's figure gives no size for the SCL path's convolution. Here it is CNN-M's, so that scl, spatial and auxiliary
together are CNN-M-2048 and its weights fit: 204 pixels end in the same 6x6 map as CNN-M's 224.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from pipeline.common.errors import UserError
from pipeline.models.blocks import conv, fc, initialise, lrn, pool, wide
from pipeline.models.transfer import convert_weights

PATHS = {"spatial": "rgb", "temporal": "difference"}  # path -> its input

# Prefix of CNN-M-2048's tensor names -> FstCN's
CNN_M_NAMES = {
    **{f"features.{number}.": f"scl.{number}." for number in (0, 3, 6, 7)},
    "features.8.": "spatial.0.", "classifier.0.": "spatial.3.", "classifier.1.": "spatial.4.",
    "classifier.2.": "auxiliary.",
}  # fmt: skip


class TPOperator(nn.Module):
    """The transformation and permutation operator: positions flattened into one axis, filters multiplied by P.

    (B, T, F, H, W) -> (B, HW, T, F). P is the identity at first; the paper does not say how it is initialised.
    """

    def __init__(self, filters: int):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(filters))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(3).permute(0, 3, 1, 2) @ self.weight  # (B, HW, T, F) P


class TCL(nn.Module):
    """Convolutions over (T, F), one of each size in `kernels`, concatenated.

    (B, HW, T, F) -> (B, 32 len(kernels), T, F)
    """

    def __init__(self, positions: int, filters: int, kernels: Sequence[int], dropout: float):
        super().__init__()
        self.branches = nn.ModuleDict()
        for kernel in kernels:
            layer = conv(positions, filters, kernel, padding=kernel // 2)
            self.branches[f"{kernel}x{kernel}"] = nn.Sequential(layer, nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches.values()], 1)


def shared_scls(width: float, stride2: int) -> nn.Sequential:
    """The lower layers of both paths, on single pictures. (B, 3, 204, 204) -> (B, 512, 12, 12)"""
    c1, c2, c3 = (wide(filters, width) for filters in (96, 256, 512))
    return nn.Sequential(
        conv(3, c1, 7, stride=2), lrn(), pool(),  # (B, 96, 49, 49)
        conv(c1, c2, 5, stride=stride2, padding=1), lrn(), pool(),  # (B, 256, 12, 12)
        conv(c2, c3, 3, padding=1),
        conv(c3, c3, 3, padding=1),
    )  # fmt: skip


def tcl_path(side: int, frames: int, kernels: Sequence[int], dropout: float, width: float) -> nn.Sequential:
    """(BT, 512, 12, 12) -> (B, 2048)"""
    c3, c4, c5, f6, f7 = (wide(filters, width) for filters in (512, 128, 32, 4096, 2048))
    positions = (-(-side // 3)) ** 2
    return nn.Sequential(
        conv(c3, c4, 3, padding=1), nn.MaxPool2d(3, 3, ceil_mode=True),  # (BT, 128, 4, 4)
        nn.Unflatten(0, (-1, frames)), TPOperator(c4),  # (B, 16, T, 128)
        TCL(positions, c5, kernels, dropout), nn.Flatten(),  # (B, 64 T 128)
        fc(c5 * len(kernels) * frames * c4, f6, dropout),
        fc(f6, f7, dropout),
    )  # fmt: skip


def scl_path(side: int, dropout: float, width: float) -> nn.Sequential:
    """(B, 512, 12, 12) -> (B, 2048)"""
    c3, f6, f7 = (wide(filters, width) for filters in (512, 4096, 2048))
    return nn.Sequential(
        conv(c3, c3, 3, padding=1), pool(), nn.Flatten(),  # (B, 512 6 6)
        fc(c3 * (side // 2) ** 2, f6, dropout),
        fc(f6, f7, dropout),
    )  # fmt: skip


class FstCN(nn.Module):
    """RGB (B, 3, T, H, W) and its differences (B, 3, T, H, W) -> logits (B, K).

    The SCL path sees one picture of RGB: a random one in training, the middle one in evaluation. `inputs` depends on
    the network's `paths`; in training steps 1 and 2 it is ("rgb",).
    """

    inputs: tuple[str, ...] = ("rgb", "difference")
    stem = "scl.0.0"
    spatial: nn.Sequential
    temporal: nn.Sequential
    auxiliary: nn.Linear

    def __init__(
        self, classes: int, frames: int, crop: int, dropout: float, width: float, stride2: int, kernels: Sequence[int],
        paths: Sequence[str],
    ):  # fmt: skip
        super().__init__()
        self.frames, self.crop, self.paths, self.step = frames, crop, tuple(paths), 3
        self.scl = shared_scls(width, stride2)
        side, f7 = self._map_side(), wide(2048, width)
        if "temporal" in paths:
            self.temporal = tcl_path(side, frames, kernels, dropout, width)
        if "spatial" in paths:
            self.spatial = scl_path(side, dropout, width)
            self.auxiliary = nn.Linear(f7, classes)
        self.classifier = nn.Linear(f7 * len(paths), classes)

    def forward(self, *clips: Tensor) -> Tensor:
        inputs = dict(zip(self.inputs, clips, strict=True))
        for name, clip in inputs.items():
            self._check(name, clip)
        if self.step < 3:
            return self.auxiliary(self.appearance(inputs["rgb"]))
        features = {"spatial": self.appearance, "temporal": self.motion}
        return self.classifier(torch.cat([features[path](inputs[PATHS[path]]) for path in self.paths], 1))

    def appearance(self, rgb: Tensor) -> Tensor:
        """The SCL path's fc7 of one picture of each clip. (B, 3, T, H, W) -> (B, 2048)"""
        batch, frames = rgb.shape[0], rgb.shape[2]
        index = torch.randint(frames, (batch,)) if self.training else torch.full((batch,), frames // 2)
        return self.spatial(self.scl(rgb[torch.arange(batch), :, index]))

    def motion(self, difference: Tensor) -> Tensor:
        """The TCL path's fc7. (B, 3, T, H, W) -> (B, 2048)"""
        return self.temporal(self.scl(difference.transpose(1, 2).flatten(0, 1)))  # (BT, 3, H, W)

    def rename_weights(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """CNN-M-2048's state dict under this network's names; any other state dict as it is."""
        if "features.0.0.weight" not in tensors:
            return tensors
        prefixes = ((name, prefix) for name in tensors for prefix in CNN_M_NAMES if name.startswith(prefix))
        return {name.replace(prefix, CNN_M_NAMES[prefix], 1): tensors[name] for name, prefix in prefixes}

    def convert_weights(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state dict of an earlier training step in this network's shapes.

        A path that the weights lack keeps this network's own weights, and one that this network lacks is left out.
        """
        own = self.state_dict()
        modules, source_modules = ({name.split(".")[0] for name in names} for names in (own, tensors))
        new = {*PATHS, "auxiliary"} - source_modules
        fresh = {name: tensor for name, tensor in own.items() if name.split(".")[0] in new}
        learned = {name: tensor for name, tensor in tensors.items() if name.split(".")[0] in modules}
        return convert_weights(fresh | learned, self)

    def stage(self, number: int) -> list[nn.Parameter]:
        """Put the network into training step 1, 2 or 3, and return the parameters that the step trains.

        1: shared SCLs, SCL path and auxiliary classifier, on ImageNet. 2: the same network on pictures of videos, of
        which only the last three layers train. 3: all layers except the auxiliary classifier.
        """
        if number not in (1, 2, 3) or (number < 3 and "spatial" not in self.paths):
            paths = " and ".join(self.paths)
            raise UserError(f"FstCN with the {paths} path has no training step {number}: choose step 3")
        self.step, self.inputs = number, ("rgb",) if number < 3 else tuple(PATHS[path] for path in self.paths)
        self.requires_grad_(False)
        for module in self._trained_modules(number):
            module.requires_grad_(True)
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def _trained_modules(self, number: int) -> list[nn.Module]:
        if number == 3:
            return [self.scl, *(getattr(self, path) for path in self.paths), self.classifier]
        return [self.scl, self.spatial, self.auxiliary] if number == 1 else [self.spatial[3:], self.auxiliary]

    def _map_side(self) -> int:
        """Height and width of the shared SCLs' map, by a forward pass."""
        try:
            with torch.no_grad():
                return self.scl(torch.zeros(1, 3, self.crop, self.crop)).shape[2]
        except RuntimeError as error:
            raise UserError(
                f"FstCN cannot take crops of {self.crop} pixels, which its pools shrink to nothing: make crop larger"
            ) from error

    def _check(self, name: str, clip: Tensor) -> None:
        frames = clip.shape[2] if name == "rgb" else self.frames  # RGB may have any number of pictures
        if clip.shape[1:] != (expected := (3, frames, self.crop, self.crop)):
            raise UserError(
                f"FstCN got {name} of shape {tuple(clip.shape[1:])} but was built for {expected}: change frames or crop"
            )


def build(
    num_classes: int, frames: int = 5, crop: int = 204, dropout: float = 0.5, width: float = 1.0, stride2: int = 2,
    kernels: Sequence[int] = (3, 5), paths: Sequence[str] = ("spatial", "temporal"), stage: int = 3,
) -> FstCN:  # fmt: skip
    """FstCN in training step `stage`; `kernels` (3,) or (5,) are Table 1's variants, one of `paths` alone Table 2's.

    Clips have `frames` pictures. The sources say five without saying whether that is a clip's length.
    """
    if not paths or set(paths) - set(PATHS):
        raise UserError(f"FstCN has no paths {', '.join(paths) or 'at all'}: choose of {', '.join(PATHS)}")
    net = FstCN(num_classes, frames, crop, dropout, width, stride2, kernels, paths)
    net.stage(stage)
    return initialise(net, net.classifier, *([net.auxiliary] if "spatial" in paths else []))
