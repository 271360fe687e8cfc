"""The learning rate of a step: dropped at fixed steps or when validation stops improving, after a linear warm-up."""

from typing import Any

from pipeline.config.recipes import Recipe


class Schedule:
    """A recipe's schedule; only `plateau` has a state, which a checkpoint keeps."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.state: dict[str, Any] = {"best": None, "waited": 0, "fallen": 0}

    def rate(self, step: int) -> float:
        """The rate of step `step`, counted from 0: times `factor` from each of `drops` on."""
        recipe = self.recipe
        fallen = self.state["fallen"] if recipe["plateau"] else sum(step >= drop for drop in recipe["drops"])
        warm = min(1.0, (step + 1) / recipe["warmup"]) if recipe["warmup"] else 1.0
        return recipe["rate"] * recipe["factor"] ** fallen * warm

    def due(self, step: int) -> bool:
        """Whether validation is to be asked after `step` steps."""
        plateau = self.recipe["plateau"]
        return bool(plateau) and step % plateau["every"] == 0

    def tell(self, loss: float) -> None:
        """A validation loss; the rate falls once `patience` of them have been no better than the best."""
        state = self.state
        if state["best"] is None or loss < state["best"]:
            state.update(best=loss, waited=0)
            return
        state["waited"] += 1
        if state["waited"] >= self.recipe["plateau"]["patience"]:
            state.update(waited=0, fallen=state["fallen"] + 1)
