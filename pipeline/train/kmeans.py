"""K-means of a trained VGG-16's descriptors on its training videos: the initial centres of ActionVLAD.

Writes a safetensors file with `centres` (K, D). Descriptors are L2-normalised, as in ActionVLAD. The same number is
drawn at random from each video, from centre crops at random times. The seed decides the result.
"""

import math
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor
from torch.nn import functional

from pipeline.common import cli, log
from pipeline.common.code_hash import stage_hash
from pipeline.common.errors import UserError
from pipeline.config.recipe import Recipe
from pipeline.formats import manifest, weights
from pipeline.inputs import clip_sampling, clip_volumes
from pipeline.inputs.normalise import Normaliser
from pipeline.inputs.protocols import View
from pipeline.inputs.readers import Readers, frame_count, open_shards, videos_in_shards
from pipeline.inputs.views import read_views
from pipeline.models.action_vlad import LAYERS, descriptors, truncate
from pipeline.models.device import pick_device
from pipeline.models.trained import load_net, recipe_of
from pipeline.models.vgg import VGG


@torch.inference_mode()
def unit_descriptors(net: VGG, volume: Tensor, layer: str) -> np.ndarray:
    """All descriptors (N, D) of inputs (B, C, H, W), L2-normalised; `net` is a VGG-16 cut at `layer`."""
    maps = descriptors(net, volume, layer)  # (B, D, h, w)
    rows = maps.movedim(1, -1).flatten(0, -2)  # (Bhw, D)
    return functional.normalize(rows.float(), dim=1).cpu().numpy()


def sample_descriptors(
    net: VGG, layer: str, readers: Readers, videos: Sequence[str], recipe: Recipe, per_video: int, clips: int,
    seed: int, device: torch.device,
) -> Iterator[np.ndarray]:  # fmt: skip
    """Yield, for each video, up to `per_video` random descriptors (n, D) of `clips` clips at random times."""
    normalise = Normaliser(recipe, readers, device)
    for index, video in enumerate(log.progress(videos, len(videos), "describe")):
        generator = np.random.default_rng((seed, index))
        last_start = max(frame_count(readers, video) - clip_sampling.extent(recipe), 0)
        views = [View(n, (int(generator.integers(last_start + 1)),), 0, "centre", False) for n in range(clips)]
        (volume,) = normalise(clip_volumes.collate(read_views(readers, recipe, video, views)))
        rows = unit_descriptors(net, volume, layer)
        yield rows[generator.permutation(len(rows))[:per_video]]


def cluster_centres(rows: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """The centres (K, D) of descriptors (N, D)."""
    if len(rows) < clusters:
        raise UserError(f"{len(rows)} descriptors do not make {clusters} clusters: raise --descriptors or --frames")
    kmeans = MiniBatchKMeans(clusters, batch_size=max(1024, 8 * clusters), n_init=3, random_state=seed).fit(rows)
    return kmeans.cluster_centers_.astype(np.float32)


def parse_args(argv: Sequence[str]) -> Namespace:
    """The parsed command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("--weights", required=True, type=Path, help="weights.safetensors of a VGG-16 run")
    parser.add_argument("--shards", required=True, nargs="+", type=Path, help="the shards of the run's modality")
    parser.add_argument("--splits", required=True, type=Path, help="splits.parquet")
    parser.add_argument("--layer", choices=LAYERS, default="conv5_3")
    parser.add_argument("--relu", action="store_true", help="take the descriptors after the layer's ReLU")
    parser.add_argument("--clusters", type=int, default=64)
    parser.add_argument("--descriptors", type=int, default=200_000, help="about how many descriptors to cluster")
    parser.add_argument("--frames", type=int, default=1, help="clips per video that descriptors are drawn from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", required=True, type=Path, help="the safetensors file to write")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> None:
    """Cluster the descriptors of a run's training videos and write the centres."""
    args = parse_args(argv)
    torch.set_num_threads(args.threads)
    device, recipe = pick_device(args.device), recipe_of(args.weights)
    readers = open_shards(args.shards, recipe)
    net, run = load_net(args.weights, readers, device)
    if not isinstance(net, VGG):
        raise UserError(f"{args.weights} holds a {type(net).__name__} but descriptors are VGG-16's: train that first")
    truncate(net, args.layer, args.relu)
    listed = manifest.read_splits(args.splits, run["split"], "train")
    videos = list(videos_in_shards(listed, readers, f"training videos of split {run['split']}")["video_id"])
    per_video = math.ceil(args.descriptors / len(videos))
    samples = sample_descriptors(net, args.layer, readers, videos, recipe, per_video, args.frames, args.seed, device)
    rows = np.concatenate(list(samples))
    metadata = {
        **{key: run[key] for key in ("run", "preset", "split", "classes", "fingerprint", "settings", "recipe_hash")},
        "layer": args.layer, "relu": args.relu, "seed": args.seed, "frames": args.frames, "descriptors": len(rows),
        "videos": len(videos), "code": stage_hash("kmeans"), "torch": torch.__version__,
    }  # fmt: skip
    centres = torch.from_numpy(cluster_centres(rows, args.clusters, args.seed))
    weights.save(args.out, {"centres": centres}, metadata)
    log.say(f"{args.out}: {args.clusters} centres of {len(rows)} descriptors of {len(videos)} of {len(listed)} videos")


if __name__ == "__main__":
    cli.run(main)
