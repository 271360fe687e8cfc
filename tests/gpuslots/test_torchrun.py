"""Trainings on several GPUs: the processes that are started, here and on the nodes of a Slurm job."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.common.errors import UserError
from pipeline.gpuslots import torchrun
from pipeline.gpuslots.torchrun import Allocation

ROOT = Path(__file__).parents[2]
TRAIN = ["python", "-m", "pipeline.train", "--seed", "1"]


def ranks(folder, gpus, there):
    """What the processes wrote that the picker started for `gpus` GPUs on a machine with `there`."""
    (folder / "ranks").mkdir()
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "ACTIONBENCH_GPUS": there, "ACTIONBENCH_GPU_LOCKS": str(folder)}
    environ.pop("CUDA_VISIBLE_DEVICES", None)
    picker = [sys.executable, "-m", "pipeline.gpuslots", "run", "--gpus", str(gpus), "--spread", "--"]
    command = [*picker, sys.executable, "-m", "tests.slurm.rank", str(folder / "ranks")]
    run = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    return {int(path.name): path.read_text() for path in (folder / "ranks").iterdir()}


def test_two_gpus_are_two_processes_that_meet(tmp_path):
    assert ranks(tmp_path, 2, "0,3") == {0: "2 0 0.5 here 0,3", 1: "2 1 0.5 here 0,3"}


def test_a_machine_without_gpus_runs_one_process(tmp_path):
    assert ranks(tmp_path, 2, "0") == {0: "1 0 0.0 here none"}


def test_one_gpu_is_the_command_as_it_is():
    assert torchrun.spread(TRAIN, 1, {"SLURM_JOB_ID": "5"}) == TRAIN


def test_two_nodes_of_four_gpus_are_a_torchrun_each_that_meet_on_the_first(monkeypatch):
    monkeypatch.setattr(torchrun, "allocation", lambda job: Allocation(["10.0.0.1", "10.0.0.2"], 32))
    words = " ".join(torchrun.spread(TRAIN, 8, {"SLURM_JOB_ID": "41007"}))
    assert words.startswith("srun --nodes 2 --ntasks 2 --ntasks-per-node 1 --cpus-per-task 32 ")
    assert re.search(r"torch.distributed.run --nproc-per-node 4 --nnodes 2 .*--rdzv-endpoint 10.0.0.1:21007 ", words)
    assert words.endswith("-m -- pipeline.train --seed 1")


@pytest.mark.parametrize(
    ("command", "gpus", "environ", "words"),
    [
        (TRAIN, 5, {"SLURM_JOB_ID": "5"}, "5 GPUs do not spread evenly over 2 nodes"),
        (TRAIN, 4, {"SLURM_JOB_ID": "5", "SLURM_STEP_ID": "0"}, "2 nodes but runs in a step on one of them: set mpi"),
        (["train.sh"], 2, {}, "only python -m MODULE can be spread over 2 GPUs, not train.sh"),
    ],
)
def test_what_cannot_be_spread_is_a_sentence(monkeypatch, command, gpus, environ, words):
    monkeypatch.setattr(torchrun, "allocation", lambda job: Allocation(["a", "b"], 8))
    with pytest.raises(UserError, match=words):
        torchrun.spread(command, gpus, environ)
