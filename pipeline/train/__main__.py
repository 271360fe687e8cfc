"""Train one run: one network of one experiment on one split of one data set.

Writes weights.safetensors, metrics.parquet (a row a step) and metrics.csv (a row an epoch) into the folder given, and
resume.pt beside them until they are there; finished/ keeps them for a job that has to run again. On several GPUs:
torchrun --nproc-per-node N -m -- pipeline.train ...
"""

import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import torch

from pipeline.common import cli, log
from pipeline.common.errors import UserError
from pipeline.config.recipes import experiment_file
from pipeline.models.device import pick_device
from pipeline.train import distributed
from pipeline.train.fit import in_a_sentence, train


def arguments(argv: Sequence[str]) -> Namespace:
    """The command line, parsed."""
    parser = cli.parser(__doc__)
    parser.add_argument("--experiment", required=True, type=experiment_file, help="a name in experiments/, or a file")
    parser.add_argument("--run", required=True, help="one of its runs")
    parser.add_argument("--preset", default="paper", help="one of its presets")
    parser.add_argument("--shards", required=True, nargs="+", type=Path, help="the shards of the run's modalities")
    parser.add_argument("--splits", required=True, type=Path, help="splits.parquet")
    parser.add_argument("--split", type=int, default=1)
    parser.add_argument("--partner-shards", nargs="+", type=Path, default=[], help="shards of a second data set")
    parser.add_argument("--partner-splits", type=Path, help="its splits.parquet")
    parser.add_argument("--init", action="append", default=[], metavar="PART=FILE", help="first weights of a part")
    parser.add_argument("--note", default="", help="what a reader of the results must know about this training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; above 1, all but one decode clips")
    parser.add_argument("--compile", action="store_true", help="let torch.compile make kernels of the network")
    parser.add_argument("--deterministic", action="store_true", help="the same weights each time, on a GPU as well")
    parser.add_argument("--tensorboard", type=Path, help="folder for TensorBoard's curves")
    parser.add_argument("--save-seconds", type=float, default=60, help="time between checkpoints")
    parser.add_argument("--out", required=True, type=Path, help="folder for the results")
    a = parser.parse_args(argv)
    if a.seed < 0:
        raise UserError(f"--seed is {a.seed} but seeds are counted from 0: give one of 0 or more")
    return a


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    a = arguments(argv)
    if a.note:
        log.say(a.note)
    torch.set_num_threads(a.threads)
    if a.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without which cuBLAS refuses
    torch.use_deterministic_algorithms(a.deterministic)
    torch.backends.cudnn.benchmark = not a.deterministic
    device = pick_device(a.device)
    world = distributed.join(device)
    if device.type == "cuda" and world.size > 1:
        device = torch.device("cuda", world.local_rank)
    with in_a_sentence(a):
        train(device, world, a)
    distributed.leave()


if __name__ == "__main__":
    cli.run(main)
