"""The benchmarks of loader and training run, at tiny size, and write whole results."""

import json

import pytest
import torch

from benchmarks import loader, training, trainingshards
from pipeline.common.errors import UserError


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(trainingshards, "FRAMES", 20)
    monkeypatch.setattr(trainingshards, "VIDEOS", 2)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_the_loader_is_compared_with_decoding_of_the_very_same_pictures(tmp_path, capsys):
    out = tmp_path / "loader.json"
    names = ["2014 temporal", "ST-ResNet"]
    loader.main(["--rounds", "1", "--scale", "0.02", "--workers", "0", "1", "--only", *names, "--out", str(out)])
    result = json.loads(out.read_text())
    assert list(result["loader"]) == names
    for found in result["loader"].values():
        assert set(found) == {"0", "1"}
        assert found["0"]["pictures_a_round"] == found["1"]["pictures_a_round"] > 0
        assert all(one["share_by_clock"] > 0 and one["share_by_processor"] > 0 for one in found.values())
    assert "| ST-ResNet | 1 |" in capsys.readouterr().out


def test_the_peer_decodes_each_picture_of_a_clip_once(tmp_path):
    recipe = loader.recipe_of("I3D flow", 0.02)
    data = loader.TrainingClips(trainingshards.tasks_of(tmp_path, recipe), recipe, 0)
    ((colours, jpegs),) = loader.jpegs_of(data, [0])
    assert (colours, len(jpegs)) == ("GRAY", 19)  # of 64 fields, in a video that has no more


@pytest.mark.parametrize("name", ["I3D RGB", "2014 temporal"])
def test_training_from_shards_is_compared_with_synthetic_data_on_a_cpu(tmp_path, name):
    out = tmp_path / "training.json"
    options = ["--device", "cpu", "--tiny", "--threads", "2", "--rounds", "1", "--steps", "1"]
    training.main([*options, "--only", name, "--out", str(out)])
    result = json.loads(out.read_text())
    found = result["training"][name]
    assert found["share_of_synthetic"] > 0
    assert (found["mfu"], found["gpu_memory_GiB"], result["machine"]["device"]) == (None, None, "cpu")


def test_the_share_of_peak_counts_the_papers_multiply_adds():
    options = training.arguments(["--device", "cpu"])
    assert training.multiply_adds(training.recipe_of("I3D RGB", options)) / 1e9 == pytest.approx(107.9, rel=0.05)


@pytest.mark.parametrize(("device", "peak"), [("NVIDIA H100 80GB HBM3", 989.5), ("NVIDIA RTX A4000", None)])
def test_an_unknown_devices_share_of_peak_is_null(monkeypatch, device, peak):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: device)
    assert training.peak(torch.device("cuda"), "bf16") == (peak and peak * 1e12)


def test_no_steps_are_refused():
    with pytest.raises(UserError, match="--steps is 0 but at least 1 is needed"):
        training.arguments(["--steps", "0"])
