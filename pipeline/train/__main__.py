"""Train one run: one network of one experiment on one split of one data set.

Writes weights.safetensors, metrics.parquet (a row per step) and metrics.csv (a row per epoch) into the folder
--out and, until they are complete, the checkpoint resume.pt. The folder finished/ keeps hard links to the outputs, in
case the job has to run again. On several GPUs: torchrun --nproc-per-node N -m -- pipeline.train ...
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
from pipeline.train.fit import runtime_errors_as_user_errors, train


def parse_args(argv: Sequence[str]) -> Namespace:
    """The parsed command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("--experiment", required=True, type=experiment_file, help="a name in experiments/, or a file")
    parser.add_argument("--run", required=True, help="the name of a run of the experiment")
    parser.add_argument("--preset", default="paper", help="the name of a preset of the experiment")
    parser.add_argument("--shards", required=True, nargs="+", type=Path, help="the shards of the run's modalities")
    parser.add_argument("--splits", required=True, type=Path, help="splits.parquet")
    parser.add_argument("--split", type=int, default=1)
    parser.add_argument("--partner-shards", nargs="+", type=Path, default=[], help="shards of a second data set")
    parser.add_argument("--partner-splits", type=Path, help="splits.parquet of the second data set")
    parser.add_argument("--init", action="append", default=[], metavar="PART=FILE", help="initial weights of a part")
    parser.add_argument("--note", default="", help="a remark for readers of the results")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; above 1, all but one decode clips")
    parser.add_argument("--compile", action="store_true", help="compile the network with torch.compile")
    parser.add_argument("--deterministic", action="store_true", help="get the same weights each time, also on a GPU")
    parser.add_argument("--tensorboard", type=Path, help="folder for curves in TensorBoard")
    parser.add_argument("--save-seconds", type=float, default=60, help="seconds between checkpoints")
    parser.add_argument("--out", required=True, type=Path, help="folder for the results")
    args = parser.parse_args(argv)
    if args.seed < 0:
        raise UserError(f"--seed is {args.seed} but seeds are counted from 0: give one of 0 or more")
    return args


def main(argv: Sequence[str]) -> None:
    """Train the run that the command line names."""
    args = parse_args(argv)
    if args.note:
        log.say(args.note)
    torch.set_num_threads(args.threads)
    if args.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is not deterministic without it
    torch.use_deterministic_algorithms(args.deterministic)
    torch.backends.cudnn.benchmark = not args.deterministic
    device = pick_device(args.device)
    group = distributed.init_process_group(device)
    if device.type == "cuda" and group.world_size > 1:
        device = torch.device("cuda", group.local_rank)
    with runtime_errors_as_user_errors(args):
        train(device, group, args)
    distributed.destroy_process_group()


if __name__ == "__main__":
    cli.run(main)
