"""Reserve GPUs for a job on a machine without a scheduler: `python -m pipeline.gpuslots run --gpus 1 -- COMMAND`.

Snakemake counts GPUs but does not assign them, so jobs started together would all use the first one. This command
locks a file per GPU, sets CUDA_VISIBLE_DEVICES and replaces itself by COMMAND, which inherits the locks; the kernel
releases them when COMMAND ends, even if it is killed. Jobs wait while all GPUs are locked. If CUDA_VISIBLE_DEVICES is
set already, by a scheduler or by hand, it is kept; a job that needs fewer GPUs than it lists reserves some of those.
On a machine without a GPU, COMMAND runs unchanged. With --torchrun, a job of several GPUs runs one process per GPU
(`pipeline.gpuslots.torchrun`).

ACTIONBENCH_GPU_SHARE=N lets N jobs share a GPU. ACTIONBENCH_GPUS, a number or a list such as 0,3, replaces the GPUs
that nvidia-smi lists. ACTIONBENCH_GPU_LOCKS is the folder of the lock files.
"""

import argparse
import os
from collections.abc import Sequence

from pipeline.common import cli, log
from pipeline.common.errors import UserError
from pipeline.gpuslots.slots import available_gpus, reserve
from pipeline.gpuslots.torchrun import torchrun_command


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The parsed command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("action", choices=["run"], help="run a command on reserved GPUs")
    parser.add_argument("--gpus", type=int, default=1, help="number of GPUs that the job needs; 0 hides them all")
    parser.add_argument("--torchrun", action="store_true", help="start python -m MODULE as one process per GPU")
    parser.add_argument("--spread", action="store_true", help=argparse.SUPPRESS)  # the former name of --torchrun
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="after --, the command and its arguments")
    args = parser.parse_args(argv)
    if args.spread:
        raise UserError("--spread is now called --torchrun: write python -m pipeline.gpuslots run --torchrun")
    return args


def main(argv: Sequence[str]) -> None:
    """Reserve the GPUs and replace this process by the command."""
    args = arguments(argv)
    variables = reserve(args.gpus, os.environ)
    if variables:
        log.say(f"GPU {variables['CUDA_VISIBLE_DEVICES'] or 'none'}")
    environ = {**os.environ, **variables}
    command = args.command
    if args.torchrun:
        command = torchrun_command(command, args.gpus if available_gpus(environ) else 1, environ)
    try:
        os.execvpe(command[0], command, environ)  # noqa: S606 (the locks go with the process)
    except OSError as error:
        raise UserError(f"{command[0]} cannot be run ({error.strerror}): correct the command after --") from error


if __name__ == "__main__":
    cli.run(main)
