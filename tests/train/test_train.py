"""Training learns, resumes bit for bit after a kill, and reports errors in one sentence."""

import contextlib
import csv
import functools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import types
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from pipeline.common.errors import UserError
from pipeline.formats import weights
from pipeline.models.device import pick_device
from pipeline.train import __main__ as train_command
from pipeline.train import checkpoint, fit, trainer
from pipeline.train.tensorboard import Board
from tests.helpers.killing import killed_at
from tests.helpers.tinydata import RECIPE, tiny_shards, tiny_splits

ROOT = Path(__file__).parents[2]
NAMES = [f"v{number}" for number in range(8)]
STEPS = 12
SHORT = {"steps": STEPS, "milestones": [9]}
# Recipes with different kinds of state that a resumed training must restore.
VARIANTS = {
    "plain": {"options": {"width": 0.03, "stride2": 1, "dropout": 0.0}},
    "dropout": {},
    "plateau": {"lr": 0.2, "milestones": [], "plateau": {"every": 2, "patience": 1, "hold_out": 0.3}},
    "adam": {"optimizer": "adam", "warmup_steps": 5, "micro_batch": 3},
    "batch norm": {"net": "resnet_50", "options": {"width": 0.03, "depth": [2, 2, 2, 2]}, "bn_batch": 2},
    "fstcn": {"net": "fstcn", "stack": {"rgb": 1, "difference": 1}, "frames": 3, "difference_distance": 2},
    "two tasks": {"net": "cnn_m_multitask", "partner": "tasks", "sampler": "epoch"},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Eight videos of two classes, dark and bright; and, as partner, seven of three."""
    folder = tmp_path_factory.mktemp("data")
    write_shards(folder, NAMES, ("left", "right"))
    tiny_splits(folder / "splits.parquet", NAMES, test=("v6", "v7"))
    more = [f"u{number}" for number in range(7)]
    write_shards(folder / "partner", more, ("jump", "right", "up"))
    tiny_splits(folder / "partner" / "splits.parquet", more, ("jump", "right", "up"), test=("u6",))
    return folder


def write_shards(folder, names, classes):
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    shades = np.linspace(0, 150, len(classes)).astype(np.uint8)
    videos = {
        name: random.integers(0, 100, (6, 64, 64, 3)).astype(np.uint8) + shades[n % len(classes)]
        for n, name in enumerate(names)
    }
    return tiny_shards(folder, videos, "rgb", classes)


def arguments(data, out, save_seconds=1e9, **changes):
    """A command line of pipeline.train for the tiny recipe with `changes`."""
    run = asdict(replace(RECIPE, **changes))
    experiment = {"paper": "p", "runs": {"run": run}, "presets": {"paper": {}}, "rows": []}
    out.mkdir(parents=True, exist_ok=True)
    (out / "e.yaml").write_text(yaml.safe_dump(experiment, sort_keys=False))
    return [
        "--experiment", str(out / "e.yaml"), "--run", "run", "--shards", str(data / "shards" / "rgb"),
        "--splits", str(data / "splits.parquet"), "--out", str(out), "--save-seconds", str(save_seconds),
    ]  # fmt: skip


def tensors(out):
    return weights.load(out / "weights.safetensors")[0]


def curve(out):
    with open(out / "metrics.csv", newline="") as file:
        return [
            [row[column] for column in ("epoch", "step", "rate", "loss", "accuracy")] for row in csv.DictReader(file)
        ]


def steps(out):
    return pd.read_parquet(out / "metrics.parquet").drop(columns="seconds")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    train_command.main(arguments(data, out))
    return out


def command(data, out, variant, **changes):
    """The command line of a short training of one of VARIANTS that saves a checkpoint at every flush."""
    partner = data / "partner"
    options = ["--partner-shards", str(partner / "shards" / "rgb"), "--partner-splits", str(partner / "splits.parquet")]
    more = options if variant == "two tasks" else []
    return [*arguments(data, out, **{"save_seconds": -1, **SHORT, **VARIANTS[variant], **changes}), *more]


@pytest.fixture
def frequent_flushes(monkeypatch):
    monkeypatch.setattr(fit, "FLUSH_STEPS", 3)


def same_results(out, other):
    return same(tensors(out), tensors(other)) and curve(out) == curve(other) and steps(out).equals(steps(other))


def kill_after(seconds, argv):
    """Train in a child process and kill it after `seconds`; returns whether it was still running."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            train_command.main(argv)
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_training_learns_a_separable_data_set(data, tmp_path):
    train_command.main(arguments(data, tmp_path, steps=60, batch=8))
    assert float(curve(tmp_path)[-1][-1]) > 0.9


def test_the_same_seed_gives_the_same_weights_and_another_seed_gives_others(data, undisturbed, tmp_path):
    train_command.main(arguments(data, tmp_path / "again"))
    train_command.main([*arguments(data, tmp_path / "other"), "--seed", "1"])
    assert same(tensors(tmp_path / "again"), tensors(undisturbed))
    assert not same(tensors(tmp_path / "other"), tensors(undisturbed))


def test_a_deterministic_training_is_the_same_on_a_cpu(data, undisturbed, tmp_path):
    try:
        train_command.main([*arguments(data, tmp_path), "--deterministic"])
    finally:
        torch.use_deterministic_algorithms(False)
    assert same_results(tmp_path, undisturbed)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_training_killed_at_any_file_operation_resumes_to_the_same_weights(data, tmp_path, variant, frequent_flushes):
    """The kills fall before a checkpoint, while one is written, before the curves and before the weights."""
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    train_command.main(command(data, undisturbed, variant))
    argv, kills = command(data, out, variant), 0
    for number in (1, 2, 3, 8, 9, 5, 11, 6):
        kills += killed_at(number, train_command.main, argv)
    train_command.main(argv)
    assert kills > 5
    assert same_results(out, undisturbed)
    assert steps(out)["step"].tolist() == list(range(1, STEPS + 1))
    assert not (out / checkpoint.RESUME_FILE).exists()


def test_a_training_killed_at_random_times_resumes_to_the_same_weights(data, tmp_path, frequent_flushes):
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    begin = time.monotonic()
    train_command.main(command(data, undisturbed, "dropout", steps=30))
    duration = time.monotonic() - begin
    argv = command(data, out, "dropout", steps=30)
    kills = 0
    for _ in range(8):
        if kill_after(random.uniform(0.2, 0.9) * duration, argv):
            kills += 1
        elif not kills:  # it was faster than the undisturbed one, on a busy machine
            shutil.rmtree(out)
            duration /= 2
    train_command.main(argv)
    assert kills
    assert same_results(out, undisturbed)


def test_a_finished_training_restores_its_outputs_after_they_are_deleted(data, tmp_path, capfd):
    """Snakemake deletes them if it is killed before it records the end of the job."""
    argv = command(data, tmp_path, "dropout")
    train_command.main(argv)
    outputs = {name: (tmp_path / name).read_bytes() for name in fit.OUTPUTS}
    for name in fit.OUTPUTS:
        (tmp_path / name).unlink()
    train_command.main(argv)
    assert {name: (tmp_path / name).read_bytes() for name in fit.OUTPUTS} == outputs
    assert "trained to the end before" in capfd.readouterr().err


def test_another_training_does_not_restore_the_outputs_of_a_finished_one(data, tmp_path, capfd):
    train_command.main(command(data, tmp_path, "dropout"))
    before = tensors(tmp_path)
    train_command.main([*command(data, tmp_path, "dropout"), "--seed", "1"])
    assert not same(tensors(tmp_path), before)
    assert "trained to the end before" not in capfd.readouterr().err


def test_without_hard_links_the_checkpoint_is_kept(data, tmp_path, monkeypatch, capfd, frequent_flushes):
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError("not supported")))
    train_command.main(command(data, tmp_path, "dropout"))
    assert (tmp_path / checkpoint.RESUME_FILE).exists()
    assert not (tmp_path / checkpoint.FINISHED_FOLDER).exists()
    assert "takes no hard links" in capfd.readouterr().err


def test_a_plateaus_rate_drops_and_its_validations_are_in_the_curves(data, tmp_path, frequent_flushes):
    train_command.main(command(data, tmp_path, "plateau", lr=1e-9))
    table = steps(tmp_path).set_index("step")
    assert table["held_out_loss"].notna().tolist() == [step % 2 == 0 for step in range(1, STEPS + 1)]
    assert table["rate"].iloc[-1] < table["rate"].iloc[0]


@pytest.mark.parametrize("changes", [{"lr": 0.02}, {"stride": 2}, {"protocol": "1 frame x centre"}])
def test_a_changed_training_key_starts_afresh_with_a_message(data, tmp_path, changes, capfd, frequent_flushes):
    assert killed_at(12, train_command.main, command(data, tmp_path, "dropout"))
    capfd.readouterr()
    train_command.main(command(data, tmp_path, "dropout", **changes))
    log = capfd.readouterr().err
    assert ("another recipe, code or data set" in log) == ("protocol" not in changes)
    assert ("resumed at step" in log) == ("protocol" in changes)


def test_other_initial_weights_start_afresh_with_a_message(data, undisturbed, tmp_path, capfd, frequent_flushes):
    path = tmp_path / "first.safetensors"
    state_dict, metadata = weights.load(undisturbed / "weights.safetensors")
    weights.save(path, state_dict, metadata)
    argv = [*command(data, tmp_path / "out", "dropout"), "--init", f"net={path}"]
    assert killed_at(12, train_command.main, argv)
    weights.save(path, {name: tensor * 2 for name, tensor in state_dict.items()}, metadata)
    train_command.main(argv)
    assert "or of other first weights" in capfd.readouterr().err


@pytest.mark.parametrize("content", [b"torn", [1, 2], {"step": 3}])
def test_a_damaged_checkpoint_starts_afresh_with_a_message(data, undisturbed, tmp_path, content, capfd):
    path = tmp_path / checkpoint.RESUME_FILE
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    train_command.main(arguments(data, tmp_path))
    assert "afresh" in capfd.readouterr().err
    assert same(tensors(tmp_path), tensors(undisturbed))


def test_metrics_are_written_while_a_training_runs(data, tmp_path, frequent_flushes):
    assert killed_at(20, train_command.main, command(data, tmp_path, "dropout"))
    numbers = steps(tmp_path)["step"].tolist()
    assert numbers
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) % 3 == 0


def test_a_partners_classes_are_trained_but_not_tested(data, tmp_path):
    train_command.main(command(data, tmp_path, "two tasks", partner="classes", net="cnn_m_2048"))
    metadata = weights.load(tmp_path / "weights.safetensors")[1]
    assert metadata["classes"] == ["left", "right", "jump", "up"]
    assert metadata["tested_classes"] == ["left", "right"]
    assert len(tensors(tmp_path)["classifier.2.bias"]) == 4


def test_workers_do_not_change_the_weights(data, undisturbed, tmp_path):
    train_command.main([*arguments(data, tmp_path), "--threads", "3"])
    torch.set_num_threads(1)
    assert all(
        torch.allclose(tensor, tensors(undisturbed)[name], atol=1e-5) for name, tensor in tensors(tmp_path).items()
    )


def test_an_error_in_a_worker_has_the_same_message_as_without_workers(data, tmp_path):
    for threads in ("1", "2"):
        with pytest.raises(UserError) as raised:
            train_command.main(
                [*arguments(data, tmp_path, crop=80, net="resnet_50", options={"width": 0.03}), "--threads", threads]
            )
        assert str(raised.value) == "crops are 80 pixels but pictures' short side is 64: make crop smaller"
    torch.set_num_threads(1)


def test_an_interrupt_ends_a_training_without_a_traceback(data, tmp_path):
    argv = [sys.executable, "-m", "pipeline.train", *arguments(data, tmp_path, steps=100000), "--threads", "3"]
    # A process that a shell starts in the background ignores SIGINT, and the training would inherit that.
    restore_sigint = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        argv, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=restore_sigint
    ) as process:
        while "train CNNM" not in (line := process.stderr.readline()):
            assert line, "the training ended by itself"
        os.killpg(process.pid, signal.SIGINT)
        log = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in log


def test_a_loss_that_is_not_finite_stops_with_step_and_rate(data, tmp_path):
    with pytest.raises(
        UserError, match=r"loss is (nan|inf) at step \d+, learning rate 1e\+08: lower.*no checkpoint yet"
    ):
        train_command.main(arguments(data, tmp_path, lr=1e8))


def test_a_loss_that_is_not_finite_names_the_last_good_checkpoint(data, tmp_path, monkeypatch, frequent_flushes):
    train_step = trainer.Training.train_step

    def with_nan(self, chunks):
        loss, accuracy = train_step(self, chunks)
        return loss * (float("nan") if self.step > 7 else 1), accuracy

    monkeypatch.setattr(trainer.Training, "train_step", with_nan)
    with pytest.raises(UserError, match=f"loss is nan at step 8, .*last good checkpoint is {tmp_path}/resume.pt"):
        train_command.main(command(data, tmp_path, "dropout"))
    assert torch.load(tmp_path / checkpoint.RESUME_FILE, weights_only=True)["step"] == 6
    assert not (tmp_path / "weights.safetensors").exists()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), "the network itself does not fit"),
        (
            RuntimeError("x_backward_cuda does not have a deterministic implementation, but"),
            "leave out --deterministic",
        ),
    ],
)
def test_a_runtime_error_that_other_options_avoid_is_a_user_error(data, tmp_path, monkeypatch, error, message):
    def fails(self):
        raise error

    monkeypatch.setattr(trainer.Training, "_optimizer_step", fails)
    try:
        with pytest.raises(UserError, match=message):
            train_command.main([*arguments(data, tmp_path), "--deterministic"])
    finally:
        torch.use_deterministic_algorithms(False)


class Writer:
    """A stand-in for TensorBoard's SummaryWriter that keeps its rows."""

    rows: list = []  # noqa: RUF012 (shared by all instances)

    def __init__(self, folder, purge_step):
        Writer.rows = [row for row in Writer.rows if row[1] < purge_step]

    def add_scalar(self, name, value, step):
        Writer.rows.append((name, step, value))

    def close(self):
        pass


def test_tensorboard_has_each_step_once_also_after_a_resume(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=Writer))
    rows = [[step, 1.0, 0.5, 0.1, 2.0] for step in range(1, 13)]
    for begin, ends in ((0, (3, 6, 9)), (6, (9, 12))):  # the first process is killed, its checkpoint is of step 6
        with Board(tmp_path, begin) as board:
            for end in ends:
                board.add(rows[:end], [[4, 0.2, 0.9]][: end // 4])
    assert [step for name, step, _ in Writer.rows if name == "loss"] == list(range(1, 13))
    assert [row for row in Writer.rows if row[0].startswith("held_out")] == [
        ("held_out_loss", 4, 0.2),
        ("held_out_accuracy", 4, 0.9),
    ]


def test_a_missing_tensorboard_package_is_a_user_error_before_training(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match="--tensorboard needs the package tensorboard"):
        train_command.main([*arguments(data, tmp_path), "--tensorboard", str(tmp_path / "board")])
    assert not (tmp_path / "metrics.csv").exists()


def test_weights_have_metadata(undisturbed):
    metadata = weights.load(undisturbed / "weights.safetensors")[1]
    assert metadata["classes"] == ["left", "right"]
    assert metadata["recipe"]["net"] == "cnn_m_2048"
    assert {"recipe_hash", "fingerprint", "code", "torch", "seed", "split"} <= metadata.keys()


def test_missing_initial_weights_are_a_user_error(data, tmp_path):
    with pytest.raises(UserError, match="--init names gone.safetensors, which is not there"):
        train_command.main([*arguments(data, tmp_path), "--init", "net=gone.safetensors"])


def test_a_negative_seed_is_a_user_error(data, tmp_path):
    with pytest.raises(UserError, match="--seed is -1 but seeds are counted from 0"):
        train_command.main([*arguments(data, tmp_path), "--seed", "-1"])


def test_a_missing_gpu_is_a_user_error():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UserError, match="cuda:0 but torch .* sees no GPU"):
        pick_device("cuda:0")


def test_a_file_that_is_not_safetensors_is_refused(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"not tensors")
    with pytest.raises(UserError, match="is not a weights file"):
        weights.load(tmp_path / "w.safetensors")
