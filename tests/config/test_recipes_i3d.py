"""I3D's recipes: the facts that the paper prints, and its transfer from one data set to another on tiny clips."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from pipeline.config import recipes
from pipeline.config.settings import load_yaml, merge
from pipeline.formats import scores, weights
from pipeline.fuse import __main__ as fuse_command
from pipeline.inputs import protocols
from pipeline.models import from_recipe
from pipeline.score import __main__ as score_command
from pipeline.tables import entries, published
from pipeline.train import __main__ as train_command
from pipeline.train.schedules import Schedule
from pipeline.workflow import train_inputs
from tests.helpers.tinydata import tiny_shards, tiny_splits
from tests.helpers.tinyruns import interrupted

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).parents[2]
FILE = ROOT / "experiments" / "i3d.yaml"
PAPER, DEMO = (recipes.load(FILE, preset) for preset in ("paper", "demo"))
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
NETS = {"ConvNet+LSTM": "lstm", "3D-ConvNet": "c3d", "Two-Stream": "two_stream", "3D-Fused": "fused"}
TEN_SECONDS = 250  # frames
TABLES = ("i3d_table2", "i3d_table3", "i3d_table3_top5", "i3d_table4", "i3d_table5")


def seen(recipe, times):
    """`25 rgb, 250 flow`: pictures of every input at so many times."""
    return ", ".join(f"{length * times} {name}" for name, length in recipe.stack.items())


@pytest.mark.parametrize(("architecture", "run"), NETS.items())
def test_clips_in_training_and_tests_are_those_of_table_1(architecture, run):
    printed = {cell.column: cell.value for cell in published.cells() if cell[:2] == ("i3d_table1", architecture)}
    recipe = PAPER.run(run)
    views = list(protocols.test_views(protocols.parse(recipe.protocol), recipe, TEN_SECONDS))
    times = recipe.frames or 1
    footprint = max(times * recipe.stride, *recipe.stack.values()) / 25
    assert seen(recipe, times) == printed["train # input frames"]
    assert f"{footprint:g}s" == printed["train temporal footprint"]
    assert seen(recipe, sum(len(view.times) for view in views)) == printed["test # input frames"]


@pytest.mark.parametrize(("run", "pictures"), [("i3d_rgb", 250), ("i3d_flow", 249)])  # flow lies between frames
def test_i3d_learns_from_64_pictures_and_is_tested_on_all_in_one_pass(run, pictures):
    recipe = PAPER.run(run)
    (view,) = protocols.test_views(protocols.parse(recipe.protocol), recipe, TEN_SECONDS)
    assert (recipe.frames, recipe.stride, len(view.times), view.place) == (64, 1, pictures, "centre")


def test_flow_on_kinetics_has_the_rates_of_the_released_codes_readme():
    parts = [PAPER.run(run) for run in ("kinetics_i3d_flow_begin", "kinetics_i3d_flow")]
    rates = [Schedule(recipe).lr(step) for recipe in parts for step in range(0, recipe.steps, 500)]
    printed = {0: 1e-1, 97: 1e-2, 104.5: 1e-3, 115: 1e-1, 140: 1e-2, 150: 1e-3, 155: None}
    ends = sorted(printed)
    wanted = [printed[a] for a, b in itertools.pairwise(ends) for _ in range(int((b - a) * 2))]
    assert rates == pytest.approx(wanted)
    assert parts[1].init == {"net": {"run": "kinetics_i3d_flow_begin"}}


@pytest.mark.parametrize("run", PAPER.runs)
def test_every_run_is_built_at_the_papers_size_and_takes_the_papers_clip(run):
    recipe = PAPER.run(run)
    times = [recipe.frames] if recipe.frames else []
    with torch.device("meta"):
        net = from_recipe.build(recipe, 101)
        sides = (recipe.crop, recipe.crop)
        channels = {"rgb": 3, "flow": 2}
        outputs = net(*(torch.zeros(2, channels[n] * length, *times, *sides) for n, length in recipe.stack.items()))
    several = outputs if isinstance(outputs, tuple) else (outputs,)
    assert {tuple(logits.shape) for logits in several} == {(2, 101)}
    assert len(several) == (25 if "lstm" in run else 1)  # a loss at every step of the LSTM


def test_every_accuracy_of_the_papers_own_has_one_row_of_its_data_set():
    own = [cell for cell in published.cells() if cell.table in TABLES and cell.whose == "own"]
    pointing = [cell for row in entries.load(FILE) for cell in row.cells if entries.applies(row, cell.dataset)]
    assert sorted(pointing) == sorted(own)


def test_only_a_3d_fused_of_one_stream_has_no_run():
    assert {row.method for row in entries.load(FILE) if not row.run} == {"3D-Fused, RGB", "3D-Fused, flow"}


def leaves(name, experiment=PAPER):
    """The runs behind a run or fusion."""
    parts = experiment.fusions[name].scores if name in experiment.fusions else []
    return [leaf for part in parts for leaf in leaves(part, experiment)] if parts else [name]


def origins(run, experiment=PAPER):
    """Every run or release that a run begins from, and those that these begin from."""
    sources = experiment.run(run).init.values()
    direct = [source.get("run") or source["release"] for source in sources]
    return {*direct, *(far for name in direct if name in experiment.runs for far in origins(name, experiment))}


def with_imagenet(cell):
    """Whether the paper's number is of a net that began from ImageNet; Table 2's did, but for the 3D-ConvNet."""
    words = f"{cell.row} {cell.column}".lower()
    said = any(word in words for word in ("with imagenet", "imagenet then", "imagenet+"))
    return said or (cell.table == "i3d_table2" and "3D-ConvNet" not in cell.row)


def test_rows_begin_from_imagenet_where_the_papers_did():
    for row in entries.load(FILE):
        if row.run and row.cells:
            begun = set().union(*(origins(leaf) for leaf in leaves(row.run.split(".")[1])))
            assert {with_imagenet(cell) for cell in row.cells} == {"inception_v1" in begun}, row.method


def test_transfer_begins_from_the_same_net_on_kinetics_and_fixed_trains_its_last_layer_alone():
    moved = {name: PAPER.run(name) for name in PAPER.runs if "_fixed" in name or "_tuned" in name}
    assert len(moved) == 22
    for name, recipe in moved.items():
        (source,) = recipe.init.values()
        before = name.replace("_fixed", "").replace("_tuned", "")
        assert source.items() >= {"run": f"kinetics_{before}", "dataset": "pretraining"}.items()
        assert (recipe.net, recipe.stack) == (PAPER.run(before).net, PAPER.run(before).stack)
        assert recipe.trainable == ("head" if "_fixed" in name else "all")


def test_the_demo_makes_no_net_twice_and_sees_whole_videos_in_order():
    asked = [row.run.split(".")[1] for row in entries.load(FILE) if entries.applies(row, "demo")]
    made = [leaf for name in asked for leaf in leaves(name, DEMO)]
    assert not any("inception_v1" in origins(run, DEMO) for run in made)
    assert not any(run.removesuffix("_scratch") in made for run in made if run.endswith("_scratch"))
    for run in made:
        recipe = DEMO.run(run)
        if recipe.frames:
            assert (recipe.frames - 1) * recipe.stride >= 32
    begun = train_inputs.initial_weights(CONFIG, "demo", 3, 0, "i3d.i3d_rgb_tuned_scratch")
    path = "results/runs/demo_pretrain/split1/seed0/i3d.kinetics_i3d_rgb_scratch/weights.safetensors"
    assert begun == {"net": path}


CHAIN = {
    "kinetics_i3d_rgb_scratch": None, "i3d_rgb_fixed_scratch": "kinetics_i3d_rgb_scratch",
    "i3d_rgb_tuned_scratch": "kinetics_i3d_rgb_scratch", "i3d_flow_scratch": None, "kinetics_lstm_scratch": None,
    "lstm_tuned_scratch": "kinetics_lstm_scratch", "c3d": None, "two_stream_scratch": None,
    "kinetics_fused_scratch": None, "fused_fixed_scratch": "kinetics_fused_scratch",
}  # fmt: skip
CLASSES = {"kinetics": ("up", "down", "round"), "own": ("left", "right")}
VIEWS = {"i3d_rgb_tuned_scratch": 1, "i3d_flow_scratch": 1, "lstm_tuned_scratch": 1, "c3d": 15,
         "two_stream_scratch": 25, "fused_fixed_scratch": 5}  # fmt: skip
NAMES = [f"v{number}" for number in range(8)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Two data sets of eight videos with flow, and the paper's recipes at a few steps of narrow networks."""
    folder, random = tmp_path_factory.mktemp("i3d"), np.random.default_rng(0)
    for dataset, classes in CLASSES.items():
        (folder / dataset).mkdir()
        for modality, shape in (("rgb", (20, 40, 48, 3)), ("flow", (19, 2, 40, 48))):
            videos = {name: random.integers(0, 255, shape).astype(np.uint8) for name in NAMES}
            tiny_shards(folder / dataset, videos, modality, classes)
        tiny_splits(folder / dataset / "splits.parquet", NAMES, classes, test=NAMES[6:])
    document = yaml.safe_load(FILE.read_text())
    plateau = {"every": 1, "patience": 1, "hold_out": 0.3}
    document["presets"]["tiny"] = {
        "common": {
            "options": {"width": 0.05}, "short_side": 40, "crop": 32, "threads": 1, "batch": 4, "bn_batch": 2,
            "milestones": [], "steps": 2, "plateau": plateau,
        },
        **{run: {"frames": 9, "stride": 1} for run in CHAIN if "two_stream" not in run},
    }  # fmt: skip
    (folder / "i3d.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return folder


def data(tiny, run):
    folder = tiny / ("kinetics" if run.startswith("kinetics") else "own")
    shards = [str(folder / "shards" / name) for name in PAPER.run(run).stack]
    return ["--shards", *shards, "--splits", str(folder / "splits.parquet"), "--device", "cpu"]


def trained(tiny, run, out):
    init = [f"--init=net={tiny / CHAIN[run] / 'weights.safetensors'}"] if CHAIN[run] else []
    named = ["--experiment", str(tiny / "i3d.yaml"), "--run", run, "--preset", "tiny", "--save-seconds", "0"]
    train_command.main([*named, *data(tiny, run), *init, "--out", str(out)])
    return weights.load(out / "weights.safetensors")[0]


def scored(tiny, run):
    made = tiny / run / "test.parquet"
    score_command.main(
        ["run", "--weights", str(tiny / run / "weights.safetensors"), *data(tiny, run), "--out", str(made)]
    )
    return made


def test_the_five_nets_train_on_one_data_set_move_to_another_resume_score_and_fuse(tiny, monkeypatch):
    states = {run: trained(tiny, run, tiny / run) for run in CHAIN}
    for run in ("i3d_rgb_fixed_scratch", "fused_fixed_scratch"):
        before = states[CHAIN[run]]
        kept = {name for name, tensor in states[run].items() if torch.equal(tensor, before[name])}
        assert {name.split(".")[0] for name in states[run].keys() - kept} == {"logits"}
    files = {run: scored(tiny, run) for run in VIEWS}
    assert {run: len(scores.read_views(file).values) // 2 for run, file in files.items()} == VIEWS
    streams = [str(files[run]) for run in ("i3d_rgb_tuned_scratch", "i3d_flow_scratch")]
    fuse_command.main(["--scores", *streams, "--input", "logits", "--out", str(tiny / "i3d.parquet")])
    fused, (rgb, flow) = scores.read(tiny / "i3d.parquet"), (scores.read(Path(file), "logits") for file in streams)
    assert np.allclose(fused.values, (rgb.values + flow.values) / 2, atol=1e-5)
    resumed_like(states["lstm_tuned_scratch"], tiny, monkeypatch)


def resumed_like(state, tiny, monkeypatch):
    """A training that is stopped after its first checkpoint goes on to the very same weights, its schedule included."""
    with interrupted(monkeypatch, steps=1):
        trained(tiny, "lstm_tuned_scratch", tiny / "again")
    assert (tiny / "again" / "resume.pt").exists()
    again = trained(tiny, "lstm_tuned_scratch", tiny / "again")
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())


def test_released_weights_stand_in_for_kinetics_where_the_config_allows_it(tmp_path, monkeypatch):
    monkeypatch.setattr(train_inputs, "WEIGHTS", tmp_path)
    committed = load_yaml(FILE.parents[1] / "config.yaml")
    allowed, run = merge(committed, {"tables": {"released": True}}), "i3d.i3d_rgb_tuned"
    assert (
        "name it as pretraining of ucf101 in config.yaml, or set tables.released: true"
        in train_inputs.blocking_reason(committed, "ucf101", run)
    )
    assert "rgb_imagenet.pt from" in train_inputs.blocking_reason(allowed, "ucf101", run)
    (tmp_path / "i3d.rgb_imagenet.safetensors").touch()
    assert train_inputs.blocking_reason(allowed, "ucf101", run) == ""
    assert train_inputs.initial_weights(allowed, "ucf101", 1, 0, run) == {
        "net": str(tmp_path / "i3d.rgb_imagenet.safetensors")
    }
    assert "released weights i3d.rgb_imagenet" in train_inputs.release_note(allowed, "ucf101", run)
    assert "demo_pretrain/split1" in train_inputs.initial_weights(allowed, "demo", 1, 0, run)["net"]
