"""Give a job GPUs of its own on a machine without a scheduler: `python -m pipeline.gpuslots run --gpus 1 -- COMMAND`.

Snakemake counts GPUs but does not say which, so jobs started together would all take the first. Here a job locks a
file a GPU, sets CUDA_VISIBLE_DEVICES and becomes COMMAND, which keeps the locks; when it ends, however it ends, the
kernel frees them. Jobs beyond the last GPU wait. Where CUDA_VISIBLE_DEVICES is set, by a scheduler or by hand, it is
kept, and only a job that needs fewer GPUs than it names picks among those. Without a GPU, COMMAND runs as it is. With
--spread, a job of several GPUs is a process a GPU (`pipeline.gpuslots.torchrun`).

ACTIONBENCH_GPU_SHARE=N lets N such jobs share a GPU. ACTIONBENCH_GPUS, a number or a list such as 0,3, says which GPUs
there are instead of nvidia-smi; ACTIONBENCH_GPU_LOCKS is the folder of the lock files.
"""

import os
from collections.abc import Sequence

from pipeline.common import cli, log
from pipeline.common.errors import UserError
from pipeline.gpuslots.slots import pool, settle
from pipeline.gpuslots.torchrun import spread


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("do", choices=["run"], help="run a command on GPUs of its own")
    parser.add_argument("--gpus", type=int, default=1, help="how many it needs; 0 hides them all")
    parser.add_argument("--spread", action="store_true", help="several GPUs run python -m MODULE, a process each")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="after --, the command and its arguments")
    a = parser.parse_args(argv)
    chosen = settle(a.gpus, os.environ)
    if chosen:
        log.say(f"GPU {chosen['CUDA_VISIBLE_DEVICES'] or 'none'}")
    environ = {**os.environ, **chosen}
    command = spread(a.command, a.gpus if pool(environ) else 1, environ) if a.spread else a.command
    try:
        os.execvpe(command[0], command, environ)  # noqa: S606 (the locks go with the process)
    except OSError as error:
        raise UserError(f"{command[0]} cannot be run ({error.strerror}): mend the command after --") from error


if __name__ == "__main__":
    cli.run(main)
