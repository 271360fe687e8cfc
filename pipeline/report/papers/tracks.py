"""Improved trajectories over frames (Wang & Schmid 2013): all tracks, and those kept once camera motion is removed."""

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
from pipeline.idt.draw import LAST, recent_tracks
from pipeline.idt.parameters import TRACK_LENGTH, Parameters, check_parameters
from pipeline.report import style
from pipeline.report.papers import options, trained_run
from pipeline.report.papers.example_videos import choose_videos, read_test_videos

TITLE = "Improved trajectories: what moves, and what moves by itself"
MOMENTS = 2  # frames of a video that are shown
NEEDED = TRACK_LENGTH + LAST + 1  # frames up to the shown one
MOST_TRACKS = 400  # drawn at a moment; of more tracks, every second, third and so on is drawn
CONTRAST = 0.55  # of a frame below the tracks
CAPTION, CELL = 1.5, 2.0  # inches


class Moment(NamedTuple):
    """A frame uint8 (H, W), and the points (N, 16, 2) of the tracks that end there: of all, and of the kept ones."""

    number: int
    frame: np.ndarray
    all: np.ndarray
    kept: np.ndarray


def choose_frames(frames: int, count: int) -> list[int]:
    """`count` evenly spaced frame numbers with room for whole tracks before them; of a short video its last frame."""
    first = min(NEEDED, frames) - 1
    return sorted({round(float(number)) for number in np.linspace(first, frames - 1, count + 2)[1:-1]})


def read_grey(reader: ShardReader, video: str, begin: int, end: int) -> list[np.ndarray]:
    """Frames [begin, end) in grey, uint8 (H, W) each."""
    jpegs = reader.buffers(video, range(begin, end))
    return [simplejpeg.decode_jpeg(jpeg, colorspace="GRAY")[..., 0] for jpeg in jpegs]


def track(reader: ShardReader, video: str, number: int, parameters: Parameters) -> Moment:
    """The tracks at one frame, with and without those that move as the camera does."""
    frames = read_grey(reader, video, max(0, number + 1 - NEEDED), number + 1)
    all_tracks = recent_tracks(frames, parameters._replace(camera=-1.0))
    return Moment(number, frames[-1], all_tracks, recent_tracks(frames, parameters))


def draw_tracks(axes: Axes, frame: np.ndarray, points: np.ndarray, title: str) -> None:
    """Draw tracks (N, 16, 2) over a pale frame: dark with a white rim, and a dot at the end of each."""
    axes.imshow(255 - CONTRAST * (255 - frame.astype(np.float32)), cmap="gray", vmin=0, vmax=255)
    lines = list(points)
    axes.add_collection(LineCollection(lines, colors="white", linewidths=1.8))
    axes.add_collection(LineCollection(lines, colors=style.DARK, linewidths=0.9))
    axes.plot(*points[:, -1].T, "o", color=style.ACCENT, markersize=2.4, markeredgecolor="white", markeredgewidth=0.3)
    axes.set_xlim(-0.5, frame.shape[1] - 0.5)
    axes.set_ylim(frame.shape[0] - 0.5, -0.5)
    axes.set_axis_off()
    axes.set_title(title, fontsize=8, loc="center", weight="normal")


def draw_video(subfigure: SubFigure, caption: str, moments: Sequence[Moment]) -> None:
    """Draw a video's moments as pairs of pictures: all tracks, and the kept ones."""
    row = subfigure.subplots(1, 2 * MOMENTS + 1, width_ratios=[CAPTION, *[CELL] * 2 * MOMENTS])
    for axes in row:
        axes.set_axis_off()
    row[0].text(0, 1, caption, va="top", fontsize=9, transform=row[0].transAxes)
    for (left, right), moment in zip(row[1:].reshape(-1, 2), moments, strict=False):
        step = -(-len(moment.all) // MOST_TRACKS) or 1
        thinned = f", one in {step} drawn" if step > 1 else ""
        draw_tracks(left, moment.frame, moment.all[::step], f"frame {moment.number + 1}: {len(moment.all)}{thinned}")
        draw_tracks(right, moment.frame, moment.kept[::step], f"kept: {len(moment.kept)}")


def open_rgb(folders: Sequence[Path]) -> ShardReader:
    """A reader of a single folder of RGB shards; anything else is a UserError."""
    reader = ShardReader(folders[0])
    if len(folders) > 1 or reader.modality != "rgb":
        opened = f"{len(folders)} folders" if len(folders) > 1 else f"{reader.folder} of {reader.modality}"
        raise UserError(f"tracks are followed in frames but --shards has {opened}: give the one folder of rgb")
    return reader


def draw(videos: Sequence[tuple[str, list[Moment]]]) -> Figure:
    """The figure with one video below the other, each with its class."""
    height, width = videos[0][1][0].frame.shape
    figure = style.figure(CAPTION + 2 * MOMENTS * CELL, len(videos) * (CELL * height / width + 0.3) + 0.6)
    for subfigure, (name, moments) in zip(figure.subfigures(len(videos), 1, squeeze=False)[:, 0], videos, strict=True):
        draw_video(subfigure, trained_run.wrap(name), moments)
    return figure


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose the videos and define the tracks."""
    options.add_video_options(parser, 6, "PNG")
    parser.add_argument("--split", type=options.positive, default=1, help="whose test videos are drawn")
    for name, value in Parameters._field_defaults.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    add_options(parser)
    args = parser.parse_args(argv)
    cv2.setNumThreads(args.threads)
    parameters = check_parameters(Parameters(**{name: getattr(args, name) for name in Parameters._fields}))
    reader = open_rgb(args.shards)
    candidates = read_test_videos({"rgb": reader}, args.splits, args.split)
    chosen = choose_videos(candidates, reader.classes, args.count, 1, args.seed, args.classes)
    videos = []
    for video in log.progress(iter(chosen), len(chosen), "tracks"):
        numbers = choose_frames(reader.count(video.name), MOMENTS)
        moments = [track(reader, video.name, number, parameters) for number in numbers]
        videos.append((reader.classes[video.label], moments))
    figure = draw(videos)
    figure.suptitle(f"{TITLE}\nsplit {args.split}", x=0.01, ha="left", weight="bold")
    captions = trained_run.join_captions([name for name, _ in videos])
    style.save(figure, args.out, TITLE, f"Frames and tracks of {captions}.")
    log.say(f"{args.out}: {len(videos)} videos")


if __name__ == "__main__":
    options.run(main)
