"""FstCN's recipes: the paper's facts, its networks at its sizes, its tables' cells, and its protocol on tiny clips."""

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
from tests.helpers.tinyruns import TinyRuns, stopped_and_resumed, tiny_dataset

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).parents[2]
FILE = ROOT / "experiments" / "fstcn.yaml"
PAPER = recipes.load(FILE, "paper")
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
WIDTH = {"width": 0.03, "stride2": 1}


def test_a_clips_pictures_are_five_apart_and_a_differences_nine():
    recipe = PAPER.run("fstcn")
    assert (recipe.frames, recipe.stride, recipe.difference_distance) == (5, 5, 9)
    (times,) = clip_sampling.uniform_clips(recipe, 100, 1)
    assert np.diff(times).tolist() == [5] * 4
    assert times[-1] + recipe.difference_distance < 100


@pytest.mark.parametrize("run", PAPER.runs)
def test_every_run_is_built_at_the_papers_size(run):
    recipe = PAPER.run(run)
    with torch.device("meta"):
        net = from_recipe.build(recipe, 51).eval()
        given = [torch.zeros(2, 3, recipe.frames, 204, 204) for _ in recipe.stack]
        logits = net(*given)
    assert logits.shape == (2, 51)
    assert (recipe.batch, recipe.options.get("dropout", 0.5)) == (32, 0.5)


def test_step_2_trains_three_layers_and_step_3_begins_with_them():
    with torch.device("meta"):
        net = from_recipe.build(PAPER.run("scl"), 51)
    learning = {name.split(".weight")[0] for name, p in net.named_parameters() if p.requires_grad and "weight" in name}
    assert learning == {"spatial.3.0", "spatial.4.0", "auxiliary"}
    assert train_inputs.initial_weights(CONFIG, "ucf101", 2, 0, "fstcn.fstcn") == {
        "net": "results/runs/ucf101/split2/seed0/fstcn.scl/weights.safetensors"
    }


def test_table_1_compares_the_tcls_kernels():
    kernels = {run: PAPER.run(run).options.get("kernels", [3, 5]) for run in ("tcl", "tcl_3x3", "tcl_5x5")}
    assert kernels == {"tcl": [3, 5], "tcl_3x3": [3], "tcl_5x5": [5]}
    assert {tuple(PAPER.run(run).stack) for run in kernels} == {("difference",)}


def test_every_accuracy_of_the_papers_own_has_one_row_on_its_data_set():
    own = [c for c in published.cells() if c.table.startswith("fstcn") and c.metric == "top1" and c.whose == "own"]
    for cell in own:
        (row,) = [r for r in entries.load(FILE) if cell in r.cells and entries.applies(r, cell.dataset)]
        assert not row.splits or cell.split == "1"
        assert ("SCI" in cell.row) == row.run.endswith("_sci")


def test_a_demos_clip_fits_its_shortest_video_and_spans_both_of_a_doors_movements():
    recipe = recipes.load(FILE, "demo").run("fstcn")
    span = (recipe.frames - 1) * recipe.stride + recipe.difference_distance
    assert 24 <= span < 44


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fstcn")
    small = {
        "options": WIDTH, "short_side": 60, "crop": 56, "frames": 3, "stride": 4, "batch": 4,
        "milestones": [2], "steps": 3, "threads": 1, "protocol": "2 clips x 18 crops",
    }  # fmt: skip
    return TinyRuns(FILE, folder, tiny_dataset(folder, ("rgb",)), {"common": small, "scl": {"frames": 1}})


def released(folder):
    """What `weights import` would make of CNN-M: a net of other classes, whose pictures are as large as ours."""
    torch.manual_seed(1)
    net = builders.build("cnn_m_2048", num_classes=9, crop=56, **WIDTH)
    weights.save(folder / "cnn_m_2048.safetensors", net.state_dict(), {"model": "cnn_m_2048"})
    return {"net": folder / "cnn_m_2048.safetensors"}


def test_the_steps_train_one_after_another_and_their_views_fuse_by_sci(tiny, monkeypatch):
    init = released(tiny.folder)
    release, scl = weights.load(init["net"])[0], tiny.tensors("scl", init=init)
    assert torch.equal(scl["scl.0.0.weight"], release["features.0.0.weight"])  # step 2 leaves the shared layers alone
    begun = {"net": tiny.folder / "scl" / "weights.safetensors"}
    whole = tiny.tensors("fstcn", init=begun)
    assert not torch.equal(whole["scl.0.0.weight"], scl["scl.0.0.weight"])
    assert torch.equal(whole["auxiliary.weight"], scl["auxiliary.weight"])
    again = stopped_and_resumed(monkeypatch, tiny, "fstcn", init=begun)
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.items())
    mean = scores.read(tiny.score("fstcn")).values
    assert tiny.views("fstcn") == 2 * 18
    sci, single = tiny.fuse("fstcn_sci"), tiny.fuse("fstcn_single")
    assert sci.values.shape == single.values.shape == mean.shape
    assert np.allclose(single.values.sum(1), 1, atol=1e-5)
    assert (sci.values.sum(1) >= 1 - 1e-5).all()  # the largest over clips, class by class


@pytest.mark.parametrize("run", ["tcl", "tcl_3x3", "tcl_5x5"])
def test_the_tcl_path_alone_begins_with_the_shared_layers(tiny, run):
    source = tiny.train("scl", init=released(tiny.folder)) / "weights.safetensors"
    tiny.train(run, init={"net": source})
    tiny.score(run)
    assert tiny.views(run) == 36


def test_a_test_video_is_seen_on_a_grid_and_mirrored():
    protocol = protocols.parse(PAPER.run("fstcn").protocol)
    views = list(protocols.test_views(protocol, PAPER.run("fstcn"), 180))
    assert len({(view.place, view.flip) for view in views}) == 18
    assert len(views) == 18 * 5
