"""K-means of a trained VGG-16's descriptors on its training videos: the centres that ActionVLAD begins with.

Writes a safetensors file with `centres` (K, D). Descriptors are L2-normalised first, as ActionVLAD's are, and drawn at
random: as many from each video, from centre crops of its pictures. The seed decides all of it.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

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
from pipeline.inputs.readers import Readers, frame_count, open_shards
from pipeline.inputs.views import views_of
from pipeline.models.action_vlad import LAYERS, descriptors, truncate
from pipeline.models.device import pick_device
from pipeline.models.trained import load_net, recipe_of
from pipeline.models.vgg import VGG


@torch.inference_mode()
def described(net: VGG, volume: Tensor, layer: str) -> np.ndarray:
    """Inputs (B, C, H, W) of a VGG-16 cut at `layer` -> every descriptor of theirs, (N, D), of length 1."""
    maps = descriptors(net, volume, layer)  # (B, D, h, w)
    rows = maps.movedim(1, -1).flatten(0, -2)  # (Bhw, D)
    return functional.normalize(rows.float(), dim=1).cpu().numpy()


def drawn(
    net: VGG, layer: str, readers: Readers, videos: Sequence[str], recipe: Recipe, each: int, frames: int,
    seed: int, device: torch.device,
) -> Iterator[np.ndarray]:  # fmt: skip
    """`each` descriptors of every video, or all that it has, from `frames` clips at random places."""
    normalise = Normaliser(recipe, readers, device)
    for number, video in enumerate(log.progress(videos, len(videos), "describe")):
        generator = np.random.default_rng((seed, number))
        last = max(frame_count(readers, video) - clip_sampling.extent(recipe), 0)
        views = [View(n, (int(generator.integers(last + 1)),), 0, "centre", False) for n in range(frames)]
        (volume,) = normalise(clip_volumes.batch(views_of(readers, recipe, video, views)))
        found = described(net, volume, layer)
        yield found[generator.permutation(len(found))[:each]]


def centres(found: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """The means of descriptors (N, D), (K, D)."""
    if len(found) < clusters:
        raise UserError(f"{len(found)} descriptors do not make {clusters} clusters: raise --descriptors or --frames")
    means = MiniBatchKMeans(clusters, batch_size=max(1024, 8 * clusters), n_init=3, random_state=seed).fit(found)
    return means.cluster_centers_.astype(np.float32)


def load(path: Path | str) -> tuple[Tensor, dict[str, Any]]:
    """(centres (K, D), facts) of a file that this stage wrote, for ActionVLAD's `set_centres`."""
    tensors, facts = weights.load(path)
    if "centres" not in tensors:
        raise UserError(f"{path} has the tensors of {facts.get('run', 'a network')} but no centres: run kmeans")
    return tensors["centres"], facts


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("--weights", required=True, type=Path, help="weights.safetensors of a VGG-16 run")
    parser.add_argument("--shards", required=True, nargs="+", type=Path, help="the shards of the run's modality")
    parser.add_argument("--splits", required=True, type=Path, help="splits.parquet")
    parser.add_argument("--layer", choices=LAYERS, default="conv5_3")
    parser.add_argument("--relu", action="store_true", help="describe by what comes after the layer's ReLU")
    parser.add_argument("--clusters", type=int, default=64)
    parser.add_argument("--descriptors", type=int, default=200_000, help="how many to cluster, about")
    parser.add_argument("--frames", type=int, default=1, help="clips that are looked at in a video")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", required=True, type=Path, help="the safetensors file to write")
    a = parser.parse_args(argv)
    torch.set_num_threads(a.threads)
    device, recipe = pick_device(a.device), recipe_of(a.weights)
    readers = open_shards(a.shards, recipe)
    net, facts = load_net(a.weights, readers, device)
    if not isinstance(net, VGG):
        raise UserError(f"{a.weights} holds a {type(net).__name__} but descriptors are VGG-16's: train that first")
    truncate(net, a.layer, a.relu)
    table = manifest.read_splits(a.splits, facts["split"], "train")
    videos = [video for video in table["video_id"] if all(video in reader for reader in readers.values())]
    each = math.ceil(a.descriptors / max(len(videos), 1))
    parts = drawn(net, a.layer, readers, videos, recipe, each, a.frames, a.seed, device)
    found = np.concatenate(list(parts)) if videos else np.empty((0, 1), np.float32)
    about = {
        **{key: facts[key] for key in ("run", "preset", "split", "classes", "fingerprint", "settings", "recipe_hash")},
        "layer": a.layer, "relu": a.relu, "seed": a.seed, "frames": a.frames, "descriptors": len(found),
        "videos": len(videos), "code": stage_hash("kmeans"), "torch": torch.__version__,
    }  # fmt: skip
    weights.save(a.out, {"centres": torch.from_numpy(centres(found, a.clusters, a.seed))}, about)
    log.say(f"{a.out}: {a.clusters} centres of {len(found)} descriptors of {len(videos)} of {len(table)} videos")


if __name__ == "__main__":
    cli.run(main)
