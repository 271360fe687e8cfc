"""A recipe's network: built for its inputs, its clip and its classes."""

from typing import Any

from torch import nn

from pipeline.common.errors import UserError
from pipeline.config.recipe import Recipe
from pipeline.inputs import clip_sampling
from pipeline.models import builders


def options(recipe: Recipe, second_classes: int | None = None) -> dict[str, Any]:
    """What the network is told beside the classes: the recipe's options, and what its clip and inputs decide."""
    channels = clip_sampling.channels(recipe)
    decided = {
        "channels": next(iter(channels.values())),
        "flow_channels": channels.get("flow"),
        "crop": recipe.crop,
        "frames": recipe.frames,
        "second_classes": second_classes,
    }
    takes = builders.options_of(recipe.net)
    known = {key: value for key, value in decided.items() if key in takes and value is not None}
    return {**known, **recipe.options}


def build(recipe: Recipe, classes: int, second_classes: int | None = None) -> nn.Module:
    """The network with fresh weights; one whose inputs are not the recipe's is a UserError."""
    net = builders.build(recipe.net, num_classes=classes, **options(recipe, second_classes))
    if len(net.inputs) == len(recipe.stack) == 1:  # type: ignore[arg-type]
        net.inputs = tuple(recipe.stack)  # type: ignore[assignment]  # a network of one input takes any of as many channels
    if list(net.inputs) != list(recipe.stack):  # type: ignore[arg-type]
        wanted = ", ".join(net.inputs)  # type: ignore[arg-type]
        raise UserError(f"{recipe.net} looks at {wanted} but the recipe's stack is {recipe.stack}: mend stack")
    return net
