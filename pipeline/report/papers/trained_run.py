"""A trained run as the papers' figures need it: its network, the clips it reads, and its predictions as captions."""

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from pipeline.common.errors import UserError
from pipeline.config.recipe import Recipe
from pipeline.flow.colour import flow_to_rgb
from pipeline.formats.flow_levels import dequantise
from pipeline.formats.modalities import INPUTS
from pipeline.inputs import clip_sampling, clip_volumes, crops
from pipeline.inputs.clip_volumes import Sample
from pipeline.inputs.normalise import Normaliser
from pipeline.inputs.readers import Readers, frame_count, open_shards
from pipeline.models.device import pick_device
from pipeline.models.outputs import Outputs, mean_logits
from pipeline.models.trained import load_net, recipe_of
from pipeline.report.papers.example_videos import Video, choose_videos, read_test_videos

LINE_LENGTH = 18  # letters of a line of a caption beside pictures


class TrainedRun(NamedTuple):
    """A network in evaluation mode, the metadata of its weights, and how its inputs are read and normalised."""

    net: nn.Module
    metadata: dict[str, Any]
    readers: Readers
    normalise: Normaliser

    @property
    def recipe(self) -> Recipe:
        """The recipe of its training."""
        return self.metadata["recipe"]

    @property
    def classes(self) -> list[str]:
        """The classes that it is tested on."""
        return self.metadata["tested_classes"]


def load_run(path: Path, shards: Sequence[Path], device: str = "auto") -> TrainedRun:
    """The run of a weights file; shards of other data are a UserError."""
    recipe, where = recipe_of(path), pick_device(device)
    readers = open_shards(shards, recipe)
    net, metadata = load_net(path, readers, where)
    return TrainedRun(net.requires_grad_(False), metadata, readers, Normaliser(recipe, readers, where))


def run_from_args(args: argparse.Namespace, net_name: str, figure: str) -> TrainedRun:
    """The run that the command line names; weights of another network than `net_name` are a UserError."""
    torch.set_num_threads(args.threads)
    check_network(args.weights, net_name, figure)
    return load_run(args.weights, args.shards, args.device)


def check_network(path: Path, net_name: str, figure: str) -> None:
    """Raise a UserError unless the weights are of the network `net_name`, which `figure` is about."""
    name = recipe_of(path).net
    if name != net_name:
        raise UserError(f"{path} is a network {name} but {figure} are of {net_name}: give the weights of such a run")


def videos_from_args(run: TrainedRun, args: argparse.Namespace, per_class: int = 1) -> list[Video]:
    """The test videos that the command line asks for."""
    videos = read_test_videos(run.readers, args.splits, run.metadata["split"])
    return choose_videos(videos, run.classes, args.count, per_class, args.seed, args.classes)


def middle_clip(run: TrainedRun, video: str) -> Sample:
    """The centre crop of a video's middle clip, made like the views of a test."""
    (times,) = clip_sampling.uniform_clips(run.recipe, frame_count(run.readers, video), 1)
    volumes = clip_volumes.read_volumes(run.readers, run.recipe, video, times)
    box = crops.test_crop(run.recipe, clip_volumes.picture_size(volumes), "centre", False)
    return clip_volumes.crop_volumes(volumes, box, run.recipe.frames is not None)


def to_batch(run: TrainedRun, sample: Sample) -> list[Tensor]:
    """The network's inputs for one clip, normalised: (1, LC, T, h, w) each."""
    return run.normalise(clip_volumes.collate([sample]))


def prediction_caption(logits: Outputs, video: Video, classes: Sequence[str]) -> str:
    """The class of a video, and below it the prediction for this clip with its softmax probability."""
    probabilities = mean_logits(logits)[0, : len(classes)].softmax(0)
    prediction = int(probabilities.argmax())
    right = "right" if prediction == video.label else "wrong"
    names = [wrap(classes[label]) for label in (video.label, prediction)]
    return f"{names[0]}\n\ntaken for\n{names[1]}\n({float(probabilities[prediction]):.0%}, {right})"


def wrap(name: str) -> str:
    """The name of a class in lines that fit beside the pictures."""
    return textwrap.fill(name, LINE_LENGTH)


def join_captions(captions: Sequence[str]) -> str:
    """Captions of several lines as one sentence, for the description of a figure."""
    return "; ".join(" ".join(caption.split()) for caption in captions)


def set_title(figure: Figure, title: str, run: TrainedRun) -> None:
    """Set a figure's title, with the run and the split below it."""
    text = f"{title}\n{run.metadata['run']}, split {run.metadata['split']}"
    figure.suptitle(text, x=0.01, ha="left", weight="bold")


def input_pictures(name: str, volume: Tensor, bound: float | None) -> np.ndarray:
    """The first picture of each stack of an input as RGB, uint8 (T, h, w, 3); flow in Middlebury's colours.

    volume (LC, T, h, w), or without T; `bound` is that of quantised flow. The colours of flow are full at the 99th
    percentile of its lengths, but at least at one pixel.
    """
    data = volume.numpy() if volume.ndim == 4 else volume[:, None].numpy()
    kind = INPUTS[name].kind
    if not kind.signed:
        shown = data[: kind.channels].transpose(1, 2, 3, 0)
        return np.ascontiguousarray(np.broadcast_to(shown, (*shown.shape[:-1], 3)))
    field = data[:2].swapaxes(0, 1)  # (T, 2, h, w)
    pixels = dequantise(field, bound or 1.0) if field.dtype == np.uint8 else field
    return flow_to_rgb(pixels, max(1.0, float(np.percentile(np.hypot(pixels[:, 0], pixels[:, 1]), 99))))
