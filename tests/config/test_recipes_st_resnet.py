"""ST-ResNet's recipes: the facts that the paper prints, and its chain of trainings from end to end on tiny clips."""

import itertools
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from pipeline.common.errors import UserError
from pipeline.config import recipes
from pipeline.formats import scores, weights
from pipeline.fuse import __main__ as fuse_command
from pipeline.inputs import protocols
from pipeline.models import builders, from_recipe
from pipeline.score import __main__ as score_command
from pipeline.tables import entries, published
from pipeline.train import __main__ as train_command
from pipeline.train import initialise, losses
from pipeline.workflow import train_inputs
from tests.helpers.tinydata import tiny_shards, tiny_splits
from tests.helpers.tinyruns import interrupted

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).parents[2]
FILE = ROOT / "experiments" / "st_resnet.yaml"
PAPER = recipes.load(FILE, "paper")
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
PHASES = {"Motion stream": "motion", "Appearance stream": "appearance", "ST-ResNet": "st_resnet", "ST-ResNet*": "star"}


def power(rate):
    return f"{rate:.0e}".replace("e-0", "e-")


def schedule(recipe):
    """As Table 2 prints it: 1e-2 (30K), 1e-3 (10K)."""
    ends = [0, *recipe.milestones, recipe.steps]
    pairs = enumerate(itertools.pairwise(ends))
    return ", ".join(f"{power(recipe.lr * recipe.gamma**n)} ({(end - begin) // 1000}K)" for n, (begin, end) in pairs)


def test_the_hyper_parameters_are_those_of_table_2():
    printed = {cell[1:3]: cell.value for cell in published.cells() if cell.table == "stresnet_table2"}
    made = {}
    for row, run in PHASES.items():
        recipe = PAPER.run(run)
        tau = "= 1" if recipe.stride == 1 else f"in {recipe.stride}"
        made[row, "SGD batch size"] = str(recipe.batch)
        made[row, "Bnorm batch size"] = str(recipe.bn_batch)
        made[row, "Learning Rate (#Iterations)"] = schedule(recipe)
        made[row, "Temporal chunks / stride tau"] = f"{recipe.frames or 1} / tau {tau}"
    assert made == printed


def test_every_accuracy_of_the_papers_own_has_the_row_of_its_data_set():
    own = {c for c in published.cells() if c.table.startswith("stresnet") and c.metric == "top1" and c.whose == "own"}
    pointing = {cell: row for row in entries.load(FILE) for cell in row.cells if entries.applies(row, cell.dataset)}
    assert {cell.row for cell in own - set(pointing)} == {"ST-ResNet* + IDT"}  # whose row is idt.yaml's
    assert set(pointing) <= own
    chains = {(row.run.endswith("_hmdb51"), cell.dataset) for cell, row in pointing.items() if "appear" not in row.run}
    assert chains == {(True, "hmdb51"), (False, "ucf101")}


def test_hmdb51s_motion_stream_begins_from_ucf101s_and_ucf101s_from_imagenet():
    begun = train_inputs.initial_weights(CONFIG, "hmdb51", 2, 0, "st_resnet.motion_hmdb51")
    assert begun == {"net": "results/runs/ucf101/split1/seed0/st_resnet.motion/weights.safetensors"}
    begun = train_inputs.initial_weights(CONFIG, "hmdb51", 2, 0, "st_resnet.st_resnet_hmdb51")
    assert begun["motion"] == "results/runs/hmdb51/split2/seed0/st_resnet.motion_hmdb51/weights.safetensors"
    assert PAPER.run("motion").init["net"]["release"] == "resnet_50.matconvnet"


def test_who_begins_from_streams_that_lacked_imagenet_says_so_too(tmp_path, monkeypatch):
    monkeypatch.setattr(train_inputs, "WEIGHTS", tmp_path)
    words = "trained from scratch, without the released weights of resnet_50.matconvnet"
    assert {train_inputs.from_scratch_note(CONFIG, "hmdb51", f"st_resnet.{run}") for run in PAPER.runs} == {words}
    (tmp_path / "resnet_50.matconvnet.safetensors").touch()
    assert {train_inputs.from_scratch_note(CONFIG, "hmdb51", f"st_resnet.{run}") for run in PAPER.runs} == {""}


def test_the_two_chains_differ_in_where_they_begin_and_nowhere_else():
    for run in ("motion", "st_resnet", "star"):
        one, other = PAPER.run(run), PAPER.run(f"{run}_hmdb51")
        assert {key for key in asdict(one) if getattr(one, key) != getattr(other, key)} == {"init"}


@pytest.mark.parametrize("run", [run for run in PAPER.runs if not run.endswith("_hmdb51")])
def test_every_run_is_built_at_the_papers_size_and_takes_the_papers_clip(run):
    recipe = PAPER.run(run)
    times = [recipe.frames] if recipe.frames else []
    with torch.device("meta"):
        net = from_recipe.build(recipe, 101)
        clip = [torch.zeros(2, {"rgb": 3, "flow": 20}[name], *times, 224, 224) for name in recipe.stack]
        outputs = net(*clip)
    several = outputs if isinstance(outputs, tuple) else (outputs,)
    assert {tuple(logits.shape) for logits in several} == {(2, 101)}
    # A loss for each chunk of each stream; after the maxima of ST-ResNet* four chunks are left (Table 1).
    wanted = {"appearance": 1, "motion": 1, "star": 8, "average": 2}
    assert len(several) == next((n for name, n in wanted.items() if run.startswith(name)), 10)


def test_a_test_is_one_pass_over_25_times_of_the_whole_picture_and_its_mirror_image():
    recipe = PAPER.run("star")
    views = list(protocols.test_views(protocols.parse(recipe.protocol), recipe, 180))
    assert [(len(view.times), view.place, view.flip) for view in views] == [(25, "whole", False), (25, "whole", True)]
    assert views[0].times[-1] + 10 == 179  # the last stack of flow ends with the video


def test_the_losses_of_all_chunks_and_streams_are_added_up():
    logits, labels = [torch.randn(4, 7) for _ in range(10)], torch.arange(4)
    found = losses.criterion(tuple(logits), labels, torch.zeros(4), PAPER.run("st_resnet").loss_reduction)
    each = [torch.nn.functional.cross_entropy(x, labels, reduction="sum") for x in logits]
    assert torch.allclose(found, torch.stack(each).sum())


def test_a_demos_clip_has_the_chunks_that_the_maxima_take():
    recipe = recipes.load(FILE, "demo").run("star")
    assert (44 - 11) // (recipe.frames - 1) >= recipe.stride[1]  # the demo's shortest video, stacks of 10 fields


def test_a_release_of_resnets_other_form_is_refused(tmp_path):
    """Its tensors have the same names and shapes, so that it would train, wrongly begun."""
    options = {"width": 0.125, "depth": [2, 2, 2, 2], "crop": 48}
    nets = {form: builders.build("resnet_50", num_classes=7, form=form, **options) for form in ("caffe", "torchvision")}
    for form, net in nets.items():
        facts = {"model": "resnet_50", "options": {"form": form} if form == "caffe" else {}}
        weights.save(tmp_path / form, net.state_dict(), facts)
    initialise.initialise(nets["caffe"], {"net": tmp_path / "caffe"}, ["fc.weight", "fc.bias"], ())
    with pytest.raises(UserError, match="form torchvision but the network is of caffe: import a release"):
        initialise.initialise(nets["caffe"], {"net": tmp_path / "torchvision"}, ["fc.weight", "fc.bias"], ())


def test_weights_tell_the_inputs_in_the_order_that_the_network_takes_them(tmp_path):
    stack = {"rgb": 1, "flow": 10, "difference": 1}
    weights.save(tmp_path / "w.safetensors", {"a": torch.zeros(1)}, {"recipe": {"stack": stack}})
    assert list(weights.load_metadata(tmp_path / "w.safetensors")["recipe"]["stack"]) == list(stack)


NAMES = [f"v{number}" for number in range(8)]
CHAIN = {
    "appearance": {}, "motion": {}, "st_resnet": {"appearance": "appearance", "motion": "motion"},
    "star": {"net": "st_resnet"},
}  # fmt: skip


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Eight videos of 20 frames with their flow, and the paper's recipes at a few steps of a narrow network."""
    folder, random = tmp_path_factory.mktemp("st_resnet"), np.random.default_rng(0)
    for modality, shape in (("rgb", (20, 40, 48, 3)), ("flow", (19, 2, 40, 48))):
        tiny_shards(folder, {name: random.integers(0, 255, shape).astype(np.uint8) for name in NAMES}, modality)
    tiny_splits(folder / "splits.parquet", NAMES, test=NAMES[6:])
    document = yaml.safe_load(FILE.read_text())
    small = {"options": {"width": 0.125, "depth": [2, 2, 2, 2]}, "short_side": 40, "crop": 32, "threads": 1}
    document["presets"]["tiny"] = {
        "common": {**small, "batch": 6, "bn_batch": 4, "milestones": [1], "steps": 3},
        "appearance": {"init": {"net": None}}, "motion": {"init": {"net": None}},
    }  # fmt: skip
    (folder / "st_resnet.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return folder


def shards(tiny, run):
    names = {"appearance": ["rgb"], "motion": ["flow"]}.get(run, ["rgb", "flow"])
    return ["--shards", *(str(tiny / "shards" / name) for name in names), "--splits", str(tiny / "splits.parquet")]


def trained(tiny, run, out):
    init = [f"--init={part}={tiny / source / 'weights.safetensors'}" for part, source in CHAIN[run].items()]
    named = ["--experiment", str(tiny / "st_resnet.yaml"), "--run", run, "--preset", "tiny", "--save-seconds", "0"]
    train_command.main([*named, *shards(tiny, run), *init, "--device", "cpu", "--out", str(out)])
    return weights.load(out / "weights.safetensors")[0]


def scored(tiny, run):
    made = tiny / run / "test.parquet"
    where = ["--weights", str(tiny / run / "weights.safetensors"), "--device", "cpu", "--out", str(made)]
    score_command.main(["run", *where, *shards(tiny, run)])
    return made


def test_the_three_phases_train_resume_score_by_the_papers_protocol_and_fuse(tiny, monkeypatch):
    states = {run: trained(tiny, run, tiny / run) for run in CHAIN}
    files = {run: scored(tiny, run) for run in CHAIN}
    views = {run: len(scores.read_views(file).values) for run, file in files.items()}
    assert views == {"appearance": 2 * 50, "motion": 2 * 50, "st_resnet": 2 * 2, "star": 2 * 2}
    resumed_like(states["st_resnet"], tiny, monkeypatch)
    both = [str(files[run]) for run in ("appearance", "motion")]
    fuse_command.main(["--scores", *both, "--input", "logits", "--out", str(tiny / "two_streams.parquet")])
    fused, (a, m) = scores.read(tiny / "two_streams.parquet"), (scores.read(file, "logits") for file in both)
    assert np.allclose(fused.values, (a.values + m.values) / 2, atol=1e-5)


def resumed_like(state, tiny, monkeypatch):
    """A training that is stopped after its first checkpoint goes on to the very same weights."""
    with interrupted(monkeypatch, steps=2):
        trained(tiny, "st_resnet", tiny / "again")
    assert (tiny / "again" / "resume.pt").exists()
    again = trained(tiny, "st_resnet", tiny / "again")
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())
