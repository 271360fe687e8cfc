"""One network being trained: its state, and the step that a recipe prescribes on whatever memory and processes."""

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
from pipeline.train.distributed import World
from pipeline.train.schedules import Schedule

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
Chunk = tuple[Any, Tensor, Tensor]  # (samples, labels, tasks) of some videos, as the loader hands them out


class Training:
    """What a checkpoint holds: network, optimiser, scaler, schedule, step, metrics so far.

    A step's random numbers (dropout, FstCN's frame) are a function of seed, step and process, so they need no state.
    """

    def __init__(self, recipe: Recipe, net: nn.Module, normalise: Normaliser, seed: int, world: World) -> None:
        self.recipe, self.net, self.normalise, self.seed, self.world = recipe, net, normalise, seed, world
        self.device = normalise.device
        self.optimiser = optimiser(recipe, net)
        self.schedule = Schedule(recipe)
        half = self.device.type == "cuda" and recipe.precision == "fp16"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=half)
        self.step = 0
        self.part: int | None = None  # samples that fit the memory at a time, once that is known
        self.rows: list[list[float]] = []
        self.checks: list[list[float]] = []  # step, loss and accuracy of the held-out videos
        self.way = "tasks" if recipe.partner == "tasks" else recipe.loss_reduction
        self.call: Callable = parallel(net, self.device) if world.size > 1 else net

    def compile(self) -> None:
        """Let torch.compile make kernels of the network; processes exchange gradients around it."""
        compiled: Any = torch.compile(self.net)
        self.call = parallel(compiled, self.device) if self.world.size > 1 else compiled

    def state(self) -> dict[str, Any]:
        return {
            "net": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "schedule": self.schedule.state,
            "step": self.step,
            "rows": self.rows,
            "checks": self.checks,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        self.schedule.state = state["schedule"]
        self.step, self.rows, self.checks = state["step"], state["rows"], state["checks"]

    def update(self, chunks: Sequence[Chunk]) -> tuple[Tensor, Tensor]:
        """One step on the chunks of a batch; (loss, accuracy) before it, on the device. Memory that is too small for a
        chunk halves the parts that it is worked on in, and the step begins anew."""
        while (found := self._gradients(chunks)) is None:
            self._halve(max(len(labels) for _, labels, _ in chunks))
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedule.lr(self.step)
        self._descend()
        self.step += 1
        total, hits = (torch.stack(values).sum() for values in zip(*found, strict=True))
        return total, hits / sum(len(labels) for _, labels, _ in chunks)

    def _gradients(self, chunks: Sequence[Chunk]) -> list[tuple[Tensor, Tensor]] | None:
        """Every part's loss and hits; None where the memory did not suffice, with all as it was before."""
        torch.manual_seed((self.seed * 1_000_003 + self.step) * 4096 + self.world.rank)
        self.optimiser.zero_grad(set_to_none=True)
        moments = [buffer.clone() for buffer in self.net.buffers()]
        parts = [part for chunk in chunks for part in split(chunk, self.part)]
        try:
            return [self._accumulate(part, last=number == len(parts)) for number, part in enumerate(parts, 1)]
        except torch.OutOfMemoryError:
            for buffer, moment in zip(self.net.buffers(), moments, strict=True):
                buffer.copy_(moment)
            return None  # rather than to go on here, where the error still holds on to what lies in memory

    def _accumulate(self, part: Chunk, last: bool) -> tuple[Tensor, Tensor]:
        """Add a part's gradients; its share of the batch's loss, and how many of its samples are right."""
        sample, labels, tasks = part
        labels, tasks = (x.to(self.device, non_blocking=True) for x in (labels, tasks))
        # Processes exchange gradients once a step, with its last part.
        wait = self.call.no_sync() if isinstance(self.call, DistributedDataParallel) and not last else nullcontext()
        with wait:
            with autocast(self.device, self.recipe.precision):
                outputs = self.call(*self.inputs(sample))
                sums = losses.criterion(outputs, labels, tasks, self.way)
                share = self.recipe.batch // self.world.size / len(sums)
                loss = (sums / share).sum()
            self.scaler.scale(loss).backward()
        return loss.detach(), losses.hits(outputs, labels, tasks, self.way).detach()

    def _descend(self) -> None:
        if self.recipe.max_grad_norm:
            self.scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_(self.net.parameters(), self.recipe.max_grad_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()

    def _halve(self, largest: int) -> None:
        """Make parts smaller; not among several processes, which would wait for each other, nor of one clip."""
        size = min(self.part or largest, largest)
        if self.world.size > 1 and size > 1:
            raise UserError(
                f"out of memory with {size} clips at a time in process {self.world.rank} of {self.world.size}: set"
                f" micro_batch to {-(-size // 2)} in the recipe"
            )
        if size == 1:
            clip = f"crop {self.recipe.crop} and {self.recipe.frames or 1} frames"
            raise UserError(
                f"one clip of {clip} is more than {memory(self.device)} hold beside the network: make crop or frames"
                " smaller, set precision to bf16, or take a larger device"
            )
        self.part = -(-size // 2)
        torch.cuda.empty_cache()
        learning = (m.training for m in self.net.modules() if isinstance(m, _BatchNorm))
        and_so = ", which batch normalisation sees" if any(learning) else ""
        log.say(f"out of GPU memory with {size} clips at a time: {self.part} now{and_so}, with twice the accumulation")

    def inputs(self, sample: Any) -> list[Tensor]:
        """A chunk's samples as the network takes them."""
        orders = memory_format(self.device)
        return [x.contiguous(memory_format=orders[x.ndim]) if x.ndim in orders else x for x in self.normalise(sample)]

    def validate(self, chunks: Iterable[Chunk]) -> tuple[float, float]:
        """(loss, accuracy) of some videos, without learning from them."""
        self.net.eval()
        total = right = count = 0.0
        with torch.inference_mode(), autocast(self.device, self.recipe.precision):
            for sample, labels, tasks in (part for chunk in chunks for part in split(chunk, self.part)):
                outputs, labels = mean_logits(self.net(*self.inputs(sample))), labels.to(self.device)
                total += losses.criterion(outputs, labels, tasks, "sum").item()
                right += (outputs.argmax(1) == labels).sum().item()
                count += len(labels)
        self.ready()
        found = torch.tensor([total / count, right / count], dtype=torch.float64, device=self.device)
        loss, accuracy = self.world.mean(found).tolist()
        return loss, accuracy  # alike in all processes, whose schedules must not part

    def refuse_no_numbers(self) -> None:
        """Weights that are no numbers are neither saved nor handed on."""
        if odd := next((name for name, p in self.net.named_parameters() if not p.isfinite().all()), None):
            rate = self.schedule.lr(self.step - 1)
            raise UserError(
                f"{odd} holds what is no number after step {self.step}, learning rate {rate:g}: lower the recipe's rate"
            )

    def ready(self) -> None:
        """Training mode, but for what the recipe freezes."""
        freezing.train_mode(self.net, self.recipe.freeze_bn or self.recipe.trainable == "head")


def optimiser(recipe: Recipe, net: nn.Module) -> torch.optim.Optimizer:
    """The recipe's, for the parameters that learn."""
    learning = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if recipe.optimizer == "adam":
        return torch.optim.Adam(learning, recipe.lr, eps=recipe.eps, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(learning, recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay)


def parallel(net: nn.Module, device: torch.device) -> nn.Module:
    """The network with gradients averaged over processes."""
    places = [device] if device.type == "cuda" else None
    return DistributedDataParallel(net, device_ids=places)


def memory(device: torch.device) -> str:
    """`the 80 GiB of cuda:0`"""
    size = torch.cuda.get_device_properties(device).total_memory / 2**30 if device.type == "cuda" else 0
    return f"the {size:.0f} GiB of {device}" if size else f"the bytes of {device}"


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """Mixed precision on a GPU; a CPU computes in 32 bits whatever the recipe says."""
    enabled = device.type == "cuda" and precision != "fp32"
    return torch.autocast(device.type, PRECISIONS[precision], enabled=True) if enabled else nullcontext()


def split(chunk: Chunk, part: int | None) -> list[Chunk]:
    """A chunk in parts of about equal size, `part` samples at the most."""
    sample, labels, tasks = chunk
    count = -(-len(labels) // (part or len(labels)))
    if count == 1:
        return [chunk]
    pairs = [zip(*(tensor.tensor_split(count) for tensor in pair), strict=True) for pair in sample]
    samples = zip(*pairs, strict=True)
    return list(zip(samples, labels.tensor_split(count), tasks.tensor_split(count), strict=True))
