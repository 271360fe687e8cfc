"""A recipe's network, built for the recipe's inputs and clips and for a number of classes."""

from typing import Any

from torch import nn

from pipeline.common.errors import UserError
from pipeline.config.recipe import Recipe
from pipeline.inputs import clip_sampling
from pipeline.models import builders


def options(recipe: Recipe, second_classes: int | None = None) -> dict[str, Any]:
    """The options of a network's builder except `num_classes`: those of the recipe and those that follow from it.

    `second_classes` is the number of classes of the second task of a multi-task network.
    """
    channels = clip_sampling.channels(recipe)
    derived = {
        "channels": next(iter(channels.values())),
        "flow_channels": channels.get("flow"),
        "crop": recipe.crop,
        "frames": recipe.frames,
        "second_classes": second_classes,
    }
    accepted = builders.options_of(recipe.net)
    return {**{k: v for k, v in derived.items() if k in accepted and v is not None}, **recipe.options}


def build(recipe: Recipe, classes: int, second_classes: int | None = None) -> nn.Module:
    """The network with random weights; raises UserError if its inputs are not those of the recipe's `stack`.

    A network of one input takes any input with the same number of channels.
    """
    net = builders.build(recipe.net, num_classes=classes, **options(recipe, second_classes))
    if len(net.inputs) == len(recipe.stack) == 1:  # type: ignore[arg-type]
        net.inputs = tuple(recipe.stack)  # type: ignore[assignment]
    if list(net.inputs) != list(recipe.stack):  # type: ignore[arg-type]
        inputs = ", ".join(net.inputs)  # type: ignore[arg-type]
        raise UserError(f"{recipe.net} takes {inputs} but the recipe's stack is {recipe.stack}: correct stack")
    return net
