"""The logits of every view of a split's videos, by a trained network."""

import itertools
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pipeline.common import log
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
from pipeline.inputs.readers import Readers, frame_count, open_shards
from pipeline.inputs.views import read_views
from pipeline.models import registry
from pipeline.models.device import pick_device
from pipeline.models.outputs import mean_logits
from pipeline.models.trained import load_net, recipe_of

NUMBERS = 2**25  # of all inputs that are scored at a time: 222 pictures of 224x224, 3 clips of 64


def batches(samples: Sequence[Sample]) -> Iterator[list[Sample]]:
    """The samples of a video in batches of one shape, so large that NUMBERS holds."""
    for _, alike in itertools.groupby(samples, key=lambda sample: [data.shape for data, _shift in sample]):
        same = list(alike)
        each = sum(data.numel() for data, _shift in same[0])
        size = max(1, NUMBERS // each)
        yield from (same[begin : begin + size] for begin in range(0, len(same), size))


@torch.inference_mode()
def logits(net: nn.Module, normalise: Normaliser, samples: Sequence[Sample], classes: int) -> np.ndarray:
    """float32 (views, K); of several logits a view the mean, of more classes than are tested the first K."""
    parts = [part for alike in batches(samples) for part in forward(net, normalise, alike)]
    return torch.cat(parts)[:, :classes].numpy()


def forward(net: nn.Module, normalise: Normaliser, samples: Sequence[Sample]) -> list[torch.Tensor]:
    """A batch's logits in one part, or in as many as the memory asks for; one view that does not fit is a UserError."""
    try:
        return [mean_logits(net(*normalise(clip_volumes.collate(samples)))).float().cpu()]
    except torch.OutOfMemoryError:
        half = len(samples) // 2  # worked on below, where the error no longer holds on to what lies in memory
    if not half:
        shapes = " and ".join("x".join(map(str, data.shape)) for data, _shift in samples[0])
        raise UserError(f"one view of {shapes} does not fit into the memory of {normalise.device}: use --device cpu")
    log.say(f"out of GPU memory with {len(samples)} views at a time: {half} now")
    return [*forward(net, normalise, samples[:half]), *forward(net, normalise, samples[half:])]


def score_videos(
    net: nn.Module, normalise: Normaliser, readers: Readers, videos: Sequence[str], recipe: Recipe,
    protocol: protocols.Protocol, classes: int, threads: int,
) -> Iterator[tuple[str, list[View], np.ndarray]]:  # fmt: skip
    """Each video with its views and their logits (views, K); the next videos are read while one is scored."""

    def prepare(video: str) -> tuple[list[View], list[Sample]]:
        views = list(protocols.views(protocol, recipe, frame_count(readers, video)))
        return views, read_views(readers, recipe, video, views)

    done = ordered_map(prepare, videos, threads)
    for video, (views, samples) in log.progress(done, len(videos), "score"):
        yield video, views, logits(net, normalise, samples, classes)


def columns(scored: Iterator[tuple[str, list[View], np.ndarray]], labels: dict[str, int]) -> dict[str, list[Any]]:
    """The score file's columns."""
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


def options(parser: ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--weights", required=True, type=Path, help="weights.safetensors of a run")
    parser.add_argument("--shards", required=True, nargs="+", type=Path, help="the shards of the run's modalities")
    parser.add_argument("--splits", required=True, type=Path, help="splits.parquet")
    parser.add_argument("--subset", choices=["test", "train"], default="test", help="which videos of the run's split")
    parser.add_argument("--protocol", help="views to score; the recipe's unless given")
    parser.add_argument("--average", choices=["probabilities", "logits"], help="over views; the recipe's unless given")
    parser.add_argument("--note", help="what a reader must know; the recipe's deviations unless given")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", required=True, type=Path, help="the Parquet file to write")


def run(a: Namespace) -> None:
    """Score the videos of a split and write the score file."""
    torch.set_num_threads(a.threads)
    device = pick_device(a.device)
    recipe = recipe_of(a.weights)
    readers = open_shards(a.shards, recipe)
    net, facts = load_net(a.weights, readers, device)
    name = a.protocol or recipe.protocol_of(a.subset)
    table = manifest.read_splits(a.splits, facts["split"], a.subset)
    videos = [video for video in table["video_id"] if all(video in reader for reader in readers.values())]
    if not videos:
        raise UserError(
            f"none of the {len(table)} {a.subset} videos of split {facts['split']} is in {a.shards[0]}: run shard again"
        )
    labels = dict(zip(table["video_id"], table["label"].tolist(), strict=True))
    known, normalise = len(facts["tested_classes"]), Normaliser(recipe, readers, device)
    scored = score_videos(net, normalise, readers, videos, recipe, protocols.named(name), known, a.threads)
    made = columns(scored, labels)
    notes = [facts["note"], a.note if a.note is not None else recipe.deviations]
    about = {
        **{key: facts[key] for key in ("run", "preset", "split", "seed", "fingerprint", "recipe_hash")},
        "classes": facts["tested_classes"], "kind": "logits", "average": a.average or recipe.average,
        "protocol": name, "subset": a.subset, "videos": len(table), "deviations": "; ".join(filter(None, notes)),
        "code": stage_hash("score", registry.module_of(recipe.net)), "torch": torch.__version__,
        "environment": environment(),
    }  # fmt: skip
    scores.write(a.out, made, about)
    log.say(f"{a.out}: {len(videos)} of {len(table)} videos, top-1 {100 * class_counts.write_counts(a.out):.1f} %")
