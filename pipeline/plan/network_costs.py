"""Multiply-adds and parameters of the recipes' networks: network_costs.tsv, counted once for every recipe.

    python -m pipeline.plan.network_costs     counts again, after a recipe or a network has changed

A recipe that the table lacks, such as one of yours, is counted when a plan needs it, which takes a few seconds.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.common import cli, log
from pipeline.common.files import read_tsv, write_tsv
from pipeline.common.paths import EXPERIMENTS
from pipeline.config import recipes
from pipeline.config.recipe import Recipe

TABLE = Path(__file__).with_name("network_costs.tsv")
COLUMNS = ("network", "multiply_adds", "parameters")
CLASSES = 101  # of every count: another number of classes changes the last layer alone
IGNORED_OPTIONS = ("dropout",)  # they change neither number


class NetworkCost(NamedTuple):
    """`multiply_adds` of the forward pass of one clip at the recipe's crop size."""

    multiply_adds: float
    parameters: float


def cost_key(recipe: Recipe) -> str:
    """The settings of a recipe that change its cost, as a line of text: the table's column `network`."""
    options = {name: value for name, value in recipe.options.items() if name not in IGNORED_OPTIONS}
    values = [recipe.net, recipe.stack, recipe.flow_stack, recipe.frames, recipe.crop, recipe.partner]
    return json.dumps([*values, options], sort_keys=True).replace('"', "'")


def table() -> dict[str, NetworkCost]:
    """Key of a recipe -> cost, from network_costs.tsv."""
    rows = read_tsv(TABLE, COLUMNS)
    return {row["network"]: NetworkCost(float(row["multiply_adds"]), float(row["parameters"])) for row in rows}


def count(recipe: Recipe) -> NetworkCost:
    """Build the recipe's network on torch's meta device, which computes shapes only, and count its cost."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from pipeline.inputs import fast_volumes
    from pipeline.models import from_recipe

    with torch.device("meta"):
        net = from_recipe.build(recipe, CLASSES, CLASSES if recipe.partner == "tasks" else None).eval()
        clip = [torch.empty(1, *shape) for shape, _, _ in fast_volumes.buffer_shapes(recipe)]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(*clip)
    return NetworkCost(counter.get_total_flops() // 2, sum(parameter.numel() for parameter in net.parameters()))


def all_recipes() -> Iterator[Recipe]:
    """Every recipe of every experiment under every preset."""
    for path in sorted(EXPERIMENTS.glob("*.yaml")):
        for preset in sorted(recipes.presets(path)):
            yield from recipes.load(path, preset).runs.values()


def main(argv: Sequence[str]) -> None:
    """Count every recipe and write the table."""
    parser = cli.parser(__doc__)
    parser.add_argument("--out", type=Path, default=TABLE, help="the table to write")
    args = parser.parse_args(argv)
    by_key = {cost_key(recipe): recipe for recipe in all_recipes()}
    keys = log.progress(sorted(by_key), len(by_key), "networks")
    rows = [(key, *map(int, count(by_key[key]))) for key in keys]
    write_tsv(args.out, COLUMNS, rows)
    log.say(f"{args.out}: {len(rows)} networks")


if __name__ == "__main__":
    cli.run(main)
