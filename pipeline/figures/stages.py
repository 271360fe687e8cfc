"""The stages behind a table as boxes with arrows, from left to right, by the jobs that ran: no graphviz is needed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.figures import style

Edges = Mapping[str, set[str]]  # rule -> the rules whose files it reads


def levels(edges: Edges) -> dict[str, int]:
    """Rule -> the length of the longest way to it; rules that read one another's files share the last place found."""
    found = dict.fromkeys(edges, 0)
    for _ in edges:
        for rule, before in edges.items():
            deepest = max((found[name] for name in before if name in found), default=-1)
            found[rule] = min(max(found[rule], deepest + 1), len(edges) - 1)
    return found


def order(edges: Edges) -> list[str]:
    """The rules from the first to the last."""
    depth = levels(edges)
    return sorted(depth, key=lambda rule: (depth[rule], rule))


def draw(edges: Edges, costs: Mapping[str, Sequence[str]], title: str, out: Path) -> None:
    """A column a level; `costs` are a rule's jobs and their seconds, written into its box."""
    if not edges:
        style.message(out, title, "Snakemake has no record of the jobs that made the table: it was made elsewhere.")
        return
    depth = levels(edges)
    columns = [[rule for rule in order(edges) if depth[rule] == level] for level in range(1 + max(depth.values()))]
    tallest = max(map(len, columns))
    made = style.figure(max(style.WIDTH, 1.75 * len(columns)), 1.2 + 0.95 * tallest)
    axes = made.subplots()
    axes.axis("off")
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(-tallest / 2, tallest / 2))
    places = {rule: (x, (len(column) - 1) / 2 - y) for x, column in enumerate(columns) for y, rule in enumerate(column)}
    for rule, (x, y) in places.items():
        words = f"{rule.replace('_', ' ')}\n{costs[rule][0]} jobs, {costs[rule][1]} s"
        axes.text(x, y, words, ha="center", va="center", fontsize=9, zorder=3,
                  bbox={"boxstyle": "round,pad=0.45", "fc": "white", "ec": style.DARK})  # fmt: skip
        for before in sorted(edges[rule] & places.keys()):
            bend = 0.0 if x - places[before][0] == 1 else 0.25 if y >= 0 else -0.25
            axes.annotate("", (x - 0.36, y), (places[before][0] + 0.36, places[before][1]), zorder=1,
                          arrowprops={"arrowstyle": "-|>", "color": style.MIDDLE, "lw": 1.1,
                                      "connectionstyle": f"arc3,rad={bend}"})  # fmt: skip
    made.suptitle(title, x=0.01, ha="left", weight="bold")
    ways = "; ".join(f"{rule} reads {', '.join(sorted(edges[rule]))}" for rule in order(edges) if edges[rule])
    style.save(made, out, title, f"The stages behind the table: {ways}.")
