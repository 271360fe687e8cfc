"""Action words of ActionVLAD (Girdhar et al. 2017, Figure 6): where they occur in a video, and what each contributes.

A word's contribution is what it adds to the score of the video's own class, less what it adds to the mean score of all
classes. The figure marks the words with the largest contributions.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure, SubFigure
from torch import Tensor, nn
from torch.nn import functional

from pipeline.common.errors import UserError
from pipeline.models.action_vlad import ActionVLAD, OneStream, vlad
from pipeline.report import style
from pipeline.report.papers import network_figure, options, trained_run
from pipeline.report.papers.example_videos import Video
from pipeline.report.papers.network_figure import NetworkFigure
from pipeline.report.papers.trained_run import TrainedRun

TITLE = "Action words: where they are seen, and what they are worth"
WORDS, FRAMES = 3, 4  # of a video that are shown
HIGHEST, LOWEST = 6, 3  # contributions that are plotted, where there are more words
COLOURS = ("#ffd23f", "#6ee7ff", "#ff9de2")
LINE_STYLES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)))
LETTERS = "ABC"
CAPTION, CELL, BARS = 1.6, 1.7, 1.8  # inches


class VideoWords(NamedTuple):
    """A video's caption, pictures uint8 (T, H, W, 3), word of each position (T, h, w), and contributions (K,)."""

    caption: str
    pictures: np.ndarray
    words: np.ndarray
    contributions: np.ndarray


def assignment(pooling: ActionVLAD, descriptors: Tensor) -> Tensor:
    """The pooling's soft assignment (T, K, h, w) of descriptors (T, D, h, w) to words."""
    return pooling.assign(functional.normalize(descriptors, dim=1)).softmax(1)


def contributions(
    pooling: ActionVLAD, classifier: nn.Linear, descriptors: Tensor, assigned: Tensor, label: int
) -> Tensor:
    """What each word's block of the pooled vector adds to the score of `label`, less its part of the mean score (K,).

    As the classifier is linear, they sum, with the difference of the biases, to the score less the mean score.
    """
    x = functional.normalize(descriptors, dim=1)[None]
    blocks = functional.normalize(vlad(x, pooling.centres, assigned[None]), dim=2)[0]
    blocks = blocks / blocks.norm()  # (K, D)
    weight = (classifier.weight[label] - classifier.weight.mean(0)).unflatten(0, blocks.shape)
    return (weight * blocks).sum(1)


@torch.inference_mode()
def frame_descriptors(net: OneStream, x: Tensor) -> Tensor:
    """Descriptors (T, D, h, w) of a clip (1, C, T, H, W), one frame at a time, since VGG-16's maps take much memory."""
    return torch.cat([net.trunk(x[:, :, [time]])[0] for time in range(x.shape[2])]).float()


@torch.inference_mode()
def explain(run: TrainedRun, video: Video) -> VideoWords:
    """The words of a video's middle clip."""
    net = one_stream(run)
    sample = trained_run.middle_clip(run, video.name)
    (x,) = trained_run.to_batch(run, sample)
    descriptors = frame_descriptors(net, x)
    assigned = assignment(net.pooling, descriptors)  # type: ignore[arg-type]
    values = contributions(net.pooling, net.classifier, descriptors, assigned, video.label)  # type: ignore[arg-type]
    caption = trained_run.prediction_caption(net.classifier(net.pooling(descriptors[None])), video, run.classes)
    bound = run.readers["flow"].settings["bound"] if "flow" in run.readers else None
    pictures = trained_run.input_pictures(net.inputs[0], sample[0][0], bound)
    return VideoWords(caption, pictures, assigned.argmax(1).cpu().numpy(), values.cpu().numpy())


def one_stream(run: TrainedRun) -> OneStream:
    """The network of a run; a UserError unless it is one stream that pools by ActionVLAD."""
    net = run.net
    if not (isinstance(net, OneStream) and isinstance(net.pooling, ActionVLAD)):
        pooling, name = type(getattr(net, "pooling", net)).__name__, run.metadata["run"]
        raise UserError(f"{name} pools by {pooling} but words are those of one stream's ActionVLAD: give such a run")
    return net


def top_words(video: VideoWords) -> list[int]:
    """The words with the largest contributions among those that occur; all but the first must have a positive one."""
    order = np.argsort(-video.contributions, kind="stable").tolist()
    occurring = [word for word in order if (video.words == word).any()]
    return occurring[:1] + [word for word in occurring[1:WORDS] if video.contributions[word] > 0]


def choose_frames(words: np.ndarray, shown: Sequence[int], count: int) -> list[int]:
    """Of `count` equal parts of the clip (T, h, w), the frame of each with the most positions of the shown words."""
    positions = np.isin(words, shown).sum((1, 2))
    parts = np.array_split(np.arange(len(words)), min(count, len(words)))
    return [int(part[positions[part].argmax()]) for part in parts]


def borders(mask: np.ndarray, height: float, width: float) -> list[list[tuple[float, float]]]:
    """The edges of the region `mask` (h, w) as lines of (x, y) in pixels; a position is height x width pixels."""
    padded = np.pad(mask, 1)
    lines = []
    for row, column in zip(*np.nonzero(padded[:-1] != padded[1:]), strict=True):
        lines.append([((column - 1) * width, row * height), (column * width, row * height)])
    for row, column in zip(*np.nonzero(padded[:, :-1] != padded[:, 1:]), strict=True):
        lines.append([(column * width, (row - 1) * height), (column * width, row * height)])
    return lines


def draw_frame(axes: Axes, picture: np.ndarray, words: np.ndarray, shown: Sequence[int]) -> None:
    """Draw a picture with the positions of each shown word framed in the word's colour and marked by its letter."""
    tall, wide = picture.shape[:2]
    axes.imshow(picture, extent=(0, wide, tall, 0), alpha=0.8)
    height, width = tall / words.shape[0], wide / words.shape[1]
    size = min(11.0, 0.75 * 72 * CELL / words.shape[1])
    for word, colour, line_style, letter in zip(shown, COLOURS, LINE_STYLES, LETTERS, strict=False):
        edges = borders(words == word, height, width)
        axes.add_collection(LineCollection(edges, colors="black", linewidths=2.6))
        axes.add_collection(LineCollection(edges, colors=colour, linewidths=1.4, linestyles=line_style))
        for row, column in zip(*np.nonzero(words == word), strict=True):
            centre = ((column + 0.5) * width, (row + 0.5) * height)
            box = {"facecolor": "black", "alpha": 0.55, "pad": 0.6, "linewidth": 0}
            axes.text(*centre, letter, color=colour, fontsize=size, ha="center", va="center", weight="bold", bbox=box)
    axes.set_xlim(0, wide)
    axes.set_ylim(tall, 0)
    axes.set_axis_off()


def extremes(values: np.ndarray) -> list[int]:
    """The words by contribution, the highest first; of many words the HIGHEST and the LOWEST."""
    order = np.argsort(-values, kind="stable").tolist()
    return order if len(order) <= HIGHEST + LOWEST else order[:HIGHEST] + order[-LOWEST:]


def draw_bars(axes: Axes, values: np.ndarray, shown: Sequence[int]) -> None:
    """Plot the extreme contributions above the words' numbers; those of shown words are dark and have their letter."""
    order = extremes(values)
    x = [number + (len(order) < len(values) and number >= HIGHEST) for number in range(len(order))]
    colours = [style.DARK if word in shown else style.LIGHT for word in order]
    axes.bar(x, values[order], color=colours, edgecolor="0.3", linewidth=0.3)
    for position, word in zip(x, order, strict=True):
        if word in shown:
            axes.text(position, max(values[word], 0), LETTERS[shown.index(word)], ha="center", va="bottom", fontsize=9)
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.margins(y=0.2)
    axes.set_xticks(x, [str(word + 1) for word in order], fontsize=7)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_xlabel(f"word, of {len(values)}", fontsize=8)
    axes.set_title("worth", fontsize=8, loc="center", weight="normal")


def draw_video(subfigure: SubFigure, video: VideoWords) -> None:
    """Draw a video's caption, frames with its words, and the bars of the contributions."""
    shown = top_words(video)
    times = choose_frames(video.words, shown, FRAMES)
    row = subfigure.subplots(1, len(times) + 2, width_ratios=[CAPTION, *[CELL] * len(times), BARS])
    row[0].set_axis_off()
    row[0].text(0, 1, video.caption, va="top", fontsize=9, transform=row[0].transAxes)
    for axes, time in zip(row[1:-1], times, strict=True):
        draw_frame(axes, video.pictures[time], video.words[time], shown)
        axes.set_title(f"frame {time + 1} of {len(video.words)}", fontsize=8, loc="center", weight="normal")
    draw_bars(row[-1], video.contributions, shown)


def draw(videos: Sequence[VideoWords]) -> Figure:
    """The figure with one video below the other."""
    columns = min(FRAMES, len(videos[0].words))
    figure = style.figure(CAPTION + columns * CELL + BARS, len(videos) * (CELL + 0.35) + 0.6)
    for subfigure, video in zip(figure.subfigures(len(videos), 1, squeeze=False)[:, 0], videos, strict=True):
        draw_video(subfigure, video)
    return figure


FIGURE = NetworkFigure("action_vlad", "action words", TITLE, "Frames and framed places", explain, draw)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    network_figure.main(FIGURE, __doc__, argv)


if __name__ == "__main__":
    options.run(main)
