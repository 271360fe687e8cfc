"""Saliency maps of FstCN (Sun et al. 2015, section 4): the gradient of a class score with respect to each pixel."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from matplotlib.figure import Figure, SubFigure
from torch import Tensor, nn

from pipeline.formats.modalities import FRAMES, INPUTS
from pipeline.models.outputs import mean_logits
from pipeline.report import style
from pipeline.report.papers import network_figure, options, trained_run
from pipeline.report.papers.example_videos import Video
from pipeline.report.papers.network_figure import NetworkFigure
from pipeline.report.papers.trained_run import TrainedRun

TITLE = "Saliency: which pixels the score of a video's own class hangs on"
SMOOTHING = 1 / 40  # standard deviation of the Gaussian over a map, in sides of the picture
FULL_SCALE = 99.5  # percentile of an input's maps that is drawn black
CONTOUR = 95  # percentile of a picture's map that is outlined
CAPTION, CELL, HEADING = 1.5, 1.3, 0.25  # inches


class InputSaliency(NamedTuple):
    """One input of a video: its pictures uint8 (T, h, w, 3) and their saliency maps in 0..1 (T, h, w)."""

    name: str
    pictures: np.ndarray
    maps: np.ndarray


class VideoSaliency(NamedTuple):
    """A video's caption, and the saliency of each input of the network."""

    caption: str
    inputs: list[InputSaliency]


def gradients(net: nn.Module, inputs: Sequence[Tensor], label: int) -> list[Tensor]:
    """|d score of `label` / d pixel|, the largest over channels: of inputs (1, C, T, h, w) maps (T, h, w)."""
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    score = mean_logits(net(*leaves))[0, label]
    return [gradient[0].abs().amax(0) for gradient in torch.autograd.grad(score, leaves)]


def smooth(maps: np.ndarray) -> np.ndarray:
    """Maps (T, h, w), blurred to remove the pattern that strides leave, and scaled to 0..1 together."""
    sigma = max(maps.shape[1:]) * SMOOTHING
    blurred = np.stack([cv2.GaussianBlur(one, (0, 0), sigma) for one in maps.astype(np.float32)])
    return np.clip(blurred / max(float(np.percentile(blurred, FULL_SCALE)), np.finfo(np.float32).tiny), 0, 1)


def brighten(pictures: np.ndarray) -> np.ndarray:
    """Differences of frames, uint8, scaled so that the brightest are white; most of them are near black."""
    top = max(float(np.percentile(pictures, FULL_SCALE)), 1.0)
    return np.rint(np.clip(pictures / top, 0, 1) * 255).astype(np.uint8)


def times_with_gradient(maps: np.ndarray) -> list[int]:
    """The times whose map is not all zero: FstCN reads one frame of a clip, but all of its differences."""
    return [time for time, one in enumerate(maps) if one.any()] or [0]


def explain(run: TrainedRun, video: Video) -> VideoSaliency:
    """The saliency of a video's middle clip for the score of its own class."""
    sample = trained_run.middle_clip(run, video.name)
    inputs = trained_run.to_batch(run, sample)
    all_maps = [gradient.cpu().numpy() for gradient in gradients(run.net, inputs, video.label)]
    saliency = []
    for name, (volume, _), maps in zip(run.recipe.stack, sample, all_maps, strict=True):
        times, pictures = times_with_gradient(maps), trained_run.input_pictures(name, volume, None)
        pictures = brighten(pictures) if name == "difference" else pictures
        saliency.append(InputSaliency(name, pictures[times], smooth(maps)[times]))
    with torch.inference_mode():
        return VideoSaliency(trained_run.prediction_caption(run.net(*inputs), video, run.classes), saliency)


def draw_video(subfigure: SubFigure, video: VideoSaliency, with_headings: bool) -> None:
    """Draw a video's pictures in a row and their maps below, dark where the score depends on a pixel the most."""
    columns = [(one.name, *pair) for one in video.inputs for pair in zip(one.pictures, one.maps, strict=True)]
    grid = subfigure.subplots(2, len(columns) + 1, width_ratios=[CAPTION, *[CELL] * len(columns)])
    for axes in grid.flat:
        axes.set_axis_off()
    grid[0, 0].text(0, 1, video.caption, va="top", fontsize=9, transform=grid[0, 0].transAxes)
    numbers = [number for one in video.inputs for number in range(1, len(one.maps) + 1)]
    for (above, below), (name, picture, saliency), number in zip(grid.T[1:], columns, numbers, strict=True):
        above.imshow(picture, interpolation="nearest")
        level = np.percentile(saliency, CONTOUR)
        if saliency.max() > level:
            above.contour(saliency, [level], colors="white", linewidths=2.2)
            above.contour(saliency, [level], colors="black", linewidths=1.0, linestyles="dashed")
        below.imshow(1 - saliency, cmap="gray", vmin=0, vmax=1)
        if with_headings:
            heading = f"{INPUTS[name].label}{f' {number}' if name != FRAMES else ''}"
            above.set_title(heading, fontsize=9, loc="center")


def draw(videos: Sequence[VideoSaliency]) -> Figure:
    """The figure with one video below the other."""
    cells = max(sum(len(one.maps) for one in video.inputs) for video in videos)
    figure = style.figure(CAPTION + cells * CELL, len(videos) * (2 * CELL + 0.15) + 2 * HEADING)
    subfigures = figure.subfigures(len(videos), 1, squeeze=False)[:, 0]
    for number, (subfigure, video) in enumerate(zip(subfigures, videos, strict=True)):
        draw_video(subfigure, video, with_headings=number == 0)
    return figure


FIGURE = NetworkFigure("fstcn", "saliency maps", TITLE, "Pictures and gradient maps", explain, draw)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    network_figure.main(FIGURE, __doc__, argv)


if __name__ == "__main__":
    options.run(main)
