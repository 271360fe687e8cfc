"""Several processes that train one network: torchrun's, on one node or many."""

import os
from datetime import timedelta
from typing import NamedTuple

import torch
from torch import distributed

from pipeline.common.errors import UserError

PATIENCE = timedelta(minutes=30)  # for a process that still decodes its first batch


class World(NamedTuple):
    """How many processes there are and which one this is, in all and on its node."""

    size: int
    rank: int
    local_rank: int

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def share(self, batch: int) -> range:
        """This process's places in a batch; a batch that does not come out even is the user's error."""
        if batch % self.size:
            raise UserError(f"the batch is {batch} but there are {self.size} processes: start a number that divides it")
        each = batch // self.size
        return range(self.rank * each, (self.rank + 1) * each)

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """The mean over all processes of numbers that each of them has."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values / self.size

    def agree(self, step: int, device: torch.device) -> None:
        """Whether all begin at the same step, which they do not where each node has a folder of its own."""
        if self.size == 1:
            return
        steps = [torch.zeros(1, dtype=torch.long, device=device) for _ in range(self.size)]
        distributed.all_gather(steps, torch.tensor([step], device=device))
        if odd := next((rank for rank, other in enumerate(steps) if other != steps[0]), None):
            raise UserError(
                f"process {odd} begins at step {int(steps[odd])} but the first at {int(steps[0])}: give an --out that"
                " all nodes share"
            )

    def barrier(self) -> None:
        """Wait for all processes."""
        if self.size > 1:
            distributed.barrier()


def join(device: torch.device) -> World:
    """Join the processes that torchrun started, by NCCL on GPUs and gloo on CPUs; alone without torchrun."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    world = World(size, int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0")))
    if size > 1 and device.type == "cuda":
        if world.local_rank >= torch.cuda.device_count():
            raise UserError(
                f"process {world.local_rank} of this node has no GPU of its own, torch sees"
                f" {torch.cuda.device_count()}: start as many processes a node"
            )
        torch.cuda.set_device(world.local_rank)
    if size > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    return world


def leave() -> None:
    """Leave the group, if there is one."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
