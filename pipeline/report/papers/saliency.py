"""What FstCN's score of a class hangs on (Sun et al. 2015, section 4): its gradient by each pixel of a clip."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from matplotlib.figure import Figure, SubFigure
from torch import Tensor, nn

from pipeline.common import cli
from pipeline.models.outputs import mean_logits
from pipeline.report import style
from pipeline.report.papers import options, trained_run
from pipeline.report.papers.trained_run import Trained, Video

TITLE = "Saliency: which pixels the score of a video's own class hangs on"
SMOOTH = 1 / 40  # of the picture's side: the deviation of the Gaussian over a map
FULL = 99.5  # percentile of an input's map that is black
CONTOUR = 95  # percentile of a picture's map that is outlined
LABEL, CELL, HEADING = 1.5, 1.3, 0.25  # inches
WORDS = {"rgb": "frame", "difference": "difference", "flow": "flow"}


class Shown(NamedTuple):
    """One input of a video: its pictures uint8 (T, h, w, 3) and their maps in 0..1 (T, h, w)."""

    name: str
    pictures: np.ndarray
    maps: np.ndarray


def gradients(net: nn.Module, given: Sequence[Tensor], label: int) -> list[Tensor]:
    """|d score of the class / d pixel|, the channels' largest: of inputs (1, C, T, h, w) maps (T, h, w)."""
    leaves = [x.detach().clone().requires_grad_() for x in given]
    score = mean_logits(net(*leaves))[0, label]
    return [gradient[0].abs().amax(0) for gradient in torch.autograd.grad(score, leaves)]


def smoothed(maps: np.ndarray) -> np.ndarray:
    """Maps (T, h, w) without the comb that strides leave, the strongest places of all of them at 1."""
    deviation = max(maps.shape[1:]) * SMOOTH
    made = np.stack([cv2.GaussianBlur(one, (0, 0), deviation) for one in maps.astype(np.float32)])
    return np.clip(made / max(float(np.percentile(made, FULL)), np.finfo(np.float32).tiny), 0, 1)


def brightened(pictures: np.ndarray) -> np.ndarray:
    """Differences uint8, most of which are near black, so that their brightest places are white."""
    top = max(float(np.percentile(pictures, FULL)), 1.0)
    return np.rint(np.clip(pictures / top, 0, 1) * 255).astype(np.uint8)


def looked_at(maps: np.ndarray) -> list[int]:
    """Times that matter at all: of frames FstCN looks at one."""
    return [time for time, one in enumerate(maps) if one.any()] or [0]


def explained(run: Trained, video: Video) -> tuple[list[Shown], str]:
    """What is drawn of a video, and its label: the class, and what the network takes it for."""
    sample = trained_run.middle(run, video.name)
    given = trained_run.batched(run, sample)
    found = [gradient.cpu().numpy() for gradient in gradients(run.net, given, video.label)]
    shown = []
    for name, (volume, _), maps in zip(run.recipe.stack, sample, found, strict=True):
        times, seen = looked_at(maps), trained_run.pictures(name, volume, None)
        seen = brightened(seen) if name == "difference" else seen
        shown.append(Shown(name, seen[times], smoothed(maps)[times]))
    with torch.inference_mode():
        return shown, trained_run.verdict(run.net(*given), video, run.classes)


def draw(part: SubFigure, shown: Sequence[Shown], label: str, heading: bool) -> None:
    """A video: its pictures in a row, their maps below, dark where the score hangs on them."""
    columns = [(one.name, picture, strength) for one in shown for picture, strength in zip(*one[1:], strict=True)]
    places = part.subplots(2, len(columns) + 1, width_ratios=[LABEL, *[CELL] * len(columns)])
    for axes in places.flat:
        axes.set_axis_off()
    places[0, 0].text(0, 1, label, va="top", fontsize=9, transform=places[0, 0].transAxes)
    numbers = [time for one in shown for time in range(1, len(one.maps) + 1)]
    for (above, below), (name, picture, strength), number in zip(places.T[1:], columns, numbers, strict=True):
        above.imshow(picture, interpolation="nearest")
        level = np.percentile(strength, CONTOUR)
        if strength.max() > level:
            above.contour(strength, [level], colors="white", linewidths=2.2)
            above.contour(strength, [level], colors="black", linewidths=1.0, linestyles="dashed")
        below.imshow(1 - strength, cmap="gray", vmin=0, vmax=1)
        if heading:
            above.set_title(f"{WORDS.get(name, name)}{f' {number}' if name != 'rgb' else ''}", fontsize=9, loc="center")


def figure(found: Sequence[tuple[list[Shown], str]]) -> Figure:
    """Video below video."""
    cells = max(sum(len(one.maps) for one in shown) for shown, _ in found)
    made = style.figure(LABEL + cells * CELL, len(found) * (2 * CELL + 0.15) + 2 * HEADING)
    parts = made.subfigures(len(found), 1, squeeze=False)[:, 0]
    for number, (part, (shown, label)) in enumerate(zip(parts, found, strict=True)):
        draw(part, shown, label, number == 0)
    return made


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    options.options(parser, 6, "PNG")
    a = parser.parse_args(argv)
    run = trained_run.started(a, "fstcn", "saliency maps")
    found = trained_run.of_each(run, a, explained, "saliency")
    trained_run.keep(figure(found), TITLE, run, a.out, "Pictures and gradient maps", [label for _, label in found])


if __name__ == "__main__":
    options.run(main)
