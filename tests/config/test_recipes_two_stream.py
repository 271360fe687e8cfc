"""The 2014 paper's recipes: its facts, its networks at its sizes, its tables' cells, and its protocol on tiny clips."""

import fnmatch
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from pipeline.config import recipes
from pipeline.formats import scores, weights
from pipeline.inputs import clip_sampling, protocols
from pipeline.models import builders, from_recipe
from pipeline.tables import entries, published
from pipeline.workflow import train_inputs
from pipeline.workflow.runs import experiment
from tests.helpers.tinyruns import TinyRuns, stopped_and_resumed, tiny_dataset

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).parents[2]
FILE = ROOT / "experiments" / "two_stream.yaml"
PAPER = recipes.load(FILE, "paper")
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
TUNED = {"spatial", "spatial_tuned_05", "spatial_tuned_09", "spatial_last_09", "temporal_tuned"}
OTHERS = ("trajectories", "bidirectional", "slow_fusion", "temporal_1", "temporal_classes")
WIDTH = {"width": 0.03, "stride2": 1}


@pytest.mark.parametrize("run", PAPER.runs)
def test_the_schedules_are_the_papers(run):
    recipe = PAPER.run(run)
    assert (recipe.batch, recipe.momentum, recipe.lr, recipe.gamma) == (256, 0.9, 0.01, 0.1)
    assert (recipe.milestones, recipe.steps) == (([14000], 20000) if run in TUNED else ([50000, 70000], 80000))
    assert bool(recipe.init) == (run in TUNED)


def test_table_1a_is_three_ways_to_begin_and_two_dropouts():
    pairs = ((cell, row.run.split(".")[1]) for row in entries.load(FILE) for cell in row.cells)
    cells = {cell: PAPER.run(run) for cell, run in pairs if cell.table == "twostream_table1a"}
    assert len(cells) == 6
    for cell, recipe in cells.items():
        assert recipe.options["dropout"] == float(cell.column.removeprefix("dropout "))
        assert recipe.init == ({} if cell.row == "From scratch" else {"net": {"release": "cnn_m_2048"}})
        assert recipe.trainable == ("head" if cell.row.endswith("last layer") else "all")


def test_table_1b_compares_stacks_with_and_without_their_means():
    for row in entries.load(FILE):
        for cell in (cell for cell in row.cells if cell.table == "twostream_table1b"):
            recipe = PAPER.run(row.run.split(".")[1])
            assert f"L = {recipe.stack['flow']})" in cell.row
            assert recipe.mean_subtraction == (cell.column == "mean subtraction on")
            way = "trajectories" if "Trajectory" in cell.row else "bidirectional" if "bi-dir" in cell.row else "simple"
            assert recipe.flow_stack == way


@pytest.mark.parametrize("run", PAPER.runs)
def test_every_run_is_built_at_the_papers_size(run):
    recipe = PAPER.run(run)
    ((_, channels),) = clip_sampling.channels(recipe).items()
    with torch.device("meta"):
        net = from_recipe.build(recipe, 101, 51 if recipe.partner == "tasks" else None).eval()
        logits = net(torch.zeros(2, channels, 224, 224))
    assert logits.shape == (2, 101)
    assert net.classifier[0][0].out_features == 4096
    lrn = sum(isinstance(layer, torch.nn.LocalResponseNorm) for layer in net.modules())
    assert lrn == (1 if "flow" in recipe.stack else 2)  # the temporal net drops the second one


def test_every_accuracy_of_the_papers_own_has_one_row_on_its_data_set():
    own = [c for c in published.cells() if c.table.startswith("twostream") and c.metric == "top1" and c.whose == "own"]
    pointing = {
        cell: [r for r in entries.load(FILE) if cell in r.cells and entries.applies(r, cell.dataset)] for cell in own
    }
    assert {len(found) for found in pointing.values()} == {1}
    for cell, (row,) in pointing.items():
        assert not row.splits or cell.split == "1"


def test_a_test_video_is_seen_in_250_views():
    protocol = protocols.parse(PAPER.run("temporal").protocol)
    views = list(protocols.test_views(protocol, PAPER.run("temporal"), 180))
    assert len(views) == 250
    assert views[-1].times[0] + 10 == 179  # the last stack ends with the video


def test_table_3_fuses_one_spatial_net_with_three_temporal_ones():
    fused = {name: fusion.scores for name, fusion in PAPER.fusions.items()}
    assert {scores[0] for scores in fused.values()} == {"spatial"}
    assert {scores[1] for scores in fused.values()} == {"temporal", "bidirectional", "temporal_multitask"}


def test_hmdb51_is_tuned_from_ucf101s_net_and_what_needs_a_release_says_so():
    begun = train_inputs.initial_weights(CONFIG, "hmdb51", 1, 0, "two_stream.temporal_tuned")
    assert begun == {"net": "results/runs/ucf101/split1/seed0/two_stream.temporal/weights.safetensors"}
    assert train_inputs.blocking_reason(CONFIG, "hmdb51", "two_stream.temporal_tuned") == ""
    assert "cnn_m_2048" in train_inputs.blocking_reason(CONFIG, "ucf101", "two_stream.average")


def test_the_plain_demo_needs_no_second_data_set_no_backward_flow_and_no_release():
    patterns = CONFIG["datasets"]["demo"]["tables"]["rows"]
    demo = experiment(CONFIG, "demo", "two_stream")
    shown = {row.run.split(".")[1] for row in entries.load(FILE) for p in patterns if fnmatch.fnmatch(row.run, p)}
    used = {part for name in shown for part in (demo.fusions[name].scores if name in demo.fusions else [name])}
    assert used == {"spatial", "temporal"}
    for recipe in map(demo.run, used):
        assert not recipe.init
        assert not recipe.partner
        assert "backward" not in clip_sampling.modalities(recipe)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two_stream")
    data = tiny_dataset(folder / "own", ("rgb", "flow", "backward"))
    partner = tiny_dataset(folder / "partner", ("flow",), ("jump", "left", "run"), seed=1)
    small = {"options": WIDTH, "short_side": 60, "crop": 56, "batch": 4, "milestones": [2], "steps": 3, "threads": 1}
    few = {run: {"protocol": "2 frames x 10 crops"} for run in OTHERS}
    tuned = {run: {"milestones": [2], "steps": 3} for run in TUNED}
    return TinyRuns(FILE, folder, data, {"common": small, **few, **tuned}, partner)


def released(folder):
    """What `weights import` would make of CNN-M: a net of other classes."""
    torch.manual_seed(1)
    net = builders.build("cnn_m_2048", num_classes=9, crop=56, **WIDTH)
    weights.save(folder / "cnn_m_2048.safetensors", net.state_dict(), {"model": "cnn_m_2048"})
    return {"net": folder / "cnn_m_2048.safetensors"}


def test_the_final_system_trains_scores_and_fuses_by_the_papers_protocol(tiny):
    init = released(tiny.folder)
    first, learned = weights.load(init["net"])[0], tiny.tensors("spatial", init=init)
    assert {name for name in first if not torch.equal(first[name], learned[name])} == {
        "classifier.2.weight", "classifier.2.bias",
    }  # fmt: skip
    tiny.train("temporal_multitask")
    for run in ("spatial", "temporal_multitask"):
        tiny.score(run)
        tiny.score(run, "train")
        assert tiny.views(run) == 250
    fused, margins = tiny.fuse("average_multitask"), tiny.fuse("svm_multitask")
    assert np.allclose(fused.values.sum(1), 1, atol=1e-5)
    assert (fused.kind, margins.kind) == ("probabilities", "decisions")
    assert fused.values.shape == margins.values.shape == (2, 2)


@pytest.mark.parametrize("run", OTHERS)
def test_every_other_stack_and_added_classes_train_and_score(tiny, run):
    facts = weights.load(tiny.train(run) / "weights.safetensors")[1]
    assert facts["classes"] == ["left", "right", *(["jump", "run"] if run == "temporal_classes" else [])]
    assert scores.read(tiny.score(run)).values.shape == (2, 2)


def test_two_tasks_stopped_halfway_go_on_to_the_same_weights(tiny, monkeypatch):
    whole = tiny.tensors("temporal_multitask")
    again = stopped_and_resumed(monkeypatch, tiny, "temporal_multitask")
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.items())
