"""The stages behind a table as boxes with arrows, from the top down, by the jobs that ran: no graphviz is needed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from pipeline.report import style

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
    """A row a level, from the top down; `costs` are a rule's jobs and their seconds, written into its box."""
    if not edges:
        style.message(out, title, "Snakemake has no record of the jobs that made the table: it was made elsewhere.")
        return
    depth = levels(edges)
    rows = [[rule for rule in order(edges) if depth[rule] == level] for level in range(1 + max(depth.values()))]
    widest = max(map(len, rows))
    made = style.figure(max(6.0, 2.3 * widest), 0.6 + 0.68 * len(rows))
    axes = made.subplots()
    axes.axis("off")
    axes.set(xlim=(-widest / 2 - 0.3, widest / 2 + 0.3), ylim=(len(rows) - 0.6, -0.4))
    places = {rule: (x - (len(row) - 1) / 2, y) for y, row in enumerate(rows) for x, rule in enumerate(row)}
    for rule, (x, y) in places.items():
        jobs = f"{costs[rule][0]} job{'' if costs[rule][0] == '1' else 's'}"
        axes.text(x, y, f"{rule.replace('_', ' ')}\n{jobs}, {costs[rule][1]} s", ha="center", va="center", zorder=3,
                  fontsize=10, bbox={"boxstyle": "round,pad=0.3", "fc": "white", "ec": style.DARK})  # fmt: skip
        for before in sorted(edges[rule] & places.keys()):
            _arrow(axes, places[before], (x, y))
    style.title(made, title)
    ways = "; ".join(f"{rule} reads {', '.join(sorted(edges[rule]))}" for rule in order(edges) if edges[rule])
    style.save(made, out, title, f"The stages behind the table: {ways}.")


def _arrow(axes: Axes, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """Straight down to the next level; around the boxes between to a later one."""
    far = end[1] - begin[1]
    side = 1 if end[0] >= begin[0] else -1
    bend = 0.0 if far == 1 else -side * (0.35 + 0.02 * far)
    look = {"arrowstyle": "-|>", "color": style.MIDDLE, "lw": 1.1, "shrinkA": 16, "shrinkB": 16,
            "connectionstyle": f"arc3,rad={bend}"}  # fmt: skip
    axes.annotate("", end, begin, zorder=1, arrowprops=look)
