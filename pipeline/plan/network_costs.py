"""What a network computes for one clip, and its parameters: network_costs.tsv, counted once for every recipe.

    python -m pipeline.plan.network_costs     counts again, after a recipe or a network has changed

A recipe that the table does not have, such as one of yours, is counted on the spot; that takes seconds, as torch does.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.common import cli, log
from pipeline.common.files import read_tsv, write_tsv
from pipeline.common.paths import EXPERIMENTS
from pipeline.config import recipes
from pipeline.config.recipes import Recipe

TABLE = Path(__file__).with_name("network_costs.tsv")
COLUMNS = ("network", "multiply_adds", "parameters")
CLASSES = 101  # of every count: other classes change a last layer alone
PLAIN = ("dropout",)  # options that change neither number


class Network(NamedTuple):
    """`multiply_adds` of one clip's forward pass, at the recipe's crop."""

    multiply_adds: float
    parameters: float


def key(recipe: Recipe) -> str:
    """What the counts depend on, as a line of text."""
    options = {name: value for name, value in recipe["options"].items() if name not in PLAIN}
    parts = [recipe["net"], recipe["stack"], recipe["flow_stack"], recipe["frames"], recipe["crop"], recipe["partner"]]
    return json.dumps([*parts, options], sort_keys=True).replace('"', "'")


def table() -> dict[str, Network]:
    """The counts that are kept, by key."""
    rows = read_tsv(TABLE, COLUMNS)
    return {row["network"]: Network(float(row["multiply_adds"]), float(row["parameters"])) for row in rows}


def counted(recipe: Recipe) -> Network:
    """Counted now, without computing it (torch's meta device)."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from pipeline.inputs import fast_volumes
    from pipeline.models import from_recipe

    with torch.device("meta"):
        net = from_recipe.build(recipe, CLASSES, CLASSES if recipe["partner"] == "tasks" else None).eval()
        clip = [torch.empty(1, *shape) for shape, _, _ in fast_volumes.shapes(recipe)]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(*clip)
    return Network(counter.get_total_flops() // 2, sum(parameter.numel() for parameter in net.parameters()))


def every() -> Iterator[Recipe]:
    """Every recipe of every experiment under every preset."""
    for path in sorted(EXPERIMENTS.glob("*.yaml")):
        for preset in sorted(recipes.presets(path)):
            yield from recipes.load(path, preset).runs.values()


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("--out", type=Path, default=TABLE, help="the table to write")
    a = parser.parse_args(argv)
    distinct = {key(recipe): recipe for recipe in every()}
    done = log.progress(sorted(distinct), len(distinct), "networks")
    rows = [(name, *map(int, counted(distinct[name]))) for name in done]
    write_tsv(a.out, COLUMNS, rows)
    log.say(f"{a.out}: {len(rows)} networks")


if __name__ == "__main__":
    cli.run(main)
