"""FstCN's features in two dimensions by t-SNE (Sun et al. 2015, section 4): of its SCL path, its TCL path, and both."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.manifold import TSNE
from torch import Tensor

from pipeline.common import cli, log
from pipeline.common.errors import UserError
from pipeline.models.fstcn import PATHS, FstCN
from pipeline.report import style
from pipeline.report.papers import options, trained_run
from pipeline.report.papers.trained_run import Trained, Video

TITLE = "t-SNE of FstCN's features"
FACES = ("smile", "laugh", "chew", "talk", "eat", "smoke", "drink")  # the paper's seven of HMDB51, told by the mouth
EACH = 30  # videos of a class at most
PERPLEXITY = 20.0
LEAST = 5  # videos, below which there is no neighbourhood to keep
NAMES = {"spatial": "SCL path", "temporal": "TCL path"}
COLOURS = ("#1b3a5c", "#b5541c", "#2f7d4f", "#7a3b8f", "#8a6d00", "#00707a", "#a3214f", "#4d4d4d", "#4d7ea8", "#6b4a2b")


def features(net: FstCN, given: Sequence[Tensor]) -> dict[str, Tensor]:
    """The second fully connected layer of each path, (B, 2048), and both side by side as the classifier has them."""
    clips = dict(zip(net.inputs, given, strict=True))
    ways = {"spatial": net.appearance, "temporal": net.motion}
    made = {NAMES[path]: ways[path](clips[PATHS[path]]) for path in net.paths if PATHS[path] in clips}
    return made | ({"both paths": torch.cat([*made.values()], 1)} if len(made) > 1 else {})


@torch.inference_mode()
def all_features(run: Trained, videos: Sequence[Video]) -> dict[str, np.ndarray]:
    """Of every video's middle clip, by path: float32 (videos, 2048)."""
    parts: list[dict[str, Tensor]] = []
    for video in log.progress(iter(videos), len(videos), "embedding"):
        parts.append(features(run.net, trained_run.batched(run, trained_run.middle(run, video.name))))  # type: ignore[arg-type]
    return {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]}


def embedded(values: np.ndarray, seed: int) -> np.ndarray:
    """Features (N, D) of length 1 each, by t-SNE from their first two principal components -> (N, 2)."""
    if len(values) < LEAST:
        raise UserError(f"t-SNE has {len(values)} videos but needs {LEAST}: raise --count or choose other --classes")
    near = min(PERPLEXITY, (len(values) - 1) / 3)
    return TSNE(perplexity=near, init="pca", random_state=seed, n_jobs=1).fit_transform(unit(values))


def neighbours(values: np.ndarray, labels: np.ndarray) -> float:
    """The share of videos whose nearest other one, by the cosine of the features themselves, is of their class."""
    likeness = unit(values) @ unit(values).T
    np.fill_diagonal(likeness, -np.inf)
    return float((labels[likeness.argmax(1)] == labels).mean())


def by_chance(labels: np.ndarray) -> float:
    """The same share if the nearest were any other video."""
    counts = np.unique(labels, return_counts=True)[1]
    return float((counts * (counts - 1)).sum() / (len(labels) * (len(labels) - 1)))


def unit(values: np.ndarray) -> np.ndarray:
    """Rows of length 1; one of nothing stays."""
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), np.finfo(np.float32).tiny)


def chosen_classes(classes: Sequence[str], given: Sequence[str]) -> list[str]:
    """Those given, else the paper's where the data set has them all, else none: any."""
    return list(given) or (list(FACES) if set(FACES) <= set(classes) else [])


def mark(number: int) -> dict[str, Any]:
    """How a class' videos are marked: as its number, of one height with and without a second digit."""
    text = str(number + 1)
    look = {"linestyle": "", "color": COLOURS[number % len(COLOURS)], "markeredgewidth": 0.3}
    return {**look, "marker": f"${text}$", "markersize": 8 + 3.5 * (len(text) - 1)}


def draw(axes: Axes, points: np.ndarray, labels: np.ndarray, title: str) -> None:
    """A video is the number of its class, and has its class' colour."""
    for number, label in enumerate(np.unique(labels)):
        axes.plot(*points[labels == label].T, **mark(number))
    axes.set_title(title, fontsize=11)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
    axes.grid(visible=False)


def drawn(values: Mapping[str, np.ndarray], labels: np.ndarray, names: Sequence[str], seed: int) -> Figure:
    """A panel a path, and the classes' numbers below."""
    made = style.figure(max(style.WIDTH, 3.9 * len(values)), 5.0)
    panels = made.subplots(1, len(values), squeeze=False)[0]
    for axes, (name, one) in zip(panels, values.items(), strict=True):
        share = f"nearest neighbour of the same class: {neighbours(one, labels):.0%}"
        draw(axes, embedded(one, seed), labels, name)
        axes.set_xlabel(f"{share}; by chance: {by_chance(labels):.0%}", fontsize=9)
    handles = [Line2D([], [], **mark(number), label=name) for number, name in enumerate(names)]
    made.legend(handles=handles, loc="outside lower center", ncols=min(5, len(names)))
    return made


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    options.options(parser, len(COLOURS), "SVG")
    parser.add_argument("--each", type=options.positive, default=EACH, help="videos of a class at most")
    a = parser.parse_args(argv)
    run = trained_run.started(a, "fstcn", "embeddings")
    a.count, a.classes = min(a.count, len(COLOURS)), chosen_classes(run.classes, a.classes)
    chosen = trained_run.chosen(run, a, a.each)
    labels = np.array([video.label for video in chosen])
    names = [run.classes[label] for label in np.unique(labels)]
    made = trained_run.headed(
        drawn(all_features(run, chosen), labels, names, a.seed), f"{TITLE}, {len(chosen)} videos", run
    )
    style.save(made, a.out, TITLE, f"{len(chosen)} test videos of {', '.join(names)} as numbers in the plane.")
    log.say(f"{a.out}: {len(chosen)} videos of {len(names)} classes")


if __name__ == "__main__":
    options.run(main)
