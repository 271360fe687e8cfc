"""Which action words ActionVLAD assigns a video's places to (Girdhar et al. 2017, Figure 6), and what each is worth.

Shown are the words that lift the score of the video's own class the most above the mean score of all classes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure, SubFigure
from torch import Tensor, nn
from torch.nn import functional

from pipeline.common import cli
from pipeline.common.errors import UserError
from pipeline.models.action_vlad import ActionVLAD, OneStream, vlad
from pipeline.report import style
from pipeline.report.papers import options, trained_run
from pipeline.report.papers.trained_run import Trained, Video

TITLE = "Action words: where they are seen, and what they are worth"
WORDS, TIMES = 3, 4  # words of a video, frames of a video
BEST, WORST = 6, 3  # words of a video whose worth is shown, where there are more
COLOURS, LINES, LETTERS = ("#ffd23f", "#6ee7ff", "#ff9de2"), ("-", (0, (4, 1.5)), (0, (1, 1.2))), "ABC"
LABEL, CELL, BARS = 1.6, 1.7, 1.8  # inches


class Shown(NamedTuple):
    """A video: pictures uint8 (T, H, W, 3), the word of each place (T, h, w), and what each of K words is worth."""

    label: str
    pictures: np.ndarray
    words: np.ndarray
    worth: np.ndarray


def assignment(pooling: ActionVLAD, descriptors: Tensor) -> Tensor:
    """Soft assignment (T, K, h, w) of descriptors (T, D, h, w), as the pooling has it."""
    return pooling.assign(functional.normalize(descriptors, dim=1)).softmax(1)


def worth(pooling: ActionVLAD, classifier: nn.Linear, descriptors: Tensor, assigned: Tensor, label: int) -> Tensor:
    """What every word's block of the pooled vector adds to the class' score, less what it adds to the mean score (K,).

    With the biases' difference they sum to the class' score less the mean one, as the classifier is linear.
    """
    x = functional.normalize(descriptors, dim=1)[None]
    blocks = functional.normalize(vlad(x, pooling.centres, assigned[None]), dim=2)[0]
    blocks = blocks / blocks.norm()  # (K, D)
    weight = (classifier.weight[label] - classifier.weight.mean(0)).unflatten(0, blocks.shape)
    return (weight * blocks).sum(1)


@torch.inference_mode()
def descriptors(net: OneStream, x: Tensor) -> Tensor:
    """Of a clip (1, C, T, H, W) a frame at a time, as VGG-16's maps of many are large: (T, D, h, w)."""
    return torch.cat([net.trunk(x[:, :, [time]])[0] for time in range(x.shape[2])]).float()


@torch.inference_mode()
def explained(run: Trained, video: Video) -> Shown:
    """What is drawn of a video."""
    net: OneStream = run.net  # type: ignore[assignment]
    sample = trained_run.middle(run, video.name)
    (given,) = trained_run.batched(run, sample)
    found = descriptors(net, given)
    assigned = assignment(net.pooling, found)  # type: ignore[arg-type]
    values = worth(net.pooling, net.classifier, found, assigned, video.label)  # type: ignore[arg-type]
    label = trained_run.verdict(net.classifier(net.pooling(found[None])), video, run.classes)
    bound = run.readers["flow"].settings["bound"] if "flow" in run.readers else None
    seen = trained_run.pictures(net.inputs[0], sample[0][0], bound)
    return Shown(label, seen, assigned.argmax(1).cpu().numpy(), values.cpu().numpy())


def top(shown: Shown) -> list[int]:
    """The words that are worth the most, of those that have a place; more than one only if they lift the score."""
    there = [word for word in np.argsort(-shown.worth, kind="stable").tolist() if (shown.words == word).any()]
    return there[:1] + [word for word in there[1:WORDS] if shown.worth[word] > 0]


def telling(words: np.ndarray, wanted: Sequence[int], count: int) -> list[int]:
    """Times that show the words: of `count` equal parts of the clip (T, h, w) the one with most of their places."""
    places = np.isin(words, wanted).sum((1, 2))
    parts = np.array_split(np.arange(len(words)), min(count, len(words)))
    return [int(part[places[part].argmax()]) for part in parts]


def borders(inside: np.ndarray, height: float, width: float) -> list[list[tuple[float, float]]]:
    """The edges between places in and out of a region (h, w), as lines of (x, y) in pixels."""
    padded = np.pad(inside, 1)
    lines = []
    for row, column in zip(*np.nonzero(padded[:-1] != padded[1:]), strict=True):
        lines.append([((column - 1) * width, row * height), (column * width, row * height)])
    for row, column in zip(*np.nonzero(padded[:, :-1] != padded[:, 1:]), strict=True):
        lines.append([(column * width, (row - 1) * height), (column * width, row * height)])
    return lines


def overlay(axes: Axes, picture: np.ndarray, words: np.ndarray, wanted: Sequence[int]) -> None:
    """A picture, the places of each wanted word framed by its line and marked by its letter."""
    tall, wide = picture.shape[:2]
    axes.imshow(picture, extent=(0, wide, tall, 0), alpha=0.8)
    height, width = tall / words.shape[0], wide / words.shape[1]
    size = min(11.0, 0.75 * 72 * CELL / words.shape[1])
    for word, colour, line, letter in zip(wanted, COLOURS, LINES, LETTERS, strict=False):
        inset = [LineCollection(borders(words == word, height, width), colors="black", linewidths=2.6)]
        inset += [LineCollection(borders(words == word, height, width), colors=colour, linewidths=1.4, linestyles=line)]
        for lines in inset:
            axes.add_collection(lines)
        for row, column in zip(*np.nonzero(words == word), strict=True):
            place = ((column + 0.5) * width, (row + 0.5) * height)
            box = {"facecolor": "black", "alpha": 0.55, "pad": 0.6, "linewidth": 0}
            axes.text(*place, letter, color=colour, fontsize=size, ha="center", va="center", weight="bold", bbox=box)
    axes.set_xlim(0, wide)
    axes.set_ylim(tall, 0)
    axes.set_axis_off()


def ends(values: np.ndarray) -> list[int]:
    """The words by worth, the best first; of many the BEST and the WORST."""
    order = np.argsort(-values, kind="stable").tolist()
    return order if len(order) <= BEST + WORST else order[:BEST] + order[-WORST:]


def bars(axes: Axes, values: np.ndarray, wanted: Sequence[int]) -> None:
    """The worth of the words at both ends, under their numbers; the wanted ones are dark and have their letter."""
    order = ends(values)
    places = [place + (len(order) < len(values) and place >= BEST) for place in range(len(order))]
    colours = [style.DARK if word in wanted else style.LIGHT for word in order]
    axes.bar(places, values[order], color=colours, edgecolor="0.3", linewidth=0.3)
    for place, word in zip(places, order, strict=True):
        if word in wanted:
            axes.text(place, max(values[word], 0), LETTERS[wanted.index(word)], ha="center", va="bottom", fontsize=9)
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.margins(y=0.2)
    axes.set_xticks(places, [str(word + 1) for word in order], fontsize=7)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_xlabel(f"word, of {len(values)}", fontsize=8)
    axes.set_title("worth", fontsize=8, loc="center", weight="normal")


def draw(part: SubFigure, shown: Shown) -> None:
    """A video: its label, frames with its words, and the bars."""
    wanted = top(shown)
    times = telling(shown.words, wanted, TIMES)
    places = part.subplots(1, len(times) + 2, width_ratios=[LABEL, *[CELL] * len(times), BARS])
    places[0].set_axis_off()
    places[0].text(0, 1, shown.label, va="top", fontsize=9, transform=places[0].transAxes)
    for axes, time in zip(places[1:-1], times, strict=True):
        overlay(axes, shown.pictures[time], shown.words[time], wanted)
        axes.set_title(f"frame {time + 1} of {len(shown.words)}", fontsize=8, loc="center", weight="normal")
    bars(places[-1], shown.worth, wanted)


def refuse_other_pooling(net: nn.Module, path: Path) -> None:
    """A UserError unless the network is one stream that pools by ActionVLAD."""
    if not (isinstance(net, OneStream) and isinstance(net.pooling, ActionVLAD)):
        found = type(getattr(net, "pooling", net)).__name__
        raise UserError(f"{path} pools by {found} but words are those of one stream's ActionVLAD: give such a run")


def figure(found: Sequence[Shown]) -> Figure:
    """Video below video."""
    columns = min(TIMES, len(found[0].words))
    made = style.figure(LABEL + columns * CELL + BARS, len(found) * (CELL + 0.35) + 0.6)
    for part, shown in zip(made.subfigures(len(found), 1, squeeze=False)[:, 0], found, strict=True):
        draw(part, shown)
    return made


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    options.options(parser, 6, "PNG")
    a = parser.parse_args(argv)
    run = trained_run.started(a, "action_vlad", "action words")
    refuse_other_pooling(run.net, a.weights)
    found = trained_run.of_each(run, a, explained, "words")
    trained_run.keep(figure(found), TITLE, run, a.out, "Frames and framed places", [one.label for one in found])


if __name__ == "__main__":
    options.run(main)
