"""The learning rate of each step: dropped at milestones or when validation stops improving, after a linear warm-up."""

from typing import Any

from pipeline.config.recipe import Recipe


class Schedule:
    """A recipe's schedule of the learning rate; only with `plateau` it has a state, which checkpoints keep."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.plateau: dict[str, Any] = recipe.plateau or {}
        self.state: dict[str, Any] = {"best_loss": None, "bad_checks": 0, "num_drops": 0}

    def lr(self, step: int) -> float:
        """The learning rate of a step, counted from 0: `lr` times `gamma` for every milestone that is reached."""
        recipe = self.recipe
        drops = self.state["num_drops"] if self.plateau else sum(step >= milestone for milestone in recipe.milestones)
        warmup = min(1.0, (step + 1) / recipe.warmup_steps) if recipe.warmup_steps else 1.0
        return recipe.lr * recipe.gamma**drops * warmup

    def should_validate(self, steps: int) -> bool:
        """Whether the held-out videos are validated after so many steps."""
        return bool(self.plateau) and steps % self.plateau["every"] == 0

    def step(self, loss: float) -> None:
        """Take a validation loss; the rate drops after `patience` losses in a row that are no better than the best."""
        state = self.state
        if state["best_loss"] is None or loss < state["best_loss"]:
            state.update(best_loss=loss, bad_checks=0)
            return
        state["bad_checks"] += 1
        if state["bad_checks"] >= self.plateau["patience"]:
            state.update(bad_checks=0, num_drops=state["num_drops"] + 1)
