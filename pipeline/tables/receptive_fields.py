"""Receptive fields of a network's feature maps, by arithmetic during one forward pass (also on the meta device)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary


class ReceptiveField(NamedTuple):
    """Receptive field and cumulative stride of a feature map, (T, H, W)."""

    size: tuple[int, ...] = (1, 1, 1)
    stride: tuple[int, ...] = (1, 1, 1)

    def after(self, kernel: Sequence[int], stride: Sequence[int]) -> "ReceptiveField":
        """The receptive field after a convolution or a pooling, which adds k - 1 neighbours."""
        kernel, stride = ([1] * (3 - len(axes)) + list(axes) for axes in (kernel, stride))
        size = (s + (k - 1) * step for s, k, step in zip(self.size, kernel, self.stride, strict=True))
        return ReceptiveField(tuple(size), tuple(s * step for s, step in zip(stride, self.stride, strict=True)))

    @staticmethod
    def largest(fields: Sequence["ReceptiveField"]) -> "ReceptiveField":
        """The receptive field where maps are added or concatenated: the largest of theirs."""
        size, stride = (tuple(map(max, zip(*axes, strict=True))) for axes in zip(*fields, strict=True))
        return ReceptiveField(size, stride)


class ReceptiveFields(TorchDispatchMode):
    """While active, computes the receptive field of every tensor that depends on one in `of`.

    `of` holds the inputs' fields at first. Where branches meet, the largest field counts. Operations on single frames
    leave the time axis alone; means and linear layers change nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.of: Any = WeakTensorKeyDictionary()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        outputs = function(*args, **(kwargs or {}))
        fields = [self.of[x] for x in tree_leaves(args) if isinstance(x, Tensor) and x in self.of]
        if not fields:
            return outputs
        field, name = ReceptiveField.largest(fields), function.__name__
        if name.startswith("convolution"):
            field = field.after(args[1].shape[2:], args[3])
        elif "pool" in name:
            field = field.after(*args[1:3])
        for tensor in tree_leaves(outputs):
            self.of[tensor] = field
        return outputs
