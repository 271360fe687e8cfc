"""A graph of the stages behind a table, as boxes and arrows from the top down, drawn without graphviz."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from pipeline.report import style

Edges = Mapping[str, set[str]]  # rule -> the rules whose files it reads


def levels(edges: Edges) -> dict[str, int]:
    """Rule -> the length of the longest path to it, by relaxation; in a cycle at most the number of rules."""
    depth = dict.fromkeys(edges, 0)
    for _ in edges:
        for rule, sources in edges.items():
            deepest = max((depth[name] for name in sources if name in depth), default=-1)
            depth[rule] = min(max(depth[rule], deepest + 1), len(edges) - 1)
    return depth


def order(edges: Edges) -> list[str]:
    """The rules in the order of their levels, those of one level by name."""
    depth = levels(edges)
    return sorted(depth, key=lambda rule: (depth[rule], rule))


def draw(edges: Edges, costs: Mapping[str, Sequence[str]], title: str, out: Path) -> None:
    """Draw a row of boxes for each level; `costs` has the number of jobs and their seconds for each rule's box."""
    if not edges:
        style.message(out, title, "Snakemake has no record of the jobs that made the table: it was made elsewhere.")
        return
    depth = levels(edges)
    rows = [[rule for rule in order(edges) if depth[rule] == level] for level in range(1 + max(depth.values()))]
    widest = max(map(len, rows))
    figure = style.figure(max(6.0, 2.3 * widest), 0.6 + 0.68 * len(rows))
    axes = figure.subplots()
    axes.axis("off")
    axes.set(xlim=(-widest / 2 - 0.3, widest / 2 + 0.3), ylim=(len(rows) - 0.6, -0.4))
    positions = {rule: (x - (len(row) - 1) / 2, y) for y, row in enumerate(rows) for x, rule in enumerate(row)}
    for rule, (x, y) in positions.items():
        jobs = f"{costs[rule][0]} job{'' if costs[rule][0] == '1' else 's'}"
        axes.text(x, y, f"{rule.replace('_', ' ')}\n{jobs}, {costs[rule][1]} s", ha="center", va="center", zorder=3,
                  fontsize=10, bbox={"boxstyle": "round,pad=0.3", "fc": "white", "ec": style.DARK})  # fmt: skip
        for source in sorted(edges[rule] & positions.keys()):
            _arrow(axes, positions[source], (x, y))
    style.title(figure, title)
    reads = "; ".join(f"{rule} reads {', '.join(sorted(edges[rule]))}" for rule in order(edges) if edges[rule])
    style.save(figure, out, title, f"The stages behind the table: {reads}.")


def _arrow(axes: Axes, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw an arrow: straight to the next level, and bent around the boxes in between to a later one."""
    far = end[1] - begin[1]
    side = 1 if end[0] >= begin[0] else -1
    bend = 0.0 if far == 1 else -side * (0.35 + 0.02 * far)
    look = {"arrowstyle": "-|>", "color": style.MIDDLE, "lw": 1.1, "shrinkA": 16, "shrinkB": 16,
            "connectionstyle": f"arc3,rad={bend}"}  # fmt: skip
    axes.annotate("", end, begin, zorder=1, arrowprops=look)
