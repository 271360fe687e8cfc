"""Receptive fields of a network's maps, followed through one forward pass by arithmetic alone."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary


class Field(NamedTuple):
    """What an element of a map sees of the input, and how far its neighbour's view is: frames, rows, columns."""

    sees: tuple[int, ...] = (1, 1, 1)
    steps: tuple[int, ...] = (1, 1, 1)

    def through(self, kernel: Sequence[int], stride: Sequence[int]) -> "Field":
        """After a convolution or a pool: k - 1 neighbours more."""
        kernel, stride = ([1] * (3 - len(axes)) + list(axes) for axes in (kernel, stride))
        sees = (s + (k - 1) * step for s, k, step in zip(self.sees, kernel, self.steps, strict=True))
        return Field(tuple(sees), tuple(s * step for s, step in zip(stride, self.steps, strict=True)))

    @staticmethod
    def widest(fields: Sequence["Field"]) -> "Field":
        """What an element sees where maps meet."""
        sees, steps = (tuple(map(max, zip(*axes, strict=True))) for axes in zip(*fields, strict=True))
        return Field(sees, steps)


class Fields(TorchDispatchMode):
    """Follows receptive fields through whatever is computed within, from the tensors that `of` has one for.

    Where branches meet, the widest counts. Maps over pictures leave time alone; means and linear layers change nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.of: Any = WeakTensorKeyDictionary()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        inputs = [self.of[x] for x in tree_leaves(args) if isinstance(x, Tensor) and x in self.of]
        if not inputs:
            return made
        field, name = Field.widest(inputs), function.__name__
        if name.startswith("convolution"):
            field = field.through(args[1].shape[2:], args[3])
        elif "pool" in name:
            field = field.through(*args[1:3])
        for tensor in tree_leaves(made):
            self.of[tensor] = field
        return made
