"""Score a split's videos with a trained network: the logits of every view of the test protocol, as Parquet."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline import cli, clips, manifest, protocols, recipes, scores, weights
from pipeline.codehash import code_hash
from pipeline.errors import UserError
from pipeline.frames import in_order
from pipeline.protocols import View
from pipeline.shards import ShardReader
from pipeline.store import require
from pipeline.train import build, pick_device

BATCH = 128  # views scored at a time


def inputs(reader: ShardReader, video: str, views: Sequence[View], recipe: recipes.Recipe) -> Tensor:
    """Network inputs of every view, (views, C, H, W); a clip is read once for all its views, which stand together."""
    volumes = []
    for start, of_clip in itertools.groupby(views, key=lambda view: view.start):
        pictures = clips.numbers(start, recipe["length"], reader.count(video))
        whole = clips.read(reader, video, pictures, recipe["mean_subtraction"])
        volumes += [one_view(whole, view, reader.modality, recipe["crop"]) for view in of_clip]
    return torch.from_numpy(np.stack(volumes))


def one_view(whole: np.ndarray, view: View, modality: str, size: int) -> np.ndarray:
    """The view's crop of a clip of whole pictures, as the network's input volume."""
    top, left = clips.corner(view.place, whole.shape[2], whole.shape[3], size)
    cropped = clips.crop(whole, top, left, size)
    return clips.stack(clips.flip(cropped, modality) if view.flip else cropped)


@torch.inference_mode()
def logits(net: nn.Module, volume: Tensor, device: torch.device) -> np.ndarray:
    """(views, C, H, W) -> float32 (views, K)."""
    parts = [net(part.to(device)).float().cpu() for part in volume.split(BATCH)]
    return torch.cat(parts).numpy()


def score_videos(
    net: nn.Module, reader: ShardReader, videos: Sequence[str], recipe: recipes.Recipe, protocol: protocols.Protocol,
    device: torch.device, threads: int,
) -> Iterator[tuple[str, list[View], np.ndarray]]:  # fmt: skip
    """Each video with its views and their logits (views, K); the next videos are read while one is scored."""

    def prepare(video: str) -> tuple[list[View], Tensor]:
        views = list(protocols.views(protocol, reader.count(video), recipe["length"]))
        return views, inputs(reader, video, views, recipe)

    done = in_order(prepare, videos, threads)
    for video, (views, volume) in cli.progress(done, len(videos), "score"):
        yield video, views, logits(net, volume, device)


def columns(scored: Iterator[tuple[str, list[View], np.ndarray]], labels: dict[str, int]) -> dict[str, list[Any]]:
    """The score file's columns."""
    table: dict[str, list[Any]] = {name: [] for name in scores.SCHEMA.names}
    for video, views, values in scored:
        table["video_id"] += [video] * len(views)
        table["label"] += [labels[video]] * len(views)
        table["clip"] += [view.clip for view in views]
        table["crop"] += [view.crop for view in views]
        table["flip"] += [view.flip for view in views]
        table["start"] += [view.start for view in views]
        table["scores"] += list(values)
    return table


def load_net(path: Path, reader: ShardReader, device: torch.device) -> tuple[nn.Module, dict[str, Any]]:
    """The trained network, ready to score, and its facts; shards of other classes or settings are refused."""
    tensors, facts = weights.load(path)
    if facts["classes"] != reader.classes:
        pairs = zip(facts["classes"], reader.classes, strict=False)
        first = next((pair for pair in pairs if pair[0] != pair[1]), (len(facts["classes"]), len(reader.classes)))
        raise UserError(
            f"{path} knows other classes than {reader.folder} ({first[0]} against {first[1]}): train it on them"
        )
    require(reader.settings, facts["settings"], reader.folder)
    net = build(facts["recipe"], len(reader.classes))
    net.load_state_dict(tensors)
    return net.eval().to(device), facts


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("--weights", required=True, type=Path, help="weights.safetensors of a run")
    parser.add_argument("--shards", required=True, type=Path, help="the shards of the run's modality")
    parser.add_argument("--splits", required=True, type=Path, help="splits.parquet")
    parser.add_argument("--subset", choices=["test", "train"], default="test", help="which videos of the run's split")
    parser.add_argument("--protocol", help="views to score; the recipe's unless given")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", required=True, type=Path, help="the Parquet file to write")
    a = parser.parse_args(argv)
    torch.set_num_threads(a.threads)
    device = pick_device(a.device)
    reader = ShardReader(a.shards)
    net, facts = load_net(a.weights, reader, device)
    recipe = facts["recipe"]
    name = a.protocol or recipe["protocol" if a.subset == "test" else "train_protocol"]
    table = manifest.read_splits(a.splits, facts["split"], a.subset)
    videos = [video for video in table["video_id"] if video in reader]
    labels = dict(zip(table["video_id"], table["label"].tolist(), strict=True))
    scored = score_videos(net, reader, videos, recipe, protocols.named(name), device, a.threads)
    made = columns(scored, labels)
    about = {
        **{key: facts[key] for key in ("run", "preset", "split", "seed", "classes", "fingerprint", "recipe_hash")},
        "kind": "logits", "average": recipe["average"], "protocol": name, "subset": a.subset,
        "videos": len(table), "deviations": recipe.get("deviations", ""), "code": code_hash("pipeline.score"),
        "torch": torch.__version__,
    }  # fmt: skip
    scores.write(a.out, made, about)
    cli.say(f"{a.out}: {len(videos)} of {len(table)} videos, top-1 {100 * scores.top1(scores.read(a.out)):.1f} %")


if __name__ == "__main__":
    cli.run(main)
