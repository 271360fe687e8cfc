"""Training jobs on several GPUs: the processes that torchrun starts, here and on the nodes of a Slurm job."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.common.errors import UserError
from pipeline.gpuslots import __main__ as gpuslots_command
from pipeline.gpuslots import torchrun
from pipeline.gpuslots.torchrun import Allocation

ROOT = Path(__file__).parents[2]
TRAIN = ["python", "-m", "pipeline.train", "--seed", "1"]


def ranks(folder, gpus, installed):
    """Rank -> the line that its process wrote, for a job of `gpus` GPUs on a machine that has `installed`."""
    (folder / "ranks").mkdir()
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "ACTIONBENCH_GPUS": installed}
    environ["ACTIONBENCH_GPU_LOCKS"] = str(folder)
    environ.pop("CUDA_VISIBLE_DEVICES", None)
    launcher = [sys.executable, "-m", "pipeline.gpuslots", "run", "--gpus", str(gpus), "--torchrun", "--"]
    command = [*launcher, sys.executable, "-m", "tests.slurm.rank", str(folder / "ranks")]
    run = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    return {int(path.name): path.read_text() for path in (folder / "ranks").iterdir()}


def test_two_gpus_run_two_processes_of_one_group(tmp_path):
    assert ranks(tmp_path, 2, "0,3") == {0: "2 0 0.5 here 0,3", 1: "2 1 0.5 here 0,3"}


def test_a_machine_without_gpus_runs_one_process(tmp_path):
    assert ranks(tmp_path, 2, "0") == {0: "1 0 0.0 here none"}


def test_for_one_gpu_the_command_is_unchanged():
    assert torchrun.torchrun_command(TRAIN, 1, {"SLURM_JOB_ID": "5"}) == TRAIN


def test_two_nodes_of_four_gpus_run_one_torchrun_each_with_a_rendezvous_on_the_first(monkeypatch):
    monkeypatch.setattr(torchrun, "slurm_allocation", lambda job: Allocation(["10.0.0.1", "10.0.0.2"], 32))
    words = " ".join(torchrun.torchrun_command(TRAIN, 8, {"SLURM_JOB_ID": "41007"}))
    assert words.startswith("srun --nodes 2 --ntasks 2 --ntasks-per-node 1 --cpus-per-task 32 ")
    assert re.search(r"torch.distributed.run --nproc-per-node 4 --nnodes 2 .*--rdzv-endpoint 10.0.0.1:21007 ", words)
    assert words.endswith("-m -- pipeline.train --seed 1")


@pytest.mark.parametrize(
    ("command", "gpus", "environ", "words"),
    [
        (TRAIN, 5, {"SLURM_JOB_ID": "5"}, "5 GPUs cannot be divided evenly among 2 nodes"),
        (TRAIN, 4, {"SLURM_JOB_ID": "5", "SLURM_STEP_ID": "0"}, "2 nodes but runs in a step on one of them: set mpi"),
        (["train.sh"], 2, {}, "only python -m MODULE can run on 2 GPUs with --torchrun, not train.sh"),
    ],
)
def test_a_job_that_torchrun_cannot_start_is_refused_in_one_sentence(monkeypatch, command, gpus, environ, words):
    monkeypatch.setattr(torchrun, "slurm_allocation", lambda job: Allocation(["a", "b"], 8))
    with pytest.raises(UserError, match=words):
        torchrun.torchrun_command(command, gpus, environ)


def test_the_former_option_name_is_refused_with_the_new_one():
    with pytest.raises(UserError, match="--spread is now called --torchrun"):
        gpuslots_command.main(["run", "--spread", "--", *TRAIN])
