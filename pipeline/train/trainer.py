"""A network in training: its state, and the optimization step of a recipe on any memory and number of processes."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.config.recipe import Recipe
from pipeline.inputs.normalise import Normaliser, memory_format
from pipeline.models.outputs import mean_logits
from pipeline.train import freezing, losses
from pipeline.train.distributed import ProcessGroup
from pipeline.train.schedules import Schedule

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
Chunk = tuple[Any, Tensor, Tensor]  # (sample, labels, tasks) of several clips, as the loader yields them


class Training:
    """The state of a training: network, optimizer, gradient scaler, schedule, step and metrics so far.

    The random numbers of a step (dropout, the frame that FstCN draws) are seeded by seed, step and rank, so their
    state need not be saved.
    """

    def __init__(self, recipe: Recipe, net: nn.Module, normalise: Normaliser, seed: int, group: ProcessGroup) -> None:
        self.recipe, self.net, self.normalise, self.seed, self.group = recipe, net, normalise, seed, group
        self.device = normalise.device
        self.optimizer = make_optimizer(recipe, net)
        self.schedule = Schedule(recipe)
        fp16 = self.device.type == "cuda" and recipe.precision == "fp16"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=fp16)
        self.step = 0
        self.micro_batch: int | None = None  # most samples in a forward pass, after a chunk did not fit into memory
        self.step_rows: list[list[float]] = []  # metrics.STEP_COLUMNS
        self.validation_rows: list[list[float]] = []  # metrics.VALIDATION_COLUMNS
        self.reduction = "tasks" if recipe.partner == "tasks" else recipe.loss_reduction
        # The network as it is called in training: compiled, or wrapped to average gradients over processes.
        self.model: Callable = data_parallel(net, self.device) if group.world_size > 1 else net

    def compile(self) -> None:
        """Compile the network with torch.compile, inside of the wrapper that averages gradients."""
        compiled: Any = torch.compile(self.net)
        self.model = data_parallel(compiled, self.device) if self.group.world_size > 1 else compiled

    def state_dict(self) -> dict[str, Any]:
        """The state that a checkpoint holds."""
        return {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "schedule": self.schedule.state,
            "step": self.step,
            "step_rows": self.step_rows,
            "validation_rows": self.validation_rows,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.schedule.state, self.step = state["schedule"], state["step"]
        self.step_rows, self.validation_rows = state["step_rows"], state["validation_rows"]

    def train_step(self, chunks: Sequence[Chunk]) -> tuple[Tensor, Tensor]:
        """One optimization step on the chunks of a batch; returns its loss and accuracy, on the device.

        If a chunk does not fit into memory, the step is repeated with micro-batches of half the size.
        """
        while (results := self._backward(chunks)) is None:
            self._halve_micro_batch(max(len(labels) for _, labels, _ in chunks))
        for param_group in self.optimizer.param_groups:
            param_group["lr"] = self.schedule.lr(self.step)
        self._optimizer_step()
        self.step += 1
        loss, num_correct = (torch.stack(values).sum() for values in zip(*results, strict=True))
        return loss, num_correct / sum(len(labels) for _, labels, _ in chunks)

    def _backward(self, chunks: Sequence[Chunk]) -> list[tuple[Tensor, Tensor]] | None:
        """Accumulate gradients; returns every micro-batch's loss and number of correct samples.

        Returns None, with the network's buffers restored, if the memory does not suffice. The step is not repeated in
        here because the error still refers to the tensors of the failed pass.
        """
        torch.manual_seed((self.seed * 1_000_003 + self.step) * 4096 + self.group.rank)
        self.optimizer.zero_grad(set_to_none=True)
        saved_buffers = [buffer.clone() for buffer in self.net.buffers()]
        micro_batches = [part for chunk in chunks for part in split_chunk(chunk, self.micro_batch)]
        last = len(micro_batches) - 1
        try:
            return [self._accumulate(part, last=index == last) for index, part in enumerate(micro_batches)]
        except torch.OutOfMemoryError:
            for buffer, saved in zip(self.net.buffers(), saved_buffers, strict=True):
                buffer.copy_(saved)
            return None

    def _accumulate(self, micro_batch: Chunk, last: bool) -> tuple[Tensor, Tensor]:
        """Add a micro-batch's gradients; returns its contribution to the loss and its number of correct samples."""
        sample, labels, tasks = micro_batch
        labels, tasks = (x.to(self.device, non_blocking=True) for x in (labels, tasks))
        # Processes average gradients once per step, in the backward pass of its last micro-batch.
        no_sync = isinstance(self.model, DistributedDataParallel) and not last
        with self.model.no_sync() if no_sync else nullcontext():  # type: ignore[attr-defined]
            with autocast(self.device, self.recipe.precision):
                outputs = self.model(*self.inputs(sample))
                sums = losses.criterion(outputs, labels, tasks, self.reduction)
                samples_per_task = self.recipe.batch // self.group.world_size / len(sums)
                loss = (sums / samples_per_task).sum()
            self.scaler.scale(loss).backward()
        return loss.detach(), losses.num_correct(outputs, labels, tasks, self.reduction).detach()

    def _optimizer_step(self) -> None:
        if self.recipe.max_grad_norm:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.net.parameters(), self.recipe.max_grad_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def _halve_micro_batch(self, chunk_size: int) -> None:
        """Halve the micro-batch; raises UserError for a single clip and in a group, where the others would wait."""
        size = min(self.micro_batch or chunk_size, chunk_size)
        if self.group.world_size > 1 and size > 1:
            raise UserError(
                f"out of memory with {size} clips at a time in process {self.group.rank} of {self.group.world_size}:"
                f" set micro_batch to {-(-size // 2)} in the recipe"
            )
        if size == 1:
            clip = f"crop {self.recipe.crop} and {self.recipe.frames or 1} frames"
            raise UserError(
                f"one clip of {clip} does not fit into {memory_size(self.device)} beside the network: make crop or"
                " frames smaller, set precision to bf16, or take a larger device"
            )
        self.micro_batch = -(-size // 2)
        torch.cuda.empty_cache()
        trained_bn = any(layer.training for layer in self.net.modules() if isinstance(layer, _BatchNorm))
        bn_note = ", and as many in a batch normalisation" if trained_bn else ""
        log.say(
            f"out of GPU memory with {size} clips at a time: {self.micro_batch} now{bn_note}, with twice the"
            " accumulation"
        )

    def inputs(self, sample: Any) -> list[Tensor]:
        """The network's inputs: a chunk's sample, normalised and in the device's memory format."""
        formats = memory_format(self.device)
        return [x.contiguous(memory_format=formats[x.ndim]) if x.ndim in formats else x for x in self.normalise(sample)]

    def validate(self, chunks: Iterable[Chunk]) -> tuple[float, float]:
        """(loss, accuracy) of held-out videos, averaged over ranks, so that their schedules stay in step."""
        self.net.eval()
        loss_sum = num_correct = count = 0.0
        with torch.inference_mode(), autocast(self.device, self.recipe.precision):
            for sample, labels, tasks in (part for chunk in chunks for part in split_chunk(chunk, self.micro_batch)):
                outputs, labels = mean_logits(self.net(*self.inputs(sample))), labels.to(self.device)
                loss_sum += losses.criterion(outputs, labels, tasks, "sum").item()
                num_correct += (outputs.argmax(1) == labels).sum().item()
                count += len(labels)
        self.train_mode()
        means = torch.tensor([loss_sum / count, num_correct / count], dtype=torch.float64, device=self.device)
        loss, accuracy = self.group.mean(means).tolist()
        return loss, accuracy

    def check_finite(self) -> None:
        """Raise UserError if a weight is NaN or infinite, so that such weights are never saved."""
        if name := next((name for name, p in self.net.named_parameters() if not p.isfinite().all()), None):
            lr = self.schedule.lr(self.step - 1)
            raise UserError(
                f"{name} is NaN or infinite after step {self.step}, learning rate {lr:g}: lower the recipe's lr"
            )

    def train_mode(self) -> None:
        """Training mode, except for the batch normalisation that the recipe freezes."""
        freezing.train_mode(self.net, self.recipe.freeze_bn or self.recipe.trainable == "head")


def make_optimizer(recipe: Recipe, net: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimizer of the parameters that are not frozen."""
    parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if recipe.optimizer == "adam":
        return torch.optim.Adam(parameters, recipe.lr, eps=recipe.eps, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(parameters, recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay)


def data_parallel(net: nn.Module, device: torch.device) -> nn.Module:
    """The network in a wrapper that averages gradients over processes."""
    return DistributedDataParallel(net, device_ids=[device] if device.type == "cuda" else None)


def memory_size(device: torch.device) -> str:
    """A device's memory for messages, such as `the 80 GiB of cuda:0`."""
    size = torch.cuda.get_device_properties(device).total_memory / 2**30 if device.type == "cuda" else 0
    return f"the {size:.0f} GiB of {device}" if size else f"the memory of {device}"


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """Mixed precision on a GPU; a CPU always computes in fp32."""
    enabled = device.type == "cuda" and precision != "fp32"
    return torch.autocast(device.type, PRECISIONS[precision], enabled=True) if enabled else nullcontext()


def split_chunk(chunk: Chunk, micro_batch: int | None) -> list[Chunk]:
    """A chunk in micro-batches of about equal size, at most `micro_batch` samples each; None: the chunk as it is."""
    sample, labels, tasks = chunk
    count = -(-len(labels) // (micro_batch or len(labels)))
    if count == 1:
        return [chunk]
    pairs = [zip(*(tensor.tensor_split(count) for tensor in pair), strict=True) for pair in sample]
    samples = zip(*pairs, strict=True)
    return list(zip(samples, labels.tensor_split(count), tasks.tensor_split(count), strict=True))
