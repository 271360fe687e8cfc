"""Train one run: one network of one experiment on one split of one data set.

Writes weights.safetensors and metrics.csv into the folder given, and resume.pt beside them until they are there.
"""

import csv
import hashlib
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from pipeline import checkpoint, cli, clips, manifest, models, recipes, weights
from pipeline.codehash import code_hash
from pipeline.errors import UserError
from pipeline.files import whole_file
from pipeline.sampling import Sampler
from pipeline.shards import ShardReader

METRICS = ("step", "loss", "accuracy", "rate", "seconds")
LOG_EVERY = 20  # steps that one row of metrics.csv averages over
CHANNELS = {"rgb": 3, "flow": 2}


class TrainingClips(Dataset):
    """Position in the training sequence -> (network input, label); the same at every asking."""

    def __init__(
        self, reader: ShardReader, videos: Sequence[str], labels: Sequence[int], recipe: recipes.Recipe, seed: int
    ):
        self.reader, self.videos, self.labels, self.recipe = reader, videos, labels, recipe
        self.sampler = Sampler(recipe["sampling"], labels, seed)

    def __getitem__(self, position: int) -> tuple[Tensor, int]:
        index = self.sampler.video(position)
        clip = clips.augmented(self.reader, self.videos[index], self.recipe, self.sampler.generator(position))
        return torch.from_numpy(clips.stack(clip)), self.labels[index]


def build(recipe: recipes.Recipe, classes: int) -> nn.Module:
    """The recipe's network for as many classes."""
    channels = CHANNELS[recipe["modality"]] * recipe["length"]
    return models.build(recipe["net"], num_classes=classes, channels=channels, crop=recipe["crop"], **recipe["options"])


def rate_at(recipe: recipes.Recipe, step: int) -> float:
    """The learning rate: a tenth from each of `drops` on."""
    return recipe["rate"] * 0.1 ** sum(step >= drop for drop in recipe["drops"])


def pick_device(name: str) -> torch.device:
    """`auto` is a GPU where there is one; a GPU that is not there is the user's error."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"the device asked for is {name} but torch {torch.__version__} sees no GPU: use --device auto")
    return torch.device(name)


class Training:
    """The state that a checkpoint holds: network, optimiser, step, random numbers, metrics so far."""

    def __init__(self, recipe: recipes.Recipe, classes: int, seed: int, device: torch.device) -> None:
        torch.manual_seed(seed)
        self.recipe, self.device = recipe, device
        self.net = build(recipe, classes).to(device)
        self.optimiser = torch.optim.SGD(
            self.net.parameters(), recipe["rate"], recipe["momentum"], weight_decay=recipe["weight_decay"]
        )
        self.step = 0
        self.rows: list[list[float]] = []

    def state(self) -> dict[str, Any]:
        return {
            "net": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "rows": self.rows,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else [],
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.rows = state["step"], state["rows"]
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state_all(state["random_cuda"])

    def update(self, inputs: Tensor, labels: Tensor) -> tuple[float, float]:
        """One step of SGD; returns (loss, accuracy) of the batch before it."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.recipe, self.step)
        logits = self.net(inputs.to(self.device, non_blocking=True))
        labels = labels.to(self.device, non_blocking=True)
        loss = functional.cross_entropy(logits, labels)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.step += 1
        return loss.item(), (logits.argmax(1) == labels).float().mean().item()


def fit(
    training: Training, data: TrainingClips, folder: Path, identity: str, workers: int, save_seconds: float
) -> None:
    """Train to the recipe's last step, saving on the way; a loss that is no number is the user's to see to."""
    recipe, training_net = training.recipe, training.net.train()
    positions = range(training.step * recipe["batch"], recipe["steps"] * recipe["batch"])
    loader: DataLoader = DataLoader(
        data,
        recipe["batch"],
        sampler=positions,
        num_workers=workers,
        pin_memory=training.device.type == "cuda",
        generator=torch.Generator(),  # its own: a resumed training must not draw once more from the global one
    )
    began = saved = time.monotonic()
    before = training.rows[-1][-1] if training.rows else 0.0
    recent: list[tuple[float, float]] = []
    for batch in cli.progress(loader, len(loader), f"train {training_net.__class__.__name__}"):
        recent.append(training.update(*batch))
        if not math.isfinite(recent[-1][0]):
            raise UserError(
                f"the loss is {recent[-1][0]} at step {training.step}, learning rate {rate_at(recipe, training.step)}:"
                f" lower the recipe's rate; the last good checkpoint is {folder / checkpoint.NAME}"
            )
        if training.step % LOG_EVERY == 0 or training.step == recipe["steps"]:
            loss, accuracy = np.mean(recent, 0)
            rate = rate_at(recipe, training.step - 1)
            training.rows.append([training.step, float(loss), float(accuracy), rate, before + time.monotonic() - began])
            recent = []
            # Saved where a row of metrics ends, so that a resumed curve has no gap and no row twice.
            if time.monotonic() - saved > save_seconds and training.step < recipe["steps"]:
                checkpoint.save(folder, identity, training.state())
                saved = time.monotonic()


def write_metrics(path: Path, rows: Sequence[Sequence[float]]) -> None:
    """metrics.csv, whole."""
    with whole_file(path) as scratch, open(scratch, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(METRICS)
        writer.writerows([int(step), *(f"{value:.6g}" for value in values)] for step, *values in rows)


def training_videos(splits: Path, split: int, reader: ShardReader) -> tuple[list[str], list[int]]:
    """The training videos of a split that are in the shards, and their labels; the others are counted in the log."""
    table = manifest.read_splits(splits, split, "train")
    usable = table[[video in reader for video in table["video_id"]]]
    if usable.empty:
        raise UserError(
            f"none of the {len(table)} training videos of split {split} is in {reader.folder}: run shard again"
        )
    cli.say(f"training on {len(usable)} of {len(table)} videos of split {split}")
    return usable["video_id"].tolist(), usable["label"].tolist()


def identity_of(recipe: recipes.Recipe, reader: ShardReader, splits: Path, split: int, seed: int) -> str:
    """What a checkpoint must agree on: recipe, code, data, split, seed."""
    videos = manifest.read_splits(splits, split, "train")[["video_id", "label"]].to_csv(index=False)
    parts = [recipes.recipe_hash(recipe), code_hash("pipeline.train"), reader.fingerprint, str(reader.settings)]
    return hashlib.sha256("\n".join([*parts, videos, str(split), str(seed)]).encode()).hexdigest()[:12]


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("--experiment", required=True, type=Path, help="a file of experiments/")
    parser.add_argument("--run", required=True, help="one of its runs")
    parser.add_argument("--preset", default="paper", help="one of its presets")
    parser.add_argument("--shards", required=True, type=Path, help="the shards of the run's modality")
    parser.add_argument("--splits", required=True, type=Path, help="splits.parquet")
    parser.add_argument("--split", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; above 1, all but one decode clips")
    parser.add_argument("--save-seconds", type=float, default=60, help="time between checkpoints")
    parser.add_argument("--out", required=True, type=Path, help="folder for the results")
    a = parser.parse_args(argv)
    torch.set_num_threads(a.threads)
    experiment = recipes.load(a.experiment, a.preset)
    recipe = experiment.run(a.run)
    reader = ShardReader(a.shards)
    data = TrainingClips(reader, *training_videos(a.splits, a.split, reader), recipe, a.seed)
    identity = identity_of(recipe, reader, a.splits, a.split, a.seed)
    training = Training(recipe, len(reader.classes), a.seed, pick_device(a.device))
    if state := checkpoint.load(a.out, identity):
        training.restore(state)
        cli.say(f"resumed at step {training.step} of {recipe['steps']}")
    fit(training, data, a.out, identity, a.threads - 1, a.save_seconds)
    facts = {
        "run": f"{experiment.name}.{a.run}", "preset": a.preset,
        "recipe": recipe, "recipe_hash": recipes.recipe_hash(recipe),
        "classes": reader.classes, "fingerprint": reader.fingerprint, "settings": reader.settings, "split": a.split,
        "seed": a.seed, "identity": identity, "code": code_hash("pipeline.train"), "torch": torch.__version__,
    }  # fmt: skip
    write_metrics(a.out / "metrics.csv", training.rows)
    weights.save(a.out / "weights.safetensors", training.net.state_dict(), facts)
    checkpoint.remove(a.out)


if __name__ == "__main__":
    cli.run(main)
