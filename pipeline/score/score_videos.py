"""The logits of every view of a split's videos, by a trained network."""

import itertools
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pipeline.common import cli, log
from pipeline.common.code_hash import stage_hash
from pipeline.common.environment import environment
from pipeline.common.errors import UserError
from pipeline.common.threads import ordered_map
from pipeline.config.recipe import Recipe
from pipeline.formats import class_counts, manifest, scores
from pipeline.inputs import clip_volumes, protocols
from pipeline.inputs.clip_volumes import Sample
from pipeline.inputs.normalise import Normaliser
from pipeline.inputs.protocols import View
from pipeline.inputs.readers import Readers, frame_count, open_shards, videos_in_shards
from pipeline.inputs.views import read_views
from pipeline.models import registry
from pipeline.models.device import pick_device
from pipeline.models.outputs import mean_logits
from pipeline.models.trained import load_net, recipe_of

BATCH_ELEMENTS = 2**25  # elements of all inputs in a batch: 222 frames of 224x224, 3 clips of 64 frames

ScoredVideo = tuple[str, list[View], np.ndarray]  # the video's id, its views and their logits (views, K)


def batches(samples: Sequence[Sample]) -> Iterator[list[Sample]]:
    """A video's samples in batches of samples of the same shape and of at most BATCH_ELEMENTS elements."""
    for _shape, group in itertools.groupby(samples, key=lambda sample: [data.shape for data, _ in sample]):
        same_shape = list(group)
        elements = sum(data.numel() for data, _ in same_shape[0])
        size = max(1, BATCH_ELEMENTS // elements)
        yield from (same_shape[begin : begin + size] for begin in range(0, len(same_shape), size))


@torch.inference_mode()
def logits(net: nn.Module, normalise: Normaliser, samples: Sequence[Sample], classes: int) -> np.ndarray:
    """The logits of a video's views, float32 (views, K).

    They are the mean if the network has several logits per view, and only those of the first K = `classes` classes if
    it was trained on more classes than are tested.
    """
    outputs = [output for batch in batches(samples) for output in forward(net, normalise, batch)]
    return torch.cat(outputs)[:, :classes].numpy()


def forward(net: nn.Module, normalise: Normaliser, samples: Sequence[Sample]) -> list[torch.Tensor]:
    """The logits of a batch, in one tensor or, if it does not fit into memory, in several in the same order.

    Raises UserError if a single view does not fit.
    """
    try:
        return [mean_logits(net(*normalise(clip_volumes.collate(samples)))).float().cpu()]
    except torch.OutOfMemoryError:
        half = len(samples) // 2  # used below and not here, where the error still refers to the batch's tensors
    if not half:
        shapes = " and ".join("x".join(map(str, data.shape)) for data, _ in samples[0])
        raise UserError(f"one view of {shapes} does not fit into the memory of {normalise.device}: use --device cpu")
    log.say(f"out of GPU memory with {len(samples)} views at a time: {half} now")
    return [*forward(net, normalise, samples[:half]), *forward(net, normalise, samples[half:])]


def score_videos(
    net: nn.Module, normalise: Normaliser, readers: Readers, videos: Sequence[str], recipe: Recipe,
    protocol: protocols.Protocol, classes: int, threads: int,
) -> Iterator[ScoredVideo]:  # fmt: skip
    """Yield every video's views and logits; `threads` threads read the next videos while one is scored."""

    def read(video: str) -> tuple[list[View], list[Sample]]:
        views = list(protocols.test_views(protocol, recipe, frame_count(readers, video)))
        return views, read_views(readers, recipe, video, views)

    samples_of_videos = ordered_map(read, videos, threads)
    for video, (views, samples) in log.progress(samples_of_videos, len(videos), "score"):
        yield video, views, logits(net, normalise, samples, classes)


def score_columns(scored: Iterator[ScoredVideo], labels: Mapping[str, int]) -> dict[str, list[Any]]:
    """The columns of the score file; `labels` maps a video's id to its label."""
    table: dict[str, list[Any]] = {name: [] for name in scores.SCHEMA.names}
    for video, views, values in scored:
        table["video_id"] += [video] * len(views)
        table["label"] += [labels[video]] * len(views)
        table["clip"] += [view.clip for view in views]
        table["crop"] += [view.crop for view in views]
        table["place"] += [view.place for view in views]
        table["flip"] += [view.flip for view in views]
        table["start"] += [view.times[0] for view in views]
        table["scores"] += list(values)
    return table


def score_metadata(args: Namespace, training: Mapping[str, Any], protocol: str, num_listed: int) -> dict[str, Any]:
    """The metadata of the score file; `training` is the metadata of the weights."""
    recipe = training["recipe"]
    notes = [training["note"], args.note if args.note is not None else recipe.deviations]
    return {
        **{key: training[key] for key in ("run", "preset", "split", "seed", "fingerprint", "recipe_hash")},
        "classes": training["tested_classes"], "kind": "logits", "average": args.average or recipe.average,
        "protocol": protocol, "subset": args.part, "videos": num_listed, "deviations": "; ".join(filter(None, notes)),
        "code": stage_hash("score", registry.module_of(recipe.net)), "torch": torch.__version__,
        "environment": environment(),
    }  # fmt: skip


def options(parser: ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--weights", required=True, type=Path, help="weights.safetensors of a run")
    parser.add_argument("--shards", required=True, nargs="+", type=Path, help="the shards of the run's modalities")
    parser.add_argument("--splits", required=True, type=Path, help="splits.parquet")
    parser.add_argument("--part", choices=["test", "train"], default="test", help="part of the run's split to score")
    parser.add_argument("--protocol", help="views to score (default: the recipe's)")
    parser.add_argument("--average", choices=["probabilities", "logits"], help="over views (default: the recipe's)")
    parser.add_argument("--note", help="a remark for readers of the results (default: the recipe's deviations)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", required=True, type=Path, help="the Parquet file to write")
    cli.add_renamed(parser, "--subset", "--part")


def run(args: Namespace) -> None:
    """Score the videos of a part of a split and write the score file."""
    torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    recipe = recipe_of(args.weights)
    readers = open_shards(args.shards, recipe)
    net, training = load_net(args.weights, readers, device)
    listed = manifest.read_splits(args.splits, training["split"], args.part)
    rows = videos_in_shards(listed, readers, f"{args.part} videos of split {training['split']}")
    videos, labels = rows["video_id"].tolist(), rows["label"].tolist()
    protocol = args.protocol or recipe.protocol_of(args.part)
    scored = score_videos(
        net, Normaliser(recipe, readers, device), readers, videos, recipe, protocols.parse(protocol),
        len(training["tested_classes"]), args.threads,
    )  # fmt: skip
    columns = score_columns(scored, dict(zip(videos, labels, strict=True)))
    scores.write(args.out, columns, score_metadata(args, training, protocol, len(listed)))
    top1 = 100 * class_counts.write_counts(args.out)
    log.say(f"{args.out}: {len(videos)} of {len(listed)} videos, top-1 {top1:.1f} %")
