"""A trained run as the papers' figures look at it: its network, and test videos of several classes drawn by a seed."""

import argparse
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pipeline import cli, clips, crops, inputs, losses, manifest, weights
from pipeline.errors import UserError
from pipeline.flowpicture import picture
from pipeline.inputs import Readers, Sample
from pipeline.normalise import Normaliser
from pipeline.quantise import dequantise
from pipeline.recipes import Recipe
from pipeline.score import load_net
from pipeline.train import pick_device
from pipeline.trainingdata import open_shards

LETTERS = 18  # of a line beside pictures
MOST = 20  # videos of a picture


class Trained(NamedTuple):
    """A network in evaluation, its header's facts, and what its inputs are read and normalised by."""

    net: nn.Module
    facts: dict[str, Any]
    readers: Readers
    normalise: Normaliser

    @property
    def recipe(self) -> Recipe:
        """The recipe that it was trained by."""
        return self.facts["recipe"]

    @property
    def classes(self) -> list[str]:
        """The classes that it is tested on."""
        return self.facts["tested_classes"]


class Video(NamedTuple):
    """A test video and its class' number."""

    name: str
    label: int


def opened(path: Path, shards: Sequence[Path], device: str = "auto") -> Trained:
    """The run of a weights file; shards of other data are a UserError."""
    recipe, where = recipe_of(path), pick_device(device)
    readers = open_shards(shards, recipe)
    net, facts = load_net(path, readers, where)
    return Trained(net.requires_grad_(False), facts, readers, Normaliser(recipe, readers, where))


def recipe_of(path: Path) -> Recipe:
    """The recipe that weights were trained by; imported ones have none, a UserError."""
    facts = weights.load_facts(path)
    if "recipe" not in facts:
        raise UserError(f"{path} was imported, not trained here: give the weights.safetensors of a run")
    return facts["recipe"]


def refuse_other(path: Path, wanted: str, figure: str) -> None:
    """A UserError unless the weights' recipe builds the network `wanted`."""
    found = recipe_of(path)["net"]
    if found != wanted:
        raise UserError(f"{path} is a network {found} but {figure} are of {wanted}: give the weights of such a run")


def test_videos(readers: Readers, splits: Path, split: int) -> list[Video]:
    """The test videos of a split that are in the shards, in the official order."""
    table = manifest.read_splits(splits, split, "test")
    rows = zip(table["video_id"], table["label"].tolist(), strict=True)
    found = [Video(name, label) for name, label in rows if all(name in reader for reader in readers.values())]
    if not found:
        folder = next(iter(readers.values())).folder
        raise UserError(f"none of the {len(table)} test videos of split {split} is in {folder}: run shard again")
    return found


def drawn(
    videos: Sequence[Video], names: Sequence[str], count: int, each: int, seed: int, wanted: Sequence[str] = ()
) -> list[Video]:
    """Up to `each` videos of up to `count` classes, in the classes' order: those of `wanted`, or drawn by the seed."""
    generator, there = np.random.default_rng((seed, 11)), sorted({video.label for video in videos})
    if unknown := [name for name in wanted if name not in names]:
        raise UserError(f"there is no class {unknown[0]}: choose among {', '.join(names)}")
    kept = [names.index(name) for name in wanted] or there
    if missing := [names[label] for label in kept if label not in there]:
        raise UserError(f"no test video of the class {missing[0]} is in the shards: choose another class")
    if len(kept) > count:
        kept = sorted(generator.choice(kept, count, replace=False).tolist())
    chosen = []
    for label in kept:
        members = [video for video in videos if video.label == label]
        places = generator.permutation(len(members))[:each]
        chosen += [members[place] for place in sorted(places.tolist())]
    return chosen


def middle(trained: Trained, video: str) -> Sample:
    """The centre crop of a video's middle clip, as the tests' views are made."""
    recipe, readers = trained.recipe, trained.readers
    (times,) = clips.tested(recipe, inputs.frames(readers, video), 1)
    volumes = inputs.read(readers, recipe, video, times)
    box = crops.named(recipe, inputs.size_of(volumes), "centre", False)
    return inputs.cut(volumes, box, recipe["frames"] is not None)


def batched(trained: Trained, sample: Sample) -> list[Tensor]:
    """The network's inputs, a batch of one: (1, LC, T, h, w) each."""
    return trained.normalise(inputs.batch([sample]))


def verdict(logits: losses.Outputs, video: Video, classes: Sequence[str]) -> str:
    """A video's label: its class, and what the network takes this view for, with its share of the softmax."""
    shares = losses.merged(logits)[0, : len(classes)].softmax(0)
    guess = int(shares.argmax())
    own, other = wrapped(classes[video.label]), wrapped(classes[guess])
    right = "right" if guess == video.label else "wrong"
    return f"{own}\n\ntaken for\n{other}\n({float(shares[guess]):.0%}, {right})"


def wrapped(name: str) -> str:
    """A class' name in lines that fit beside the pictures."""
    return textwrap.fill(name, LETTERS)


def pictures(name: str, volume: Tensor, bound: float | None) -> np.ndarray:
    """What an input shows, uint8 RGB (T, h, w, 3): of a stack its first picture; flow by Middlebury's colours.

    volume (LC, T, h, w), or without T; `bound` is the flow's, of which a quarter has the full colour.
    """
    data = volume.numpy() if volume.ndim == 4 else volume[:, None].numpy()
    if name != "flow":
        return np.ascontiguousarray(data[:3].transpose(1, 2, 3, 0))
    field = data[:2].swapaxes(0, 1)  # (T, 2, h, w)
    pixels = dequantise(field, bound or 1.0) if field.dtype == np.uint8 else field
    return picture(pixels, (bound or 1.0) / 4)


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
    parser.add_argument("--out", required=True, type=Path, help=f"the {suffix} to write")


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
