"""One of several processes: all sum their ranks, each writes down what it is."""

import os
import sys
from pathlib import Path

import torch

from pipeline.train import distributed

group = distributed.init_process_group(torch.device("cpu"))
mean = group.mean(torch.tensor(float(group.rank)))
node, gpus = os.environ.get("SLURMD_NODENAME", "here"), os.environ.get("CUDA_VISIBLE_DEVICES", "none")
values = (group.world_size, group.local_rank, mean.item(), node, gpus)
Path(sys.argv[1], str(group.rank)).write_text(" ".join(map(str, values)))
group.barrier()
distributed.destroy_process_group()
