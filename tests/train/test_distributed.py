"""Data-parallel training: several processes get the weights of one, and only the first one writes."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from pipeline.common import cli
from pipeline.common.errors import UserError
from pipeline.gpuslots.torchrun import torchrun_command
from pipeline.train import __main__ as train_command
from pipeline.train import checkpoint
from pipeline.train.distributed import ProcessGroup
from tests.train.test_train import (  # noqa: F401
    SHORT,
    VARIANTS,
    arguments,
    command,
    curve,
    data,
    frequent_flushes,
    same_results,
    tensors,
)

ROOT = Path(__file__).parents[2]
PLAIN = {**SHORT, **VARIANTS["plain"]}


def torchrun(argv, processes=2):
    """Run a training under torchrun, as a job on two GPUs of a node does."""
    start = torchrun_command([sys.executable, "-m", "pipeline.train", *argv], processes, {})
    return subprocess.run(start, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def start_two(argv, log, before=lambda rank: None):
    """Fork two processes with torchrun's environment variables, which is faster; their stderr goes to `log`."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    return [_fork(argv, log, rank, port, before) for rank in (0, 1)]


def _fork(argv, log, rank, port, before):
    if child := os.fork():
        return child
    code = 1
    with contextlib.suppress(BaseException), open(log, "a") as stderr:
        os.dup2(stderr.fileno(), 2)
        sys.stderr = os.fdopen(2, "w")
        variables = {"WORLD_SIZE": 2, "RANK": rank, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ.update({name: str(value) for name, value in variables.items()})
        before(rank)
        sys.argv = ["train", *argv]
        try:
            cli.run(train_command.main)
            code = 0
        except SystemExit as end:
            print(end.code, file=sys.stderr, flush=True)
    os._exit(code)


def wait_for(children):
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def run_two(argv, log, **options):
    """Run two processes and return their exit codes."""
    return wait_for(start_two(argv, log, **options))


def test_two_processes_under_torchrun_get_the_weights_of_one_process(data, tmp_path):  # noqa: F811
    one, two = tmp_path / "one", tmp_path / "two"
    train_command.main(arguments(data, one, **PLAIN))
    run = torchrun(arguments(data, two, **PLAIN))
    assert run.returncode == 0, run.stderr
    assert all(torch.allclose(tensor, tensors(two)[name], atol=1e-5) for name, tensor in tensors(one).items())
    assert [float(row[3]) for row in curve(two)] == pytest.approx([float(row[3]) for row in curve(one)], rel=1e-3)
    assert run.stderr.count("train CNNM 12/12") == 1  # the second process is quiet


@pytest.mark.parametrize("variant", ["adam", "two tasks"])
def test_two_processes_with_micro_batches_get_the_weights_of_one_process(data, tmp_path, variant):  # noqa: F811
    one, two = tmp_path / "one", tmp_path / "two"
    changes = {"options": {"width": 0.03, "stride2": 1, "dropout": 0.0}, "batch": 8, "micro_batch": 2, "eps": 1e-3}
    train_command.main(command(data, one, variant, **changes))
    assert run_two(command(data, two, variant, **changes), tmp_path / "log") == [0, 0]
    assert all(torch.allclose(tensor, tensors(two)[name], atol=1e-4) for name, tensor in tensors(one).items())


def test_a_batch_that_the_processes_do_not_divide_is_a_user_error_without_a_hang(data, tmp_path):  # noqa: F811
    run = torchrun(arguments(data, tmp_path, **{**PLAIN, "batch": 5}))
    assert run.returncode
    assert "error: the batch is 5 but there are 2 processes: start a number that divides it" in run.stderr
    assert "pipeline/train/fit.py" not in run.stderr  # the only traceback is torchrun's own


@pytest.mark.parametrize(("variant", "changes"), [("dropout", {}), ("batch norm", VARIANTS["plateau"])])
def test_two_killed_processes_resume_to_the_same_weights(data, tmp_path, variant, changes, frequent_flushes):  # noqa: F811
    undisturbed, out, log = tmp_path / "undisturbed", tmp_path / "out", tmp_path / "log"
    assert run_two(command(data, undisturbed, variant, **changes), log) == [0, 0]
    argv = command(data, out, variant, **changes)
    children = start_two(argv, log)
    while not (out / checkpoint.RESUME_FILE).exists() and not os.waitpid(children[0], os.WNOHANG)[0]:
        time.sleep(0.001)
    for child in children:
        os.kill(child, signal.SIGKILL)
    assert wait_for(children) == [-signal.SIGKILL] * 2
    assert run_two(argv, log) == [0, 0]
    assert "resumed at step" in log.read_text()
    assert same_results(out, undisturbed)


def test_only_the_first_process_writes(data, tmp_path, frequent_flushes):  # noqa: F811
    """The folder --out of the second process is never created."""
    log, argv = tmp_path / "log", command(data, tmp_path / "out", "plain")

    def other_folder(rank):
        if rank:
            argv[argv.index("--out") + 1] = str(tmp_path / "second")

    assert run_two(argv, log, before=other_folder) == [0, 0]
    assert (tmp_path / "out" / "weights.safetensors").exists()
    assert not (tmp_path / "second").exists()


def test_processes_with_different_checkpoints_stop_with_both_steps(data, tmp_path, frequent_flushes):  # noqa: F811
    out, log = tmp_path / "out", tmp_path / "log"
    argv = command(data, out, "plain")

    def hide_checkpoint(rank):
        if rank:
            checkpoint.load = lambda folder, identity: None

    def keep_checkpoint(rank):
        checkpoint.finish = lambda folder, outputs: None

    assert run_two(argv, log, before=keep_checkpoint) == [0, 0]
    assert run_two(argv, log, before=hide_checkpoint) == [1, 1]
    assert "process 1 begins at step 0 but the first at 9: give an --out that all nodes share" in log.read_text()


def test_each_process_has_an_equal_part_of_a_batch():
    assert [list(ProcessGroup(3, rank, rank).local_batch(6)) for rank in range(3)] == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(UserError, match="the batch is 7 but there are 3 processes"):
        ProcessGroup(3, 0, 0).local_batch(7)
