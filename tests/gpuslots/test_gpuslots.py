"""GPU slots: which jobs share a GPU, which wait, what a killed job releases, and when no GPU is reserved."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.common.errors import UserError
from pipeline.gpuslots import __main__ as gpuslots_command
from pipeline.gpuslots import slots

ROOT = Path(__file__).parents[2]
# A job that fails if another one uses the same GPU, and prints its GPUs.
ALONE = """
import os, pathlib, time
busy = [pathlib.Path("busy-" + name) for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",")]
for path in busy: path.touch(exist_ok=False)
time.sleep(0.3)
for path in busy: path.unlink()
print(os.environ["CUDA_VISIBLE_DEVICES"])
"""
SHOW = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES', 'unset'))"
STAY = "import os, time; print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True); time.sleep(600)"
UNSET = ("CUDA_VISIBLE_DEVICES", *slots.SCHEDULERS)


def start(folder, code, *options, gpus="2", **more):
    """Start a job with pipeline.gpuslots on a machine that has `gpus`."""
    environ = {name: value for name, value in os.environ.items() if name not in UNSET}
    environ |= {"PYTHONPATH": str(ROOT), "ACTIONBENCH_GPUS": gpus, "ACTIONBENCH_GPU_LOCKS": str(folder / "locks")}
    command = [sys.executable, "-m", "pipeline.gpuslots", "run", *options, "--", sys.executable, "-c", code]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environ | more, **pipes)


def finish(job):
    """The output of a job, which must succeed."""
    out, errors = job.communicate(timeout=60)
    assert job.returncode == 0, errors
    return out.strip()


def test_four_jobs_on_two_gpus_never_share_one(tmp_path):
    jobs = [start(tmp_path, ALONE) for _ in range(4)]
    assert {finish(job) for job in jobs} == {"0", "1"}


def test_jobs_share_a_gpu_with_gpu_share_set(tmp_path):
    settings = {"gpus": "1", "ACTIONBENCH_GPU_SHARE": "2"}
    first = start(tmp_path, STAY, **settings)
    assert first.stdout.readline() == "0\n"
    assert finish(start(tmp_path, SHOW, **settings)) == "0"
    first.kill()


def test_sharing_jobs_take_empty_gpus_first(tmp_path):
    jobs = [start(tmp_path, STAY, ACTIONBENCH_GPU_SHARE="2") for _ in range(2)]
    assert {job.stdout.readline().strip() for job in jobs} == {"0", "1"}
    for job in jobs:
        job.kill()


def test_a_sharing_job_waits_for_an_exclusive_one(tmp_path):
    exclusive = start(tmp_path, STAY, gpus="1")
    exclusive.stdout.readline()
    sharing = start(tmp_path, SHOW, gpus="1", ACTIONBENCH_GPU_SHARE="2")
    assert "waiting for 1 of the GPUs 0" in sharing.stderr.readline()
    exclusive.kill()
    assert finish(sharing) == "0"


def test_a_killed_jobs_gpu_is_free_again(tmp_path):
    killed = start(tmp_path, STAY, gpus="1")
    assert killed.stdout.readline() == "0\n"
    waiting = start(tmp_path, SHOW, gpus="1")
    assert "waiting" in waiting.stderr.readline()
    killed.kill()
    assert finish(waiting) == "0"


def test_a_gpu_stays_taken_while_a_child_of_the_killed_job_lives(tmp_path):
    fork = f"import os\nif os.fork():\n    os._exit(0)\n{STAY.replace('print(', 'print(os.getpid(), ')}"
    parent = start(tmp_path, fork, gpus="1")
    child = int(parent.stdout.readline().split()[0])
    parent.wait()
    waiting = start(tmp_path, SHOW, gpus="1")
    assert "waiting" in waiting.stderr.readline()
    os.kill(child, 9)
    assert finish(waiting) == "0"


def test_jobs_of_several_gpus_and_of_one_all_run_in_the_end(tmp_path):
    jobs = [start(tmp_path, ALONE, "--gpus", str(n), gpus="3") for n in (2, 1, 3, 2, 1)]
    assert [len(finish(job).split(",")) for job in jobs] == [2, 1, 3, 2, 1]


@pytest.mark.parametrize(
    ("settings", "visible"),
    [
        ({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "5"}, "5"),
        ({"CUDA_VISIBLE_DEVICES": "GPU-0a1b"}, "GPU-0a1b"),
        ({"CUDA_VISIBLE_DEVICES": ""}, ""),
        ({"SLURM_JOB_ID": "7"}, "unset"),
        ({"gpus": "0"}, "unset"),
    ],
)
def test_assigned_gpus_are_kept_and_without_a_gpu_nothing_is_set(tmp_path, settings, visible):
    jobs = [start(tmp_path, SHOW, **settings) for _ in range(2)]
    assert [finish(job) for job in jobs] == [visible, visible]


def test_jobs_reserve_different_gpus_of_a_larger_assignment(tmp_path):
    jobs = [start(tmp_path, ALONE, gpus="8", CUDA_VISIBLE_DEVICES="3,6") for _ in range(3)]
    assert {finish(job) for job in jobs} == {"3", "6"}


def test_two_scheduled_jobs_may_both_call_their_gpu_0(tmp_path):
    """A scheduler that isolates GPUs numbers them from 0 in every job."""
    first = start(tmp_path, STAY, SLURM_JOB_ID="7", CUDA_VISIBLE_DEVICES="0,1")
    assert first.stdout.readline() == "0\n"
    assert finish(start(tmp_path, SHOW, SLURM_JOB_ID="8", CUDA_VISIBLE_DEVICES="0,1")) == "0"
    first.kill()


def test_a_job_without_gpus_sees_none(tmp_path):
    assert finish(start(tmp_path, SHOW, "--gpus", "0")) == ""


def test_exit_status_and_output_are_the_commands(tmp_path):
    job = start(tmp_path, "import sys; print('output'); sys.exit(3)")
    assert (job.communicate()[0], job.returncode) == ("output\n", 3)


@pytest.mark.parametrize(
    ("options", "settings", "message"),
    [
        (["--gpus", "3"], {}, "asks for 3 GPUs but the machine has 2: lower"),
        ([], {"ACTIONBENCH_GPU_SHARE": "many"}, "ACTIONBENCH_GPU_SHARE is 'many' but must be"),
        ([], {"ACTIONBENCH_GPU_LOCKS": "/dev/null/x"}, "cannot be used (Not a directory): point ACTIONBENCH_GPU_LOCKS"),
    ],
)
def test_a_mistake_is_reported_in_one_sentence(tmp_path, options, settings, message):
    job = start(tmp_path, SHOW, *options, **settings)
    errors = job.communicate()[1]
    assert job.returncode == 1
    assert message in errors
    assert "Traceback" not in errors


def test_a_missing_command_is_reported_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("ACTIONBENCH_GPUS", "0")
    with pytest.raises(UserError, match="no-such-command cannot be run"):
        gpuslots_command.main(["run", "--", "no-such-command"])


def test_the_gpus_are_those_that_nvidia_smi_lists(tmp_path, monkeypatch):
    lines = "GPU 0: NVIDIA A (UUID: GPU-1)\n  MIG 1g.5gb Device 0: (UUID: MIG-1)\nGPU 1: NVIDIA A (UUID: GPU-2)\n"
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\nprintf '{lines}'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert slots.installed_gpus({}) == ["0", "1"]
