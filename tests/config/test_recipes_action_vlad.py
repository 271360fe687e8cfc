"""experiments/action_vlad.yaml: the paper's facts, networks that can be built, every own cell, one chain end to end."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from pipeline.config import recipes
from pipeline.formats import scores, weights
from pipeline.fuse import __main__ as fuse_command
from pipeline.inputs import clip_sampling
from pipeline.models import builders, from_recipe
from pipeline.score import __main__ as score_command
from pipeline.tables import entries, published
from pipeline.train import __main__ as train_command
from pipeline.train import fit, kmeans
from tests.helpers.tinydata import tiny_shards, tiny_splits

FILE = Path(__file__).parents[2] / "experiments" / "action_vlad.yaml"
PAPER = recipes.load(FILE, "paper")
CLASSES = 51
POOLED = {name: recipe for name, recipe in PAPER.runs.items() if recipe.net != "vgg_16"}
TINY = {
    "options": {"width": 0.03}, "frames": 3, "short_side": 60, "crop": 48, "batch": 2, "milestones": [2], "steps": 3,
    "threads": 1,
}  # fmt: skip


def test_a_clip_is_25_frames_spread_over_the_video():
    assert {(recipe.frames, recipe.uniform) for recipe in POOLED.values()} == {(25, True)}
    assert clip_sampling.channels(PAPER.run("rgb")) == {"rgb": 3}
    assert clip_sampling.channels(PAPER.run("flow")) == {"flow": 20}


def test_the_optimiser_is_adam_with_clipped_gradients():
    keys = ("optimizer", "eps", "weight_decay", "max_grad_norm", "batch")
    assert {tuple(getattr(recipe, key) for key in keys) for recipe in POOLED.values()} == {
        ("adam", 1e-4, 4e-5, 5.0, 16)
    }


def test_stage_1_learns_fast_and_stage_2_goes_on_from_it_slowly():
    for name, recipe in POOLED.items():
        one = name.endswith("_stage1")
        assert recipe.options["stage"] == (1 if one else 2)
        assert (recipe.lr, recipe.steps, recipe.milestones) == ((0.01, 10000, [5000]) if one else (1e-4, 8000, [5000]))
        assert one or recipe.init == {"net": {"run": f"{name}_stage1"}}


def test_centres_are_those_of_the_network_and_layer_that_the_run_pools():
    for name, recipe in POOLED.items():
        for part, source in recipe.init.items():
            if "kmeans" in source:
                stream = part.rpartition(".")[0] or name.split("_")[0]
                assert source["kmeans"] == f"two_stream_{stream}"
                assert source["layer"] == recipe.options.get("layer", "conv5_3")


@pytest.mark.parametrize("preset", sorted(recipes.presets(FILE)))
def test_as_many_centres_are_made_as_the_pooling_takes(preset):
    for recipe in recipes.load(FILE, preset).runs.values():
        shares = 2 if recipe.options.get("fusion") == "early" else 1
        wanted = recipe.options.get("clusters", 64) // shares
        assert {source["clusters"] for source in recipe.init.values() if "kmeans" in source} <= {wanted}


def test_the_narrow_demo_asks_for_no_released_weights():
    runs = recipes.load(FILE, "demo").runs.values()
    assert not [source for recipe in runs for source in recipe.init.values() if "release" in source]


def test_rgb_is_tested_on_the_centre_and_flow_on_five_crops():
    assert PAPER.run("rgb").protocol == "1 clip x centre"
    assert PAPER.run("flow").protocol == "1 clip x 5 crops"


def test_late_fusion_weighs_logits_1_to_2():
    wanted = recipes.Fusion(scores=["rgb", "flow"], method="weighted", weights=[1, 2], input="logits")
    assert PAPER.fusions["late"] == wanted


@pytest.mark.parametrize("name", PAPER.runs)
def test_every_run_can_be_built_at_the_papers_size_for_its_inputs(name):
    recipe = PAPER.run(name)
    times = (recipe.frames,) if recipe.frames else ()
    with torch.device("meta"):
        net = from_recipe.build(recipe, CLASSES)
        inputs = [torch.zeros(1, channels, *times, 224, 224) for channels in clip_sampling.channels(recipe).values()]
        assert net(*inputs).shape == (1, CLASSES)


def test_a_published_stream_pools_64_residuals_of_512_numbers():
    shapes = builders.shapes_of("action_vlad", CLASSES, from_recipe.options(PAPER.run("rgb")))
    assert shapes["pooling.centres"] == (64, 512)
    assert shapes["classifier.weight"] == (CLASSES, 64 * 512)


def test_every_own_cell_has_a_run_but_those_with_trajectories():
    own = {c for c in published.cells() if c.table.startswith("actionvlad_") and c.whose == "own"}
    pointed = {cell for row in entries.load(FILE) for cell in row.cells}
    assert {cell.row for cell in own - pointed} <= {"ActionVLAD (VGG-16) + iDT"}


def test_ablations_are_of_split_1_and_the_final_numbers_of_three():
    for row in entries.load(FILE):
        firsts = {cell.split for cell in row.cells} == {"1"}
        assert row.splits == ((1,) if firsts else ())


class Workplace:
    """A folder with tiny shards, in which the runs of the file are made under a tiny preset."""

    def __init__(self, folder):
        self.folder, names, random = folder, list("abcdef"), np.random.default_rng(0)
        tiny_splits(folder / "splits.parquet", names, test=("e", "f"))
        pictures = {name: random.integers(0, 255, (8, 60, 80, 3), np.uint8) for name in names}
        fields = {name: random.integers(0, 255, (7, 2, 60, 80), np.uint8) for name in names}
        made = (tiny_shards(folder / "data_rgb", pictures, "rgb"), tiny_shards(folder / "data_flow", fields, "flow"))
        self.data = ["--shards", *(str(reader.folder) for reader in made), "--splits", str(folder / "splits.parquet")]
        document = yaml.safe_load(FILE.read_text())
        small = {name: {"options": {"clusters": 4}} for name in POOLED}
        frames = {name: {"frames": None, "protocol": "2 frames x centre"} for name in PAPER.runs if name not in POOLED}
        document["presets"] = {"tiny": {"common": TINY, **small, **frames}}
        self.file = folder / "action_vlad.yaml"
        self.file.write_text(yaml.safe_dump(document, sort_keys=False))

    def weights(self, name):
        return self.folder / name / "weights.safetensors"

    def train(self, name, *options, **parts):
        sources = [f"--init={part.replace('__', '.')}={path}" for part, path in parts.items()]
        line = ["--experiment", str(self.file), "--run", name, "--preset", "tiny", "--device", "cpu"]
        train_command.main([*line, *self.data, "--out", str(self.folder / name), *sources, *options])
        return weights.load(self.weights(name))[0]

    def centres(self, stream, clusters):
        out = self.folder / f"{stream}.{clusters}.safetensors"
        line = ["--weights", str(self.weights(f"two_stream_{stream}")), *self.data, "--out", str(out)]
        kmeans.main([*line, "--clusters", str(clusters), "--device", "cpu"])
        return out

    def score(self, name):
        out = self.folder / f"{name}.parquet"
        score_command.main(
            ["run", "--weights", str(self.weights(name)), *self.data, "--device", "cpu", "--out", str(out)]
        )
        return out


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Both networks on frames and both streams, trained for a few steps each as the workflow chains them."""
    made = Workplace(tmp_path_factory.mktemp("vlad"))
    for stream in ("rgb", "flow"):
        made.train(f"two_stream_{stream}")
        made.train(
            f"{stream}_stage1", trunk=made.weights(f"two_stream_{stream}"), centres=made.centres(stream, clusters=4)
        )
        made.train(stream, net=made.weights(f"{stream}_stage1"))
    return made


def test_stage_1_moves_the_classifier_and_stage_2_what_lies_behind_conv4(work):
    base, one, two = (weights.load(work.weights(name))[0] for name in ("two_stream_rgb", "rgb_stage1", "rgb"))
    centres = weights.load(work.folder / "rgb.4.safetensors")[0]["centres"]
    assert torch.equal(one["pooling.centres"], centres)
    assert all(torch.equal(one[f"trunk.{key}"], base[key]) for key in base if f"trunk.{key}" in one)
    moved = {name for name in two if not torch.equal(one[name], two[name])}
    behind = {f"trunk.features.{number}" for number in (24, 26, 28)} | {"pooling", "classifier"}
    assert moved
    assert all(name.startswith(tuple(behind)) for name in moved)


def interrupt(*_):
    raise KeyboardInterrupt


def test_an_interrupted_stage_resumes_to_the_same_weights(work, tmp_path, monkeypatch, capfd):
    undisturbed, out = weights.load(work.weights("rgb"))[0], work.folder / "rgb"
    shutil.move(out, tmp_path / "undisturbed")
    monkeypatch.setattr(fit, "FLUSH_STEPS", 1)
    with monkeypatch.context() as patch:
        patch.setattr(fit, "write_outputs", interrupt)
        with pytest.raises(KeyboardInterrupt):
            work.train("rgb", "--save-seconds", "0", net=work.weights("rgb_stage1"))
    again = work.train("rgb", net=work.weights("rgb_stage1"))
    assert "resumed at step 2 of 3" in capfd.readouterr().err
    assert all(torch.equal(again[name], undisturbed[name]) for name in undisturbed)


def test_late_fusion_is_the_mean_of_logits_1_to_2_over_the_papers_views(work):
    rgb, flow, out = work.score("rgb"), work.score("flow"), work.folder / "late.parquet"
    late = PAPER.fusions["late"]
    line = ["--scores", str(rgb), str(flow), "--method", late.method, "--input", late.input, "--out", str(out)]
    fuse_command.main([*line, "--weights", *map(str, late.weights)])
    assert [len(scores.read_views(path, "logits").values) for path in (rgb, flow)] == [2 * 1, 2 * 5]
    alone = [scores.read(path, "logits").values for path in (rgb, flow)]
    assert np.allclose(scores.read(out, "logits").values, (alone[0] + 2 * alone[1]) / 3, atol=1e-6)


@pytest.mark.parametrize(("fusion", "clusters"), [("early", 2), ("concat", 4)])
def test_one_pooling_of_both_streams_begins_from_the_centres_of_both(work, fusion, clusters):
    paths = {f"{stream}__centres": work.centres(stream, clusters) for stream in ("rgb", "flow")}
    trunks = {stream: work.weights(f"two_stream_{stream}") for stream in ("rgb", "flow")}
    made = work.train(f"{fusion}_stage1", **trunks, **paths)
    found = [weights.load(path)[0]["centres"] for path in paths.values()]
    assert torch.allclose(
        made["pooling.centres"], torch.cat(found) if fusion == "early" else torch.cat(found, 1) / 2**0.5
    )
    work.train(fusion, net=work.weights(f"{fusion}_stage1"))
    assert len(scores.read_views(work.score(fusion), "logits").values) == 2 * 5
