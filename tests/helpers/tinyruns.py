"""An experiment's runs on tiny shards, by the commands that the workflow calls: train, score, fuse."""

from contextlib import contextmanager

import numpy as np
import pytest
import yaml

from pipeline.config import recipes
from pipeline.formats import scores, weights
from pipeline.fuse import fuse_scores
from pipeline.inputs import clip_sampling
from pipeline.score import __main__ as score_command
from pipeline.train import __main__ as train_command
from pipeline.train import fit
from pipeline.train.trainer import Training
from tests.helpers.tinydata import tiny_shards, tiny_splits

NAMES = [f"v{number}" for number in range(8)]
FRAMES = 24


def tiny_dataset(folder, modalities, classes=("left", "right"), seed=0):
    """Eight videos of noise with all modalities asked for, two of them to test on."""
    random = np.random.default_rng(seed)
    for modality in modalities:
        shape = (FRAMES, 64, 64, 3) if modality == "rgb" else (FRAMES - 1, 2, 64, 64)
        videos = {name: random.integers(0, 255, shape).astype(np.uint8) for name in NAMES}
        tiny_shards(folder, videos, modality, classes)
    tiny_splits(folder / "splits.parquet", NAMES, classes, test=("v6", "v7"))
    return folder


class TinyRuns:
    """One experiment's paper recipes, with `difference` over them, on one tiny data set and perhaps a partner."""

    def __init__(self, experiment, folder, data, difference, partner=None):
        self.folder, self.data, self.partner = folder, data, partner
        document = yaml.safe_load(experiment.read_text())
        document["presets"]["tiny"] = difference
        self.path = folder / "tiny.yaml"
        self.path.write_text(yaml.safe_dump(document, sort_keys=False))
        self.experiment = recipes.load(self.path, "tiny")

    def shards(self, run, data):
        return [str(data / "shards" / modality) for modality in clip_sampling.modalities(self.experiment.run(run))]

    def train(self, run, init=None, out=None):
        """The folder with the run's weights."""
        out = out or self.folder / run
        command = ["--experiment", str(self.path), "--run", run, "--preset", "tiny", "--shards"]
        command += [*self.shards(run, self.data), "--splits", str(self.data / "splits.parquet"), "--out", str(out)]
        command += [f"--init={part}={file}" for part, file in (init or {}).items()]
        if self.experiment.run(run).partner:
            command += ["--partner-splits", str(self.partner / "splits.parquet")]
            command += ["--partner-shards", *self.shards(run, self.partner)]
        train_command.main([*command, "--device", "cpu", "--save-seconds", "0"])
        return out

    def tensors(self, run, **where):
        return weights.load(self.train(run, **where) / "weights.safetensors")[0]

    def score(self, run, part="test"):
        """The score file by the run's own protocol."""
        out = self.folder / run
        command = ["run", "--weights", str(out / "weights.safetensors"), "--shards", *self.shards(run, self.data)]
        command += ["--splits", str(self.data / "splits.parquet"), "--part", part, "--device", "cpu"]
        score_command.main([*command, "--out", str(out / f"{part}.parquet")])
        return out / f"{part}.parquet"

    def fuse(self, name):
        """The fused scores of runs that have been scored."""
        fusion = self.experiment.fusions[name]
        files = [[self.folder / run / f"{part}.parquet" for run in fusion.scores] for part in ("test", "train")]
        trained = files[1] if fusion.method == "svm" else []
        return fuse_scores.fuse(files[0], trained, fusion.method, fusion.input, fusion.weights, 0)

    def views(self, run):
        """Views of each test video."""
        return len(scores.read_views(self.folder / run / "test.parquet").values) // 2


@contextmanager
def interrupted(monkeypatch, steps):
    """A training within is interrupted after so many steps, each of which may save; nothing of that stays patched."""
    train_step = Training.train_step

    def stopping(self, chunks):
        if self.step == steps:
            raise KeyboardInterrupt
        return train_step(self, chunks)

    with monkeypatch.context() as patch:
        patch.setattr(fit, "FLUSH_STEPS", 1)
        patch.setattr(Training, "train_step", stopping)
        with pytest.raises(KeyboardInterrupt):
            yield


def stopped_and_resumed(monkeypatch, runs, run, **where):
    """The tensors of a training that was stopped before its third step, and went on."""
    out = runs.folder / "again"
    with interrupted(monkeypatch, steps=2):
        runs.train(run, out=out, **where)
    assert (out / "resume.pt").exists()
    return runs.tensors(run, out=out, **where)
