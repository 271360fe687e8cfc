"""What the commands of the papers' figures share: options of theirs, the numbers these take, and their errors."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from pipeline.common import cli
from pipeline.common.errors import UserError

MOST = 20  # videos of a picture


def options(parser: argparse.ArgumentParser, videos: int, suffix: str) -> None:
    """What the figures of a trained network share."""
    parser.add_argument("--weights", required=True, type=Path, help="weights.safetensors of the run")
    video_options(parser, videos, suffix)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")


def video_options(parser: argparse.ArgumentParser, videos: int, suffix: str) -> None:
    """What the figures of some test videos share."""
    parser.add_argument("--shards", required=True, nargs="+", type=Path, help="the shards of the run's modalities")
    parser.add_argument("--splits", required=True, type=Path, help="splits.parquet")
    parser.add_argument("--classes", nargs="+", default=[], help="classes to show; drawn by the seed unless given")
    parser.add_argument("--count", type=few, default=videos, help="classes at most, of each a video")
    parser.add_argument("--seed", type=natural, default=0, help="draws classes and videos")
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--out", required=True, type=picture, help=f"the {suffix} to write")


def picture(text: str) -> Path:
    """A PNG or SVG to write, for argparse."""
    if Path(text).suffix not in (".png", ".svg"):
        raise UserError(f"--out is {text} but figures are .png or .svg: give it such a name")
    return Path(text)


def positive(text: str) -> int:
    """A whole number of 1 or more, for argparse."""
    return _within(1, text)


def natural(text: str) -> int:
    """A whole number of 0 or more, for argparse."""
    return _within(0, text)


def few(text: str) -> int:
    """A whole number of 1 to MOST, for argparse: so many videos a picture has room for."""
    return _within(1, text, MOST)


def run(main: Callable[[Sequence[str]], None]) -> None:
    """A figure's command; torch's own complaints of memory become a sentence."""

    def told(argv: Sequence[str]) -> None:
        try:
            main(argv)
        except torch.OutOfMemoryError as error:
            raise UserError(f"one video does not fit into the device's memory ({error}): use --device cpu") from error

    cli.run(told)


def _within(least: int, text: str, most: int = 2**31) -> int:
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        room = f"{least} to {most}" if most == MOST else f"{least} or more"
        raise UserError(f"{text} is given where a whole number of {room} is needed: give one of them")
    return int(text)
