"""Improved trajectories over frames (Wang & Schmid 2013): all, and those left without the camera's motion."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure, SubFigure

from pipeline.common import cli, log
from pipeline.common.errors import UserError
from pipeline.formats.shards import ShardReader
from pipeline.idt.draw import LAST, recent
from pipeline.idt.parameters import LENGTH, Parameters, checked
from pipeline.report import style
from pipeline.report.papers import options as asked
from pipeline.report.papers import trained_run

TITLE = "Improved trajectories: what moves, and what moves by itself"
MOMENTS = 2  # frames of a video
NEEDED = LENGTH + LAST + 1  # frames up to the one that is drawn
MOST = 400  # tracks that are drawn of a moment; of more, each second, third and so on
BRIGHT = 0.55  # of a frame's contrast that is left below the tracks
LABEL, CELL = 1.5, 2.0  # inches


class Moment(NamedTuple):
    """A frame uint8 (H, W), and the paths (N, 16, 2) of all tracks that ended about it and of those that are kept."""

    number: int
    frame: np.ndarray
    every: np.ndarray
    kept: np.ndarray


def moments(frames: int, count: int) -> list[int]:
    """`count` frames with room for whole tracks before them, spread evenly; of a short video its last."""
    first = min(NEEDED, frames) - 1
    return sorted({round(float(place)) for place in np.linspace(first, frames - 1, count + 2)[1:-1]})


def grey(reader: ShardReader, video: str, begin: int, end: int) -> list[np.ndarray]:
    """Frames [begin, end), uint8 (H, W)."""
    jpegs = reader.buffers(video, range(begin, end))
    return [simplejpeg.decode_jpeg(jpeg, colorspace="GRAY")[..., 0] for jpeg in jpegs]


def followed(reader: ShardReader, video: str, number: int, parameters: Parameters) -> Moment:
    """The tracks about one frame, with and without those that move as the camera does."""
    frames = grey(reader, video, max(0, number + 1 - NEEDED), number + 1)
    every = recent(frames, parameters._replace(camera=-1.0))
    return Moment(number, frames[-1], every, recent(frames, parameters))


def draw_tracks(axes: Axes, frame: np.ndarray, paths: np.ndarray, title: str) -> None:
    """Paths over a pale frame: black, with a white rim, and a dot where each ends."""
    axes.imshow(255 - BRIGHT * (255 - frame.astype(np.float32)), cmap="gray", vmin=0, vmax=255)
    lines = list(paths)
    axes.add_collection(LineCollection(lines, colors="white", linewidths=1.8))
    axes.add_collection(LineCollection(lines, colors=style.DARK, linewidths=0.9))
    axes.plot(*paths[:, -1].T, "o", color=style.ACCENT, markersize=2.4, markeredgecolor="white", markeredgewidth=0.3)
    axes.set_xlim(-0.5, frame.shape[1] - 0.5)
    axes.set_ylim(frame.shape[0] - 0.5, -0.5)
    axes.set_axis_off()
    axes.set_title(title, fontsize=8, loc="center", weight="normal")


def draw(part: SubFigure, label: str, found: Sequence[Moment], width: float) -> None:
    """A video: pairs of pictures, all tracks and those that are kept."""
    places = part.subplots(1, 2 * MOMENTS + 1, width_ratios=[LABEL, *[width] * 2 * MOMENTS])
    for axes in places:
        axes.set_axis_off()
    places[0].text(0, 1, label, va="top", fontsize=9, transform=places[0].transAxes)
    for pair, moment in zip(places[1:].reshape(-1, 2), found, strict=False):
        step = -(-len(moment.every) // MOST) or 1
        thinned = f", one in {step} drawn" if step > 1 else ""
        draw_tracks(
            pair[0], moment.frame, moment.every[::step], f"frame {moment.number + 1}: {len(moment.every)}{thinned}"
        )
        draw_tracks(pair[1], moment.frame, moment.kept[::step], f"kept: {len(moment.kept)}")


def frames_of(folders: Sequence[Path]) -> ShardReader:
    """The one folder's reader; shards of anything but RGB frames are a UserError."""
    reader = ShardReader(folders[0])
    if len(folders) > 1 or reader.modality != "rgb":
        given = f"{len(folders)} folders" if len(folders) > 1 else f"{reader.folder} of {reader.modality}"
        raise UserError(f"tracks are followed in frames but --shards has {given}: give the one folder of rgb")
    return reader


def figure(found: Sequence[tuple[str, list[Moment]]]) -> Figure:
    """Video below video, each with its class."""
    height, width = found[0][1][0].frame.shape
    made = style.figure(LABEL + 2 * MOMENTS * CELL, len(found) * (CELL * height / width + 0.3) + 0.6)
    for part, (name, seen) in zip(made.subfigures(len(found), 1, squeeze=False)[:, 0], found, strict=True):
        draw(part, trained_run.wrapped(name), seen, CELL)
    return made


def options(parser: argparse.ArgumentParser) -> None:
    """Which videos, and which tracks there are."""
    asked.video_options(parser, 6, "PNG")
    parser.add_argument("--split", type=asked.positive, default=1, help="whose test videos are drawn")
    for name, value in Parameters._field_defaults.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    options(parser)
    a = parser.parse_args(argv)
    cv2.setNumThreads(a.threads)
    parameters = checked(Parameters(**{name: getattr(a, name) for name in Parameters._fields}))
    reader = frames_of(a.shards)
    chosen = trained_run.drawn(
        trained_run.test_videos({"rgb": reader}, a.splits, a.split), reader.classes, a.count, 1, a.seed, a.classes
    )
    found = []
    for video in log.progress(iter(chosen), len(chosen), "tracks"):
        numbers = moments(reader.count(video.name), MOMENTS)
        seen = [followed(reader, video.name, number, parameters) for number in numbers]
        found.append((reader.classes[video.label], seen))
    made = figure(found)
    made.suptitle(f"{TITLE}\nsplit {a.split}", x=0.01, ha="left", weight="bold")
    style.save(made, a.out, TITLE, f"Frames and tracks of {trained_run.spoken([name for name, _ in found])}.")
    log.say(f"{a.out}: {len(found)} videos")


if __name__ == "__main__":
    asked.run(main)
