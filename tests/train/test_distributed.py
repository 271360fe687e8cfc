"""Several processes train one network: the same batch, the same weights, one of them writes."""

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
from pipeline.train.distributed import World
from tests.train.test_train import KINDS, SHORT, alike, arguments, command, curve, data, often, tensors  # noqa: F401

ROOT = Path(__file__).parents[2]
PLAIN = {**SHORT, **KINDS["plain"]}


def torchrun(argv, processes=2):
    """A training as a job starts it on two GPUs of a node."""
    start = torchrun_command([sys.executable, "-m", "pipeline.train", *argv], processes, {})
    return subprocess.run(start, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def started(argv, log, before=lambda rank: None):
    """Two processes as torchrun would start them, without its start; what they say goes to `log`."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    return [_forked(argv, log, rank, port, before) for rank in (0, 1)]


def _forked(argv, log, rank, port, before):
    if child := os.fork():
        return child
    code = 1
    with contextlib.suppress(BaseException), open(log, "a") as said:
        os.dup2(said.fileno(), 2)
        sys.stderr = os.fdopen(2, "w")
        here = {"WORLD_SIZE": 2, "RANK": rank, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ.update({name: str(value) for name, value in here.items()})
        before(rank)
        sys.argv = ["train", *argv]
        try:
            cli.run(train_command.main)
            code = 0
        except SystemExit as end:
            print(end.code, file=sys.stderr, flush=True)
    os._exit(code)


def ended(children):
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def together(argv, log, **more):
    """The exit codes of two processes."""
    return ended(started(argv, log, **more))


def test_two_processes_under_torchrun_learn_what_one_does_with_the_same_batch(data, tmp_path):  # noqa: F811
    one, two = tmp_path / "one", tmp_path / "two"
    train_command.main(arguments(data, one, **PLAIN))
    run = torchrun(arguments(data, two, **PLAIN))
    assert run.returncode == 0, run.stderr
    assert all(torch.allclose(tensor, tensors(two)[name], atol=1e-5) for name, tensor in tensors(one).items())
    assert [float(row[3]) for row in curve(two)] == pytest.approx([float(row[3]) for row in curve(one)], rel=1e-3)
    assert run.stderr.count("train CNNM 12/12") == 1  # the second process is quiet


@pytest.mark.parametrize("kind", ["adam", "two tasks"])
def test_two_processes_take_gradients_in_parts_too(data, tmp_path, kind):  # noqa: F811
    one, two = tmp_path / "one", tmp_path / "two"
    without = {"options": {"width": 0.03, "stride2": 1, "dropout": 0.0}, "batch": 8, "micro_batch": 2, "eps": 1e-3}
    train_command.main(command(data, one, kind, **without))
    assert together(command(data, two, kind, **without), tmp_path / "log") == [0, 0]
    assert all(torch.allclose(tensor, tensors(two)[name], atol=1e-4) for name, tensor in tensors(one).items())


def test_a_batch_that_the_processes_do_not_divide_is_a_sentence_and_no_hang(data, tmp_path):  # noqa: F811
    run = torchrun(arguments(data, tmp_path, **{**PLAIN, "batch": 5}))
    assert run.returncode
    assert "error: the batch is 5 but there are 2 processes: start a number that divides it" in run.stderr
    assert "pipeline/train/fit.py" not in run.stderr  # of tracebacks there is torchrun's own alone


@pytest.mark.parametrize(("kind", "changes"), [("dropout", {}), ("batch norm", KINDS["plateau"])])
def test_two_processes_that_are_killed_resume_to_the_very_same_weights(data, tmp_path, kind, changes, often):  # noqa: F811
    whole, out, log = tmp_path / "whole", tmp_path / "out", tmp_path / "log"
    assert together(command(data, whole, kind, **changes), log) == [0, 0]
    argv = command(data, out, kind, **changes)
    children = started(argv, log)
    while not (out / checkpoint.NAME).exists() and not os.waitpid(children[0], os.WNOHANG)[0]:
        time.sleep(0.001)
    for child in children:
        os.kill(child, signal.SIGKILL)
    assert ended(children) == [-signal.SIGKILL] * 2
    assert together(argv, log) == [0, 0]
    assert "resumed at step" in log.read_text()
    assert alike(out, whole)


def test_only_the_first_process_writes(data, tmp_path, often):  # noqa: F811
    """The second one's folder is never made, though it trains from the same command line."""
    log, argv = tmp_path / "log", command(data, tmp_path / "out", "plain")

    def elsewhere(rank):
        if rank:
            argv[argv.index("--out") + 1] = str(tmp_path / "second")

    assert together(argv, log, before=elsewhere) == [0, 0]
    assert (tmp_path / "out" / "weights.safetensors").exists()
    assert not (tmp_path / "second").exists()


def test_processes_that_find_different_checkpoints_stop_with_both_steps(data, tmp_path, often):  # noqa: F811
    out, log = tmp_path / "out", tmp_path / "log"
    argv = command(data, out, "plain")

    def hidden(rank):
        if rank:
            checkpoint.load = lambda folder, identity: None

    def kept(rank):
        checkpoint.finish = lambda folder, outputs: None

    assert together(argv, log, before=kept) == [0, 0]
    assert together(argv, log, before=hidden) == [1, 1]
    assert "process 1 begins at step 0 but the first at 9: give an --out that all nodes share" in log.read_text()


def test_each_process_has_an_equal_share_of_a_batch():
    assert [list(World(3, rank, rank).share(6)) for rank in range(3)] == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(UserError, match="the batch is 7 but there are 3 processes"):
        World(3, 0, 0).share(7)
