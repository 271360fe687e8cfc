"""The training of one run, from its first step or its last checkpoint to its output files."""

import contextlib
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
from pipeline.common.files import sha256, short_hash
from pipeline.config import recipes
from pipeline.config.recipe import Recipe, recipe_hash
from pipeline.formats import weights
from pipeline.inputs.normalise import Normaliser
from pipeline.inputs.readers import Readers, open_shards
from pipeline.models import builders, from_recipe, registry
from pipeline.train import checkpoint, dataset, freezing, initialise, metrics
from pipeline.train.dataset import ChunkSampler, TrainingClips, ValidationClips, Video
from pipeline.train.distributed import ProcessGroup
from pipeline.train.loader import step_chunks, training_loader, validation_loader
from pipeline.train.tensorboard import Board
from pipeline.train.trainer import Training

OUTPUTS = ("metrics.parquet", "metrics.csv", "weights.safetensors")  # the weights are written last
FLUSH_STEPS = 20  # steps after which losses are copied from the device, which waits for it


def fit(
    training: Training, clips: TrainingClips, validation: ValidationClips | None, board: Board, identity: str,
    args: Namespace,
) -> None:  # fmt: skip
    """Train to the recipe's last step and save checkpoints on the way."""
    recipe, group = training.recipe, training.group
    sampler = ChunkSampler(recipe, group, training.step)
    steps = step_chunks(training_loader(clips, sampler, args.threads - 1, training.device), sampler.chunks_per_step)
    start = last_save = time.monotonic()
    earlier_seconds = training.step_rows[-1][-1] if training.step_rows else 0.0
    unflushed: list[tuple[Any, ...]] = []
    training.train_mode()
    if group.is_main:
        steps = log.progress(steps, recipe.steps - training.step, f"train {type(training.net).__name__}")
    for chunks in steps:
        lr = training.schedule.lr(training.step)
        loss, accuracy = training.train_step(chunks)
        unflushed.append((training.step, loss, accuracy, lr, earlier_seconds + time.monotonic() - start))
        if training.schedule.should_validate(training.step) and validation:
            training.validation_rows.append([training.step, *training.validate(validation_loader(validation))])
            training.schedule.step(training.validation_rows[-1][1])
        if training.step % FLUSH_STEPS == 0 or training.step == recipe.steps:
            training.step_rows += average_rows(unflushed, group, args.out)
            unflushed = []
            board.add(training.step_rows, training.validation_rows)
            # A checkpoint is saved only here, where all rows are flushed, so that a resumed curve has no gap.
            due = time.monotonic() - last_save > args.save_seconds and training.step < recipe.steps
            if group.is_main and due:
                save_checkpoint(training, clips, identity, args.out)
                last_save = time.monotonic()


def save_checkpoint(training: Training, clips: TrainingClips, identity: str, folder: Path) -> None:
    """Write resume.pt and the metrics so far."""
    training.check_finite()
    checkpoint.save(folder, identity, training.state_dict())
    write_metrics(training, clips, folder)


def write_metrics(training: Training, clips: TrainingClips, folder: Path) -> None:
    """Write metrics.parquet and metrics.csv."""
    steps_per_epoch = clips.num_videos / training.recipe.batch
    metrics.write(folder, training.step_rows, training.validation_rows, steps_per_epoch)


def average_rows(rows: Sequence[tuple[Any, ...]], group: ProcessGroup, folder: Path) -> list[list[float]]:
    """Rows of metrics.STEP_COLUMNS as numbers, with loss and accuracy averaged over processes.

    Raises UserError for a loss that is NaN or infinite; the message names the checkpoint in `folder`.
    """
    means = group.mean(torch.stack([torch.stack((loss, accuracy)) for _, loss, accuracy, *_ in rows]).double())
    pairs = zip(rows, means.tolist(), strict=True)
    averaged = [[step, *mean, lr, seconds] for (step, _, _, lr, seconds), mean in pairs]
    for step, loss, _, lr, _ in averaged:
        if not math.isfinite(loss):
            path = folder / checkpoint.RESUME_FILE
            hint = f"the last good checkpoint is {path}" if path.exists() else "there is no checkpoint yet"
            raise UserError(
                f"the loss is {loss} at step {step:.0f}, learning rate {lr:g}: lower the recipe's lr; {hint}"
            )
    return averaged


def load_tasks(recipe: Recipe, args: Namespace) -> tuple[list[list[Video]], list[str], int | None]:
    """The videos of every task, the classes of the network's first head and the number of classes of its second."""
    readers = open_shards(args.shards, recipe)
    classes = next(iter(readers.values())).classes
    videos = dataset.training_videos(readers, args.splits, args.split)
    if not recipe.partner:
        return [videos], classes, None
    if not (args.partner_shards and args.partner_splits):
        raise UserError(
            f"the recipe trains on a second data set ({recipe.partner}): give --partner-shards and --partner-splits"
        )
    partner_readers = open_shards(args.partner_shards, recipe)
    partner_classes = next(iter(partner_readers.values())).classes
    partner_videos = dataset.partner_videos(partner_readers, args.partner_splits)
    if recipe.partner == "tasks":
        return [videos, partner_videos], classes, len(partner_classes)
    merged, classes = dataset.merge_classes(videos, partner_videos, classes, partner_classes)
    return [merged], classes, None


def parse_init(options: Sequence[str]) -> dict[str, Path]:
    """Part of the network -> file of its initial weights, from options `PART=FILE`."""
    paths = {part: Path(path) for part, _, path in (option.partition("=") for option in options)}
    if missing := [str(path) for path in paths.values() if not path.is_file()]:
        raise UserError(f"--init names {missing[0]}, which is not there: train or import it first")
    return paths


def hash_inputs(recipe: Recipe, tasks: Sequence[Sequence[Video]], init: dict[str, Path], args: Namespace) -> str:
    """A hash of what a training depends on: recipe, code, data, initial weights, split and seed."""
    shards = {id(video.readers): video.readers for videos in tasks for video in videos[:1]}
    settings = [f"{r.fingerprint} {r.settings}" for readers in shards.values() for r in readers.values()]
    init_hashes = [f"{part} {sha256(path)}" for part, path in init.items()]
    inputs = [recipe_hash(recipe), code_hash(recipe), *settings, *init_hashes, dataset.hash_videos(tasks)]
    return short_hash("\n".join([*inputs, str(args.split), str(args.seed)]))


def code_hash(recipe: Recipe) -> str:
    """The hash of the code that trains the recipe's network; code of other networks is not part of it."""
    return stage_hash("train", registry.module_of(recipe.net))


def build_net(
    recipe: Recipe, classes: Sequence[str], second_classes: int | None, init: dict[str, Path], seed: int
) -> torch.nn.Module:
    """The recipe's network with its initial weights, its frozen parameters frozen."""
    torch.manual_seed(seed)
    net = from_recipe.build(recipe, len(classes), second_classes)
    heads = builders.heads(recipe.net, from_recipe.options(recipe, second_classes))
    initialise.initialise(net, init, heads, classes)
    freezing.freeze(net, recipe.trainable, heads)
    return net


def train(device: torch.device, group: ProcessGroup, args: Namespace) -> None:
    """Train the run of the command line, from its last checkpoint if there is one, and write its files."""
    experiment = recipes.load(args.experiment, args.preset)
    recipe, init = experiment.run(args.run), parse_init(args.init)
    group.local_batch(recipe.batch)  # raises UserError if the processes do not divide the batch
    tasks, classes, second_classes = load_tasks(recipe, args)
    identity = hash_inputs(recipe, tasks, init, args)
    if checkpoint.is_finished(args.out, identity, args.note, OUTPUTS):
        group.barrier()
        if group.is_main:
            checkpoint.restore_outputs(args.out, OUTPUTS)
        return
    validation = None
    if recipe.plateau:
        tasks[0], held_out = dataset.hold_out(tasks[0], recipe.plateau["hold_out"], args.seed)
        validation = ValidationClips(held_out, recipe)
    clips, readers = TrainingClips(tasks, recipe, args.seed), tasks[0][0].readers
    net = build_net(recipe, classes, second_classes, init, args.seed).to(device)
    training = Training(recipe, net, Normaliser(recipe, readers, device), args.seed, group)
    resume(training, identity, args.out)
    if args.compile:
        training.compile()
    with Board(args.tensorboard if group.is_main else None, training.step) as board:
        fit(training, clips, validation, board, identity, args)
    if group.is_main:
        metadata = weights_metadata(experiment, recipe, readers, classes, second_classes, identity, args)
        write_outputs(training, clips, metadata, args.out)
    group.barrier()


def resume(training: Training, identity: str, folder: Path) -> None:
    """Restore the checkpoint of the same identity, if there is one; all processes must begin at the same step."""
    if state := checkpoint.load(folder, identity):
        training.load_state_dict(state)
        log.say(f"resumed at step {training.step} of {training.recipe.steps}")
    training.group.check_same_step(training.step, training.device)


@contextlib.contextmanager
def runtime_errors_as_user_errors(args: Namespace) -> Iterator[None]:
    """Raise UserError for errors of torch that other options, or another device, avoid."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"the network itself does not fit into the memory ({error}): take a larger device, or a narrower network"
        ) from error
    except RuntimeError as error:
        first_line = str(error).strip().partition("\n")[0]
        if args.deterministic and "deterministic" in first_line:
            raise UserError(
                f"{first_line.partition('.')[0]}: leave out --deterministic, or use --device cpu"
            ) from error
        if args.compile and type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise UserError(
                f"torch.compile failed ({first_line}): install a C++ compiler, or leave out --compile"
            ) from error
        raise


def weights_metadata(
    experiment: recipes.Experiment, recipe: Recipe, readers: Readers, classes: Sequence[str],
    second_classes: int | None, identity: str, args: Namespace,
) -> dict[str, Any]:  # fmt: skip
    """The header of the weights file: recipe, classes, data, code and environment of the training."""
    reader = next(iter(readers.values()))
    return {
        "run": f"{experiment.name}.{args.run}", "preset": args.preset,
        "recipe": asdict(recipe), "recipe_hash": recipe_hash(recipe),
        "classes": classes, "tested_classes": reader.classes, "second_classes": second_classes,
        "fingerprint": reader.fingerprint, "settings": {name: reader.settings for name, reader in readers.items()},
        "split": args.split, "seed": args.seed, "identity": identity, "note": args.note,
        "code": code_hash(recipe), "torch": torch.__version__,
        "environment": environment(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() and args.device != "cpu" else "cpu",
    }  # fmt: skip


def write_outputs(training: Training, clips: TrainingClips, metadata: dict[str, Any], folder: Path) -> None:
    """Write the metrics and then the weights, and delete the checkpoint."""
    training.check_finite()
    write_metrics(training, clips, folder)
    weights.save(folder / OUTPUTS[-1], training.net.state_dict(), metadata)
    checkpoint.finish(folder, OUTPUTS)
