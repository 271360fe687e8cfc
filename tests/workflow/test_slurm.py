"""profiles/slurm on a real Slurm of one node: GPUs, memory, jobs that are cancelled, jobs over their wall time."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import yaml

from pipeline.train import __main__ as train_command
from tests.slurm import cluster
from tests.train import test_train
from tests.train.test_train import arguments, same, tensors

ROOT = Path(__file__).parents[2]
STEPS = 400  # enough for a training to be caught at work
data = test_train.data

pytestmark = pytest.mark.skipif(bool(cluster.missing()), reason=f"no Slurm can be started here: {cluster.missing()}")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with cluster.Cluster(tmp_path_factory.mktemp("cluster") / "slurm") as running:
        yield running


def start(slurm, folder, *targets, **config):
    """Snakemake with the profile, just started, on the jobs of tests/slurm/Snakefile."""
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    options = ["--latency-wait", "5", "--slurm-init-seconds-before-status-checks", "1"]
    options += ["--slurm-status-command", "squeue"]  # this cluster keeps no accounts, which sacct would read
    command = [
        sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "tests" / "slurm" / "Snakefile"),
        "--directory", str(folder), "--configfile", str(folder / "config.yaml"),
        "--workflow-profile", str(ROOT / "profiles" / "slurm"), *options, "--", *targets,
    ]  # fmt: skip
    path = f"{Path(sys.executable).parent}{os.pathsep}{slurm.environ['PATH']}"
    with open(folder / "said.txt", "wb") as said:
        return subprocess.Popen(command, env={**slurm.environ, "PATH": path}, stdout=said, stderr=said)


def hang(out, running):
    """Stop the training that writes to `out` once it has a checkpoint, and return the number of its Slurm job."""
    while not (out / "resume.pt").exists() and running.poll() is None:
        time.sleep(0.02)
    own = [p for p in psutil.process_iter(["cmdline"]) if {"pipeline.train", str(out)} <= set(p.info["cmdline"] or ())]
    for process in own:
        process.send_signal(signal.SIGSTOP)
    assert own, (out.parents[1] / "said.txt").read_text()
    return (out / "jobs.txt").read_text().split()[-1]


@pytest.fixture(scope="module")
def done(slurm, data, tmp_path_factory):
    """The folder of a run in which one training was cancelled and one ran over its wall time."""
    folder = tmp_path_factory.mktemp("run")
    outs = [folder / "trained" / how for how in ("overdue", "cancelled")]
    trainings = {out.name: shlex.join(arguments(data, out, save_seconds=0, steps=STEPS)) for out in outs}
    running = start(slurm, folder, "all", trainings=trainings)
    try:
        with ThreadPoolExecutor() as pool:
            overdue, cancelled = pool.map(hang, outs, [running, running])
        slurm.ask("scontrol", "update", f"JobId={overdue}", "EndTime=now+1seconds")  # limits are whole minutes
        slurm.ask("scancel", cancelled)
        running.wait(300)
    finally:
        running.kill()
    assert running.returncode == 0, (folder / "said.txt").read_text()
    states = {job: slurm.ask("squeue", "-h", "-t", "all", "-j", job, "-o", "%T") for job in jobs(folder)}
    return folder, states


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    train_command.main(arguments(data, out, steps=STEPS))
    return out


def jobs(folder):
    """Numbers of the trainings' Slurm jobs."""
    return [job for path in folder.glob("trained/*/jobs.txt") for job in path.read_text().split()]


def megabytes(text):
    """Memory of every job that a `scontrol show job` shows."""
    return [int(number) * (1000 if unit == "G" else 1) for number, unit in re.findall(r"mem=(\d+)([GM])", text)]


def test_a_job_sees_only_the_gpu_that_it_was_given(done):
    seen = [(done[0] / f"seen/{n}.txt").read_text().splitlines()[0] for n in range(4)]
    assert set(seen) == {"0", "1"}


def test_a_job_gets_its_partition_memory_and_time_from_the_profile(done):
    text = (done[0] / "seen" / "0.txt").read_text()
    assert "Partition=gpu" in text
    assert "TimeLimit=04:00:00" in text
    assert megabytes(text)[0] == 32000


def test_a_failed_job_gets_more_memory_at_each_retry(done):
    assert megabytes((done[0] / "attempts.txt").read_text()) == [4000, 8000]


@pytest.mark.parametrize(("how", "state"), [("cancelled", "CANCELLED"), ("overdue", "TIMEOUT")])
def test_a_training_that_slurm_ended_resumes_to_the_same_weights(done, undisturbed, how, state):
    folder, states = done
    first, second = (folder / "trained" / how / "jobs.txt").read_text().split()
    assert (states[first], states[second]) == (state, "COMPLETED")
    assert "resumed at step" in (folder / "logs" / f"{how}.log").read_text()
    assert same(tensors(folder / "trained" / how), tensors(undisturbed))


def test_a_training_on_several_nodes_has_a_process_per_gpu_in_one_group(tmp_path):
    with cluster.Cluster(tmp_path / "slurm", nodes=2) as slurm:
        running = start(slurm, tmp_path, "ranks", trainings={})
        try:
            running.wait(120)
        finally:
            running.kill()
    assert running.returncode == 0, (tmp_path / "said.txt").read_text()
    ranks = {int(path.name): path.read_text().split() for path in (tmp_path / "ranks").glob("[0-9]*")}
    assert sorted(ranks) == [0, 1, 2, 3]
    assert {tuple(values[0::2]) for values in ranks.values()} == {("4", "1.5", "0,1")}
    assert sorted((node, local) for _, local, _, node, _ in ranks.values()) == [
        ("node0", "0"), ("node0", "1"), ("node1", "0"), ("node1", "1"),
    ]  # fmt: skip
