"""Data-parallel training: the processes that torchrun starts on one node or on several."""

import os
from datetime import timedelta
from typing import NamedTuple

import torch
from torch import distributed

from pipeline.common.errors import UserError

TIMEOUT = timedelta(minutes=30)  # of a collective operation: another process may still be decoding its first batch


class ProcessGroup(NamedTuple):
    """The number of processes, this process's rank among all of them and its rank on its node."""

    world_size: int
    rank: int
    local_rank: int

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes files."""
        return self.rank == 0

    def local_batch(self, batch: int) -> range:
        """This process's equal part of the indices of a batch; raises UserError if `batch` is not divisible."""
        if batch % self.world_size:
            raise UserError(
                f"the batch is {batch} but there are {self.world_size} processes: start a number that divides it"
            )
        size = batch // self.world_size
        return range(self.rank * size, (self.rank + 1) * size)

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """`values` averaged over all processes."""
        if self.world_size > 1:
            distributed.all_reduce(values)
        return values / self.world_size

    def check_same_step(self, step: int, device: torch.device) -> None:
        """Raise UserError unless all processes begin at the same step.

        They do not where each node has a folder of its own, so that only some processes find the checkpoint.
        """
        if self.world_size == 1:
            return
        steps = [torch.zeros(1, dtype=torch.long, device=device) for _ in range(self.world_size)]
        distributed.all_gather(steps, torch.tensor([step], device=device))
        if rank := next((rank for rank, other in enumerate(steps) if other != steps[0]), None):
            raise UserError(
                f"process {rank} begins at step {int(steps[rank])} but the first at {int(steps[0])}: give an --out that"
                " all nodes share"
            )

    def barrier(self) -> None:
        """Wait for all processes."""
        if self.world_size > 1:
            distributed.barrier()


def init_process_group(device: torch.device) -> ProcessGroup:
    """Join the processes that torchrun started, by NCCL on GPUs and gloo on CPUs; without torchrun a group of one."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    group = ProcessGroup(world_size, int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0")))
    if world_size > 1 and device.type == "cuda":
        if group.local_rank >= torch.cuda.device_count():
            raise UserError(
                f"process {group.local_rank} of this node has no GPU of its own, torch sees"
                f" {torch.cuda.device_count()}: start as many processes per node"
            )
        torch.cuda.set_device(group.local_rank)
    if world_size > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
    return group


def destroy_process_group() -> None:
    """Leave the process group if this process is in one."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
