"""One of several processes: all sum their ranks, each writes down what it is."""

import os
import sys
from pathlib import Path

import torch

from pipeline.train import distributed

world = distributed.join(torch.device("cpu"))
mean = world.mean(torch.tensor(float(world.rank)))
node, gpus = os.environ.get("SLURMD_NODENAME", "here"), os.environ.get("CUDA_VISIBLE_DEVICES", "none")
facts = (world.size, world.local_rank, mean.item(), node, gpus)
Path(sys.argv[1], str(world.rank)).write_text(" ".join(map(str, facts)))
world.barrier()
distributed.leave()
