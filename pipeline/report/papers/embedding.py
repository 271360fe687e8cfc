"""t-SNE of FstCN's features of test videos (Sun et al. 2015, section 4): of its SCL path, its TCL path, and both."""

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
from pipeline.report.papers.example_videos import Video
from pipeline.report.papers.trained_run import TrainedRun

TITLE = "t-SNE of FstCN's features"
FACE_ACTIONS = ("smile", "laugh", "chew", "talk", "eat", "smoke", "drink")  # the seven of HMDB51 that the paper shows
PER_CLASS = 30  # videos of a class at most
PERPLEXITY = 20.0
FEWEST = 5  # videos that t-SNE is run on
PATH_NAMES = {"spatial": "SCL path", "temporal": "TCL path"}
COLOURS = ("#1b3a5c", "#b5541c", "#2f7d4f", "#7a3b8f", "#8a6d00", "#00707a", "#a3214f", "#4d4d4d", "#4d7ea8", "#6b4a2b")


def features(net: FstCN, inputs: Sequence[Tensor]) -> dict[str, Tensor]:
    """The second fully connected layer of each path, (B, 2048), and both concatenated as the classifier reads them."""
    clips = dict(zip(net.inputs, inputs, strict=True))
    modules = {"spatial": net.appearance, "temporal": net.motion}
    of_path = {PATH_NAMES[path]: modules[path](clips[PATHS[path]]) for path in net.paths if PATHS[path] in clips}
    return of_path | ({"both paths": torch.cat([*of_path.values()], 1)} if len(of_path) > 1 else {})


@torch.inference_mode()
def video_features(run: TrainedRun, videos: Sequence[Video]) -> dict[str, np.ndarray]:
    """Path -> the features of every video's middle clip, float32 (videos, 2048)."""
    parts: list[dict[str, Tensor]] = []
    for video in log.progress(iter(videos), len(videos), "embedding"):
        inputs = trained_run.to_batch(run, trained_run.middle_clip(run, video.name))
        parts.append(features(run.net, inputs))  # type: ignore[arg-type]
    return {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]}


def embed(values: np.ndarray, seed: int) -> np.ndarray:
    """t-SNE of L2-normalised features (N, D), initialised with their first two principal components -> (N, 2)."""
    if len(values) < FEWEST:
        raise UserError(f"t-SNE has {len(values)} videos but needs {FEWEST}: raise --count or choose other --classes")
    perplexity = min(PERPLEXITY, (len(values) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed, n_jobs=1).fit_transform(l2_normalise(values))


def neighbour_accuracy(values: np.ndarray, labels: np.ndarray) -> float:
    """The share of videos whose nearest neighbour, by cosine of the features themselves, is of the same class."""
    similarity = l2_normalise(values) @ l2_normalise(values).T
    np.fill_diagonal(similarity, -np.inf)
    return float((labels[similarity.argmax(1)] == labels).mean())


def chance_accuracy(labels: np.ndarray) -> float:
    """The same share if the nearest neighbour were drawn from all other videos."""
    counts = np.unique(labels, return_counts=True)[1]
    return float((counts * (counts - 1)).sum() / (len(labels) * (len(labels) - 1)))


def l2_normalise(values: np.ndarray) -> np.ndarray:
    """Rows divided by their Euclidean length; a row of zeros stays zero."""
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), np.finfo(np.float32).tiny)


def wanted_classes(classes: Sequence[str], requested: Sequence[str]) -> list[str]:
    """The requested classes, else the paper's if the data set has them all, else an empty list: any class."""
    return list(requested) or (list(FACE_ACTIONS) if set(FACE_ACTIONS) <= set(classes) else [])


def marker(number: int) -> dict[str, Any]:
    """The marker of the videos of a class: the class' number, equally high with one digit and with two."""
    text = str(number + 1)
    look = {"linestyle": "", "color": COLOURS[number % len(COLOURS)], "markeredgewidth": 0.3}
    return {**look, "marker": f"${text}$", "markersize": 8 + 3.5 * (len(text) - 1)}


def draw_panel(axes: Axes, points: np.ndarray, labels: np.ndarray, title: str) -> None:
    """Plot each video as the number of its class, in the colour of the class."""
    for number, label in enumerate(np.unique(labels)):
        axes.plot(*points[labels == label].T, **marker(number))
    axes.set_title(title, fontsize=11)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
    axes.grid(visible=False)


def draw(values: Mapping[str, np.ndarray], labels: np.ndarray, names: Sequence[str], seed: int) -> Figure:
    """The figure: a panel for each path, and a legend of the classes' numbers below."""
    figure = style.figure(max(style.WIDTH, 3.9 * len(values)), 5.0)
    panels = figure.subplots(1, len(values), squeeze=False)[0]
    for axes, (name, of_path) in zip(panels, values.items(), strict=True):
        draw_panel(axes, embed(of_path, seed), labels, name)
        share = f"nearest neighbour of the same class: {neighbour_accuracy(of_path, labels):.0%}"
        axes.set_xlabel(f"{share}; by chance: {chance_accuracy(labels):.0%}", fontsize=9)
    handles = [Line2D([], [], **marker(number), label=name) for number, name in enumerate(names)]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(5, len(names)))
    return figure


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    options.add_network_options(parser, len(COLOURS), "SVG")
    parser.add_argument("--each", type=options.positive, default=PER_CLASS, help="videos of a class at most")
    args = parser.parse_args(argv)
    run = trained_run.run_from_args(args, "fstcn", "embeddings")
    args.count, args.classes = min(args.count, len(COLOURS)), wanted_classes(run.classes, args.classes)
    videos = trained_run.videos_from_args(run, args, args.each)
    labels = np.array([video.label for video in videos])
    names = [run.classes[label] for label in np.unique(labels)]
    figure = draw(video_features(run, videos), labels, names, args.seed)
    trained_run.set_title(figure, f"{TITLE}, {len(videos)} videos", run)
    style.save(figure, args.out, TITLE, f"{len(videos)} test videos of {', '.join(names)} as numbers in the plane.")
    log.say(f"{args.out}: {len(videos)} videos of {len(names)} classes")


if __name__ == "__main__":
    options.run(main)
