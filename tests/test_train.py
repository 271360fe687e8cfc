"""Training: it learns, it resumes bit for bit, it says what is wrong."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from pipeline import checkpoint, train, trainingdata, weights
from pipeline.errors import UserError
from pipeline.schedules import Schedule
from tests.tinydata import RECIPE, tiny_shards, tiny_splits

NAMES = [f"v{number}" for number in range(8)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Eight videos of two classes, dark and bright."""
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    videos = {
        name: random.integers(0, 100, (6, 64, 64, 3)).astype(np.uint8) + n % 2 * 150 for n, name in enumerate(NAMES)
    }
    tiny_shards(folder, videos, "rgb")
    tiny_splits(folder / "splits.parquet", NAMES, test=("v6", "v7"))
    return folder


def arguments(data, out, save_seconds=1e9, **changes):
    """A command line of pipeline.train for the tiny recipe with `changes`."""
    run = {**RECIPE, **changes}
    experiment = {"paper": "p", "runs": {"run": run}, "presets": {"paper": {}}, "rows": []}
    out.mkdir(parents=True, exist_ok=True)
    (out / "e.yaml").write_text(yaml.safe_dump(experiment))
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
    train.main(arguments(data, out))
    return out


def test_training_learns_what_can_be_learned(data, tmp_path):
    train.main(arguments(data, tmp_path, steps=60, batch=8))
    assert float(curve(tmp_path)[-1][-1]) > 0.9


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(data, undisturbed, tmp_path):
    train.main(arguments(data, tmp_path / "again"))
    train.main([*arguments(data, tmp_path / "other"), "--seed", "1"])
    assert same(tensors(tmp_path / "again"), tensors(undisturbed))
    assert not same(tensors(tmp_path / "other"), tensors(undisturbed))


def test_a_training_killed_by_sigkill_resumes_to_the_very_same_weights(data, undisturbed, tmp_path):
    command = [sys.executable, "-m", "pipeline.train", *arguments(data, tmp_path, save_seconds=0)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[1], stderr=subprocess.DEVNULL) as process:
        while not (tmp_path / checkpoint.NAME).exists() and process.poll() is None:
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / "weights.safetensors").exists()
    step = torch.load(tmp_path / checkpoint.NAME, weights_only=True)["step"]
    train.main(arguments(data, tmp_path))
    assert 0 < step < RECIPE["steps"]
    assert same(tensors(tmp_path), tensors(undisturbed))
    assert curve(tmp_path) == curve(undisturbed)
    assert steps(tmp_path).equals(steps(undisturbed))
    assert not (tmp_path / checkpoint.NAME).exists()


def test_a_changed_recipe_starts_afresh_and_says_so(data, tmp_path, capfd):
    checkpoint.save(tmp_path, "another", {"step": 39})
    train.main(arguments(data, tmp_path))
    assert "another recipe, code or data set" in capfd.readouterr().err


def test_a_torn_checkpoint_starts_afresh_and_says_so(data, undisturbed, tmp_path, capfd):
    (tmp_path / checkpoint.NAME).write_bytes(b"torn")
    train.main(arguments(data, tmp_path))
    assert "starts afresh" in capfd.readouterr().err
    assert same(tensors(tmp_path), tensors(undisturbed))


def test_workers_do_not_change_what_is_learned(data, undisturbed, tmp_path):
    torch.set_num_threads(1)
    readers = trainingdata.open_shards([data / "shards" / "rgb"], RECIPE)
    sequence = trainingdata.TrainingClips([trainingdata.of_split(readers, data / "splits.parquet", 1)], RECIPE, seed=0)
    alone = list(torch.utils.data.DataLoader(sequence, 4, sampler=range(12)))
    shared = list(torch.utils.data.DataLoader(sequence, 4, sampler=range(12), num_workers=2))
    assert all(
        torch.equal(a, b)
        for one, two in zip(alone, shared, strict=True)
        for a, b in zip(one[0][0], two[0][0], strict=True)
    )
    assert all(torch.equal(one[1], two[1]) for one, two in zip(alone, shared, strict=True))


def test_a_loss_that_is_no_number_stops_with_step_and_rate(data, tmp_path):
    with pytest.raises(UserError, match=r"the loss is (nan|inf) at step \d+, learning rate 1e\+08: lower"):
        train.main(arguments(data, tmp_path, rate=1e8))


def test_the_rate_is_a_tenth_from_each_drop_on():
    schedule = Schedule({**RECIPE, "rate": 1.0, "drops": [10, 20]})
    assert [schedule.rate(step) for step in (0, 9, 10, 19, 20)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_weights_say_what_they_are(undisturbed):
    facts = weights.load(undisturbed / "weights.safetensors")[1]
    assert facts["classes"] == ["left", "right"]
    assert facts["recipe"]["net"] == "cnn_m_2048"
    assert {"recipe_hash", "fingerprint", "code", "torch", "seed", "split"} <= facts.keys()


def test_a_gpu_that_is_not_there_is_one_sentence():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UserError, match="cuda:0 but torch .* sees no GPU"):
        train.pick_device("cuda:0")


def test_a_file_that_is_no_weights_is_refused(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"not tensors")
    with pytest.raises(UserError, match="is not a weights file"):
        weights.load(tmp_path / "w.safetensors")
