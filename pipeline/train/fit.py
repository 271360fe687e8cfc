"""One run's training from its first step, or its last checkpoint, to its files."""

import contextlib
import hashlib
import math
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from pipeline.common import log
from pipeline.common.code_hash import stage_hash
from pipeline.common.environment import environment
from pipeline.common.errors import UserError
from pipeline.common.files import sha256
from pipeline.config import recipes
from pipeline.config.recipe import Recipe, recipe_hash
from pipeline.formats import weights
from pipeline.inputs.normalise import Normaliser
from pipeline.inputs.readers import open_shards
from pipeline.models import builders, from_recipe, registry
from pipeline.train import (
    checkpoint,
    dataset,
    distributed,
    freezing,
    initialise,
    metrics,
)
from pipeline.train.dataset import Batches, HeldOut, TrainingClips, Video
from pipeline.train.loader import loader_of, steps
from pipeline.train.tensorboard import Board
from pipeline.train.trainer import Training

OUTPUTS = ("metrics.parquet", "metrics.csv", "weights.safetensors")
FLUSH = 20  # steps between two looks at the loss, each of which waits for the device


def fit(
    training: Training, data: TrainingClips, validation: HeldOut | None, board: Board, identity: str,
    a: Namespace,
) -> None:  # fmt: skip
    """Train to the recipe's last step, saving on the way; a loss that is no number is the user's to see to."""
    recipe, world = training.recipe, training.world
    order = Batches(recipe, world, training.step)
    loader = loader_of(data, order, a.threads - 1, training.device)
    began = saved = time.monotonic()
    before = training.rows[-1][-1] if training.rows else 0.0
    recent: list[tuple[Any, ...]] = []
    training.ready()
    left = recipe.steps - training.step
    stream = steps(loader, order.chunks)
    what = f"train {type(training.net).__name__}"
    for chunks in log.progress(stream, left, what) if world.first else stream:
        rate = training.schedule.lr(training.step)
        loss, accuracy = training.update(chunks)
        recent.append((training.step, loss, accuracy, rate, before + time.monotonic() - began))
        if training.schedule.should_validate(training.step) and validation:
            training.checks.append([training.step, *training.validate(loader_of(validation, None, 0, None))])
            training.schedule.step(training.checks[-1][1])
        if training.step % FLUSH == 0 or training.step == recipe.steps:
            training.rows += flushed(recent, world, a.out)
            recent = []
            board.add(training.rows, training.checks)
            # Saved where rows end, so that a resumed curve has no gap and no row twice.
            if world.first and time.monotonic() - saved > a.save_seconds and training.step < recipe.steps:
                training.refuse_no_numbers()
                checkpoint.save(a.out, identity, training.state())
                metrics.write(a.out, training.rows, training.checks, data.videos / recipe.batch)
                saved = time.monotonic()


def flushed(recent: Sequence[tuple[Any, ...]], world: distributed.World, folder: Path) -> list[list[float]]:
    """Rows of numbers, all processes' mean, from rows with tensors; the first loss that is no number ends all."""
    means = world.mean(torch.stack([torch.stack((loss, accuracy)) for _, loss, accuracy, *_ in recent]).double())
    found = zip(recent, means.tolist(), strict=True)
    rows = [[step, *pair, rate, seconds] for (step, _, _, rate, seconds), pair in found]
    for step, loss, _, rate, _ in rows:
        if not math.isfinite(loss):
            good = f"the last good checkpoint is {folder / checkpoint.NAME}"
            good = good if (folder / checkpoint.NAME).exists() else "there is no checkpoint yet"
            raise UserError(
                f"the loss is {loss} at step {step:.0f}, learning rate {rate:g}: lower the recipe's rate; {good}"
            )
    return rows


def videos_of(recipe: Recipe, a: Namespace) -> tuple[list[list[Video]], list[str], int | None]:
    """Every task's videos, the classes of the network's first head, and how many its second has."""
    readers = open_shards(a.shards, recipe)
    classes = next(iter(readers.values())).classes
    own = dataset.of_split(readers, a.splits, a.split)
    if not recipe.partner:
        return [own], classes, None
    if not (a.partner_shards and a.partner_splits):
        raise UserError(f"the recipe trains on a second data set ({recipe.partner}): give --partner-shards and -splits")
    partner = open_shards(a.partner_shards, recipe)
    other = next(iter(partner.values())).classes
    more = dataset.of_all_splits(partner, a.partner_splits)
    if recipe.partner == "tasks":
        return [own, more], classes, len(other)
    joined, classes = dataset.added_classes(own, more, classes, other)
    return [joined], classes, None


def parse_sources(pairs: Sequence[str]) -> dict[str, Path]:
    """`net=PATH` ... -> part -> path."""
    split = {part: Path(path) for part, _, path in (pair.partition("=") for pair in pairs)}
    if missing := [str(path) for path in split.values() if not path.is_file()]:
        raise UserError(f"--init names {missing[0]}, which is not there: train or import it first")
    return split


def identity_of(recipe: Recipe, tasks: Sequence[Sequence[Video]], sources: dict[str, Path], a: Namespace) -> str:
    """What a checkpoint must agree on: recipe, code, data, first weights, split, seed."""
    shards = {id(video.readers): video.readers for videos in tasks for video in videos[:1]}
    settings = [f"{r.fingerprint} {r.settings}" for readers in shards.values() for r in readers.values()]
    first = [f"{part} {sha256(path)}" for part, path in sources.items()]
    parts = [recipe_hash(recipe), code_of(recipe), *settings, *first, dataset.digest(tasks)]
    return hashlib.sha256("\n".join([*parts, str(a.split), str(a.seed)]).encode()).hexdigest()[:12]


def code_of(recipe: Recipe) -> str:
    """The hash of the code that trains the recipe's network, and of no other network's."""
    return stage_hash("train", registry.module_of(recipe.net))


def prepared(
    recipe: Recipe, classes: Sequence[str], second: int | None, sources: dict[str, Path], seed: int
) -> torch.nn.Module:
    """The network with its first weights, frozen as the recipe says."""
    torch.manual_seed(seed)
    net = from_recipe.build(recipe, len(classes), second)
    heads = builders.heads(recipe.net, from_recipe.options(recipe, second))
    initialise.initialise(net, sources, heads, classes)
    freezing.freeze(net, recipe.trainable, heads)
    return net


def train(device: torch.device, world: distributed.World, a: Namespace) -> None:
    """Train what the command line says, from the last checkpoint on, to the files in its folder."""
    experiment = recipes.load(a.experiment, a.preset)
    recipe, sources = experiment.run(a.run), parse_sources(a.init)
    world.share(recipe.batch)
    tasks, classes, second = videos_of(recipe, a)
    identity = identity_of(recipe, tasks, sources, a)
    if checkpoint.finished(a.out, identity, a.note, OUTPUTS):
        world.barrier()
        if world.first:
            checkpoint.take_again(a.out, OUTPUTS)
        return
    validation = None
    if recipe.plateau:
        tasks[0], out = dataset.held_out(tasks[0], recipe.plateau["hold_out"], a.seed)
        validation = HeldOut(out, recipe)
    data, readers = TrainingClips(tasks, recipe, a.seed), tasks[0][0].readers
    net = prepared(recipe, classes, second, sources, a.seed).to(device)
    training = Training(recipe, net, Normaliser(recipe, readers, device), a.seed, world)
    resume(training, identity, a)
    if a.compile:
        training.compile()
    with Board(a.tensorboard if world.first else None, training.step) as board:
        fit(training, data, validation, board, identity, a)
    if world.first:
        finish(training, data, facts_of(experiment, recipe, readers, classes, second, identity, a), a)
    world.barrier()


def resume(training: Training, identity: str, a: Namespace) -> None:
    """Go on where a killed training of the same identity saved, all processes at the same step."""
    if state := checkpoint.load(a.out, identity):
        training.restore(state)
        log.say(f"resumed at step {training.step} of {training.recipe.steps}")
    training.world.agree(training.step, training.device)


@contextlib.contextmanager
def in_a_sentence(a: Namespace) -> Iterator[None]:
    """What a device or compiler cannot do is for the user to mend."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"the network itself does not fit into the memory ({error}): take a larger device, or a narrower network"
        ) from error
    except RuntimeError as error:
        first = str(error).strip().partition("\n")[0]
        if a.deterministic and "deterministic" in first:
            raise UserError(f"{first.partition('.')[0]}: leave out --deterministic, or use --device cpu") from error
        if a.compile and type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise UserError(
                f"torch.compile made no kernels ({first}): install a C++ compiler, or leave out --compile"
            ) from error
        raise


def facts_of(
    experiment: recipes.Experiment, recipe: Recipe, readers: Any, classes: Sequence[str], second: int | None,
    identity: str, a: Namespace,
) -> dict[str, Any]:  # fmt: skip
    """What the weights' header says of how they came about."""
    first = next(iter(readers.values()))
    return {
        "run": f"{experiment.name}.{a.run}", "preset": a.preset,
        "recipe": asdict(recipe), "recipe_hash": recipe_hash(recipe),
        "classes": classes, "tested_classes": first.classes, "second_classes": second,
        "fingerprint": first.fingerprint, "settings": {name: reader.settings for name, reader in readers.items()},
        "split": a.split, "seed": a.seed, "identity": identity, "note": a.note,
        "code": code_of(recipe), "torch": torch.__version__,
        "environment": environment(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() and a.device != "cpu" else "cpu",
    }  # fmt: skip


def finish(training: Training, data: TrainingClips, facts: dict[str, Any], a: Namespace) -> None:
    """Write what the training made."""
    per_epoch = data.videos / training.recipe.batch
    training.refuse_no_numbers()
    metrics.write(a.out, training.rows, training.checks, per_epoch)
    weights.save(a.out / OUTPUTS[-1], training.net.state_dict(), facts)
    checkpoint.finish(a.out, OUTPUTS)
