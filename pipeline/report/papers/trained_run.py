"""A trained run as the papers' figures look at it: its network, and test videos of several classes drawn by a seed."""

import argparse
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.config.recipe import Recipe
from pipeline.flow.colour import flow_to_rgb
from pipeline.formats import manifest
from pipeline.formats.flow_levels import dequantise
from pipeline.inputs import clip_sampling, clip_volumes, crops
from pipeline.inputs.clip_volumes import Sample
from pipeline.inputs.normalise import Normaliser
from pipeline.inputs.readers import Readers, frame_count, open_shards
from pipeline.models.device import pick_device
from pipeline.models.outputs import Outputs, mean_logits
from pipeline.models.trained import load_net, recipe_of
from pipeline.report import style

Shown = TypeVar("Shown")

LETTERS = 18  # of a line beside pictures


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


def started(a: argparse.Namespace, wanted: str, figure: str) -> Trained:
    """The run that the command line names; one that is no network `wanted` is a UserError."""
    torch.set_num_threads(a.threads)
    refuse_other(a.weights, wanted, figure)
    return opened(a.weights, a.shards, a.device)


def refuse_other(path: Path, wanted: str, figure: str) -> None:
    """A UserError unless the weights' recipe builds the network `wanted`."""
    found = recipe_of(path).net
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
    """Up to `each` videos of up to `count` classes, in the classes' order: those of `wanted`, or drawn by the seed.

    Classes without a test video are told and left out; a UserError where no other is wanted, or for an unknown one.
    """
    generator, there = np.random.default_rng((seed, 11)), sorted({video.label for video in videos})
    if unknown := [name for name in wanted if name not in names]:
        raise UserError(f"there is no class {unknown[0]}: choose among {', '.join(names)}")
    if missing := [name for name in wanted if names.index(name) not in there]:
        if len(missing) == len(wanted):
            raise UserError(f"no test video of the class {missing[0]} is in the shards: choose another class")
        log.say(f"no test video of {', '.join(missing)} is in the shards: shown without")
    kept = [names.index(name) for name in wanted if name not in missing] or there
    if len(kept) > count:
        kept = sorted(generator.choice(kept, count, replace=False).tolist())
    found = []
    for label in kept:
        members = [video for video in videos if video.label == label]
        places = generator.permutation(len(members))[:each]
        found += [members[place] for place in sorted(places.tolist())]
    return found


def chosen(run: Trained, a: argparse.Namespace, each: int = 1) -> list[Video]:
    """The test videos that the command line asks for."""
    videos = test_videos(run.readers, a.splits, run.facts["split"])
    return drawn(videos, run.classes, a.count, each, a.seed, a.classes)


def of_each(run: Trained, a: argparse.Namespace, look: Callable[[Trained, Video], Shown], what: str) -> list[Shown]:
    """What a figure shows of each test video that the command line asks for."""
    videos = chosen(run, a)
    return [look(run, video) for video in log.progress(iter(videos), len(videos), what)]


def keep(made: Figure, title: str, run: Trained, out: Path, what: str, labels: Sequence[str]) -> None:
    """Write a figure of `what` of some videos under its title."""
    style.save(headed(made, title, run), out, title, f"{what} of {spoken(labels)}.")
    log.say(f"{out}: {len(labels)} videos")


def middle(trained: Trained, video: str) -> Sample:
    """The centre crop of a video's middle clip, as the tests' views are made."""
    recipe, readers = trained.recipe, trained.readers
    (times,) = clip_sampling.tested(recipe, frame_count(readers, video), 1)
    volumes = clip_volumes.read(readers, recipe, video, times)
    box = crops.named(recipe, clip_volumes.size_of(volumes), "centre", False)
    return clip_volumes.cut(volumes, box, recipe.frames is not None)


def batched(trained: Trained, sample: Sample) -> list[Tensor]:
    """The network's inputs, a batch of one: (1, LC, T, h, w) each."""
    return trained.normalise(clip_volumes.batch([sample]))


def verdict(logits: Outputs, video: Video, classes: Sequence[str]) -> str:
    """A video's label: its class, and what the network takes this view for, with its share of the softmax."""
    shares = mean_logits(logits)[0, : len(classes)].softmax(0)
    guess = int(shares.argmax())
    own, other = wrapped(classes[video.label]), wrapped(classes[guess])
    right = "right" if guess == video.label else "wrong"
    return f"{own}\n\ntaken for\n{other}\n({float(shares[guess]):.0%}, {right})"


def wrapped(name: str) -> str:
    """A class' name in lines that fit beside the pictures."""
    return textwrap.fill(name, LETTERS)


def spoken(labels: Sequence[str]) -> str:
    """Labels of several lines as one, for who cannot see the figure."""
    return "; ".join(" ".join(label.split()) for label in labels)


def headed(made: Figure, title: str, run: Trained) -> Figure:
    """The figure under its title, the run and the split."""
    made.suptitle(f"{title}\n{run.facts['run']}, split {run.facts['split']}", x=0.01, ha="left", weight="bold")
    return made


def pictures(name: str, volume: Tensor, bound: float | None) -> np.ndarray:
    """What an input shows, uint8 RGB (T, h, w, 3): of a stack its first picture; flow by Middlebury's colours.

    volume (LC, T, h, w), or without T; `bound` is the flow's. The length that all but a hundredth of its places stay
    below, a pixel at the least, has the full colour.
    """
    data = volume.numpy() if volume.ndim == 4 else volume[:, None].numpy()
    if name != "flow":
        return np.ascontiguousarray(data[:3].transpose(1, 2, 3, 0))
    field = data[:2].swapaxes(0, 1)  # (T, 2, h, w)
    pixels = dequantise(field, bound or 1.0) if field.dtype == np.uint8 else field
    return flow_to_rgb(pixels, max(1.0, float(np.percentile(np.hypot(pixels[:, 0], pixels[:, 1]), 99))))
