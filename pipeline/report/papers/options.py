"""The command line of the papers' figures: shared options, the numbers that they take, and errors."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from pipeline.common import cli
from pipeline.common.errors import UserError

MOST_VIDEOS = 20  # of a figure


def add_network_options(parser: argparse.ArgumentParser, videos: int, suffix: str) -> None:
    """Add the options of a figure of a trained network."""
    parser.add_argument("--weights", required=True, type=Path, help="weights.safetensors of the run")
    add_video_options(parser, videos, suffix)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")


def add_video_options(parser: argparse.ArgumentParser, videos: int, suffix: str) -> None:
    """Add the options of a figure of test videos."""
    parser.add_argument("--shards", required=True, nargs="+", type=Path, help="the shards of the run's modalities")
    parser.add_argument("--splits", required=True, type=Path, help="splits.parquet")
    parser.add_argument("--classes", nargs="+", default=[], help="classes to show; drawn by the seed unless given")
    parser.add_argument("--count", type=video_count, default=videos, help="classes at most, with a video of each")
    parser.add_argument("--seed", type=natural, default=0, help="draws classes and videos")
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--out", required=True, type=figure_path, help=f"the {suffix} to write")


def figure_path(text: str) -> Path:
    """The path of a PNG or SVG, as an argparse type."""
    if Path(text).suffix not in (".png", ".svg"):
        raise UserError(f"--out is {text} but figures are .png or .svg: give it such a name")
    return Path(text)


def positive(text: str) -> int:
    """A whole number of 1 or more, as an argparse type."""
    return _whole_number(text, 1)


def natural(text: str) -> int:
    """A whole number of 0 or more, as an argparse type."""
    return _whole_number(text, 0)


def video_count(text: str) -> int:
    """A whole number from 1 to MOST_VIDEOS, as an argparse type."""
    return _whole_number(text, 1, MOST_VIDEOS)


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Run the main of a figure's command, with torch's out-of-memory error as a sentence."""

    def main_with_sentence(argv: Sequence[str]) -> None:
        try:
            main(argv)
        except torch.OutOfMemoryError as error:
            raise UserError(f"one video does not fit into the device's memory ({error}): use --device cpu") from error

    cli.run(main_with_sentence)


def _whole_number(text: str, lowest: int, highest: int = 2**31) -> int:
    if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
        allowed = f"{lowest} to {highest}" if highest == MOST_VIDEOS else f"{lowest} or more"
        raise UserError(f"{text} is given where a whole number of {allowed} is needed: give one of them")
    return int(text)
