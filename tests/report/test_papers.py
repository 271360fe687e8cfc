"""The papers' own figures: saliency maps, t-SNE, first filters, action words, tracks; and when they are planned."""

import argparse
import shlex
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.common.errors import UserError
from pipeline.config import recipes
from pipeline.config import settings as configs
from pipeline.formats import weights
from pipeline.idt.parameters import Parameters
from pipeline.models import from_recipe
from pipeline.models.action_vlad import ActionVLAD
from pipeline.report.papers import embedding, filters, options, saliency, tracks, trained_run, words
from pipeline.report.papers.example_videos import Video, choose_videos
from pipeline.workflow import figure_targets
from pipeline.workflow.checks import check
from tests.helpers.idtscenes import pan
from tests.helpers.tinydata import smooth, tiny_shards, tiny_splits

pytestmark = pytest.mark.usefixtures("one_thread")
ROOT = Path(__file__).parents[2]
NAMES = [f"v{number}" for number in range(6)]


# The numbers in the figures.


class Corner(nn.Module):
    """Its scores are the sum of one corner's pixels in one frame, times the class' number."""

    def forward(self, clip):
        return clip[:, :, 1, :4, :4].sum((1, 2, 3))[:, None] * torch.arange(3.0)


def test_saliency_of_a_net_that_reads_one_corner_of_one_frame_is_only_there():
    (maps,) = saliency.gradients(Corner(), [torch.randn(1, 3, 2, 16, 16)], label=2)
    expected = torch.zeros(2, 16, 16)
    expected[1, :4, :4] = 2
    assert torch.equal(maps, expected)
    assert saliency.times_with_gradient(maps.numpy()) == [1]


def test_smoothed_saliency_is_scaled_to_1_and_stays_in_place():
    maps = np.zeros((1, 64, 64), np.float32)
    maps[0, :8, :8] = 5
    made = saliency.smooth(maps)
    assert made.max() == 1
    assert made[0, 2, 2] > 0.9
    assert made[0, 40, 40] == 0


def pooling(alpha=1000.0):
    torch.manual_seed(0)
    made = ActionVLAD(6, 4, alpha)
    made.set_centres(nn.functional.normalize(torch.randn(4, 6)), alpha)
    return made.requires_grad_(False)


def test_a_position_whose_features_are_a_centre_is_assigned_to_its_word():
    layer = pooling()
    layout = torch.tensor([[[0, 3], [2, 1]], [[1, 1], [0, 2]]])  # (T, h, w)
    found = words.assignment(layer, 7 * layer.centres[layout].movedim(3, 1))
    assert torch.equal(found.argmax(1), layout)
    assert found.max(1).values.min() > 0.99


def test_contributions_sum_to_the_class_score_less_the_mean_score():
    layer, classifier, x = pooling(10.0), nn.Linear(24, 5).requires_grad_(False), torch.randn(3, 6, 2, 2)
    values = words.contributions(layer, classifier, x, words.assignment(layer, x), label=3)
    scores, bias = classifier(layer(x[None]))[0], classifier.bias
    assert values.sum().item() == pytest.approx((scores - bias)[3].item() - (scores - bias).mean().item(), abs=1e-5)


def test_shown_words_occur_and_all_but_the_first_raise_the_score():
    shown = words.VideoWords("", np.empty(0), np.array([[[0, 1], [2, 4]]]), np.array([0.1, -0.2, 0.3, 0.9, 0.2]))
    assert words.top_words(shown) == [2, 4, 0]
    assert words.top_words(shown._replace(contributions=-shown.contributions)) == [1]


def test_a_region_of_one_position_has_four_borders_and_two_neighbours_have_six():
    assert len(words.borders(np.array([[False, True, False]]), 1, 1)) == 4
    assert len(words.borders(np.array([[False, True, True]]), 1, 1)) == 6


def test_frames_have_the_most_positions_of_the_shown_words():
    seen = np.zeros((6, 2, 2), int)
    seen[1], seen[4, 0, 0], seen[5, 0] = 3, 3, 3
    assert words.choose_frames(seen, [3], 2) == [1, 5]


def test_filter_tiles_are_the_weights_up_to_scaling():
    given = np.random.default_rng(0).standard_normal((5, 3, 7, 4, 4)).astype(np.float32)
    picture = filters.mosaic(filters.scale(given), time=6)
    tile = picture[5:9, 5:9] - 0.5  # the fifth of three a row: second row, second column
    assert np.allclose(tile * 2 * np.abs(given[4]).max(), given[4, :, 6].transpose(1, 2, 0), atol=1e-6)


def test_an_inflated_filter_has_no_temporal_energy_and_a_flickering_one_nothing_else():
    still = np.repeat(np.random.default_rng(0).standard_normal((2, 3, 1, 4, 4)), 6, axis=2)
    flicker = still * np.array([1, -1, 1, -1, 1, -1])[:, None, None]
    assert filters.temporal_energy(still) == pytest.approx([0, 0])
    assert filters.temporal_energy(flicker) == pytest.approx([1, 1])
    assert filters.similarity(still, 2 * still) == pytest.approx([1, 1])


def test_filters_of_flow_have_a_row_for_x_and_one_for_y():
    given = np.ones((4, 2, 7, 3, 3), np.float32)
    names = [row.name for row in filters.filter_rows(given, given)]
    assert [name.split("\n")[1] for name in names] == ["flow's x", "flow's y"] * 3
    assert [name.split()[0] for name in names] == ["before", "before", "after", "after", "added", "added"]
    assert len(list(filters.filter_rows(None, given))) == 2


def test_an_embedding_is_the_same_twice_and_keeps_far_groups_apart():
    rng = np.random.default_rng(0)
    values = np.repeat(np.eye(2, 8), 15, axis=0) + 0.05 * rng.standard_normal((30, 8))
    first, again = embedding.embed(values, 1), embedding.embed(values, 1)
    assert np.array_equal(first, again)
    assert embedding.neighbour_accuracy(first - first.mean(0), np.repeat([0, 1], 15)) == 1


def test_neighbour_accuracy_counts_each_videos_nearest_neighbour():
    values = np.array([[1, 0], [1, 0.1], [0, 1], [0.9, 0.2]])
    assert embedding.neighbour_accuracy(values, np.array([0, 0, 0, 1])) == 0.5  # of the first and the second
    assert embedding.chance_accuracy(np.array([0, 0, 0, 1])) == 0.5  # 2 of 3 for three videos, none for the fourth


def test_the_embedding_shows_the_papers_classes_where_the_data_set_has_them():
    assert embedding.wanted_classes([*embedding.FACE_ACTIONS, "run"], []) == list(embedding.FACE_ACTIONS)
    assert embedding.wanted_classes(["smile", "run"], []) == []
    assert embedding.wanted_classes(list(embedding.FACE_ACTIONS), ["eat"]) == ["eat"]


def test_tracks_of_a_camera_that_pans_are_all_drawn_and_none_is_kept(tmp_path):
    frames = np.repeat(np.array(pan(24, (2, 0)))[..., None], 3, axis=3)
    found = tracks.track(tiny_shards(tmp_path, {"a": frames}, "rgb"), "a", 23, Parameters(scales=1))
    assert len(found.all) > 50
    assert len(found.kept) == 0
    assert found.frame.shape == (96, 128)


def test_shown_frames_leave_room_for_whole_tracks_and_a_short_video_has_its_last_frame():
    assert tracks.choose_frames(81, 2) == [40, 60]
    assert tracks.choose_frames(12, 2) == [11]


def test_flow_pictures_are_white_where_nothing_moves():
    levels = torch.full((20, 3, 8, 8), 128, dtype=torch.uint8)
    levels[:, 1, :4] = 200
    picture = trained_run.input_pictures("flow", levels, bound=20)
    assert picture.shape == (3, 8, 8, 3)
    assert picture[[0, 2]].min() > 240
    assert picture[1, :4].min() < 150
    assert picture[1, 4:].min() > 240


# The choice of videos.

VIDEOS = [Video(f"{label}.{number}", label) for label in range(4) for number in range(5)]


def test_videos_are_drawn_by_the_seed_one_of_each_class():
    drawn = [choose_videos(VIDEOS, "abcd", 3, 1, seed) for seed in (0, 0, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len({tuple(one) for one in drawn}) > 1
    assert all(len({video.label for video in one}) == len(one) == 3 for one in drawn)


def test_requested_classes_are_shown_in_order_and_unknown_ones_refused():
    chosen = choose_videos(VIDEOS, "abcde", 6, 2, 0, ["d", "a"])
    assert [video.label for video in chosen] == [3, 3, 0, 0]
    with pytest.raises(UserError, match="no class z: choose among a, b"):
        choose_videos(VIDEOS, "abcde", 6, 1, 0, ["z"])
    with pytest.raises(UserError, match="no test video of the class e"):
        choose_videos(VIDEOS, "abcde", 6, 1, 0, ["e"])


def test_a_class_without_test_videos_is_logged_and_the_others_are_shown(capsys):
    assert [video.label for video in choose_videos(VIDEOS, "abcde", 6, 1, 0, ["e", "b"])] == [1]
    assert "no test video of e is in the shards" in capsys.readouterr().err


# The commands, on untrained networks.


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Shards of RGB, splits, and weights of the demo's networks as they are before training."""
    folder = tmp_path_factory.mktemp("figures")
    base = smooth(60, 60, 80)
    reader = tiny_shards(folder, {name: np.roll(base, 9 * n, 2) for n, name in enumerate(NAMES)}, "rgb")
    tiny_splits(folder / "splits.parquet", NAMES, test=NAMES)
    for name in ("fstcn.fstcn", "action_vlad.rgb", "i3d.i3d_rgb_scratch"):
        experiment, run = name.split(".")
        recipe = recipes.load(ROOT / "experiments" / f"{experiment}.yaml", "demo").run(run)
        torch.manual_seed(0)
        state = from_recipe.build(recipe, 2).state_dict()
        facts = {
            "run": name, "recipe": asdict(recipe), "classes": reader.classes, "tested_classes": reader.classes,
            "second_classes": None, "settings": {"rgb": reader.settings}, "split": 1, "seed": 0,
            "torch": torch.__version__,
        }  # fmt: skip
        weights.save(folder / f"{name}.safetensors", state, facts)
    return folder


def arguments(made, run, out):
    data = ["--shards", str(made / "shards" / "rgb"), "--splits", str(made / "splits.parquet")]
    return ["--weights", str(made / f"{run}.safetensors"), *data, "--out", str(out)]


@pytest.mark.parametrize(
    ("module", "run", "name"),
    [(saliency, "fstcn.fstcn", "a.png"), (embedding, "fstcn.fstcn", "a.svg"), (words, "action_vlad.rgb", "a.png")],
)
def test_the_same_run_gives_the_same_file_twice(made, tmp_path, module, run, name):
    for folder in ("one", "two"):
        module.main(arguments(made, run, tmp_path / folder / name))
    first, again = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
    assert first == again
    assert len(first) > 5000


def test_initial_filters_are_drawn_again_as_the_training_drew_them(made, tmp_path):
    path = made / "i3d.i3d_rgb_scratch.safetensors"
    filters.main(["--weights", str(path), "--out", str(tmp_path / "a.png")])
    assert (tmp_path / "a.png").stat().st_size > 5000
    tensors, facts = weights.load(path)
    assert np.array_equal(filters.initial_filters(facts, {}), tensors[filters.STEM].numpy())
    assert filters.initial_filters({**facts, "torch": "another"}, {}) is None


def test_a_figure_of_another_network_is_refused_in_a_sentence(made, tmp_path):
    with pytest.raises(UserError, match=r"is a network action_vlad but saliency maps are of fstcn"):
        saliency.main(arguments(made, "action_vlad.rgb", tmp_path / "a.png"))
    with pytest.raises(UserError, match="--count"):
        embedding.main([*arguments(made, "fstcn.fstcn", tmp_path / "a.svg"), "--each", "1"])
    assert not list(tmp_path.iterdir())


def test_invalid_numbers_and_shards_are_refused_in_a_sentence(made, tmp_path):
    given = arguments(made, "fstcn.fstcn", tmp_path / "a.png")
    for wrong in (["--count", "21"], ["--count", "0"], ["--seed", "-1"], ["--threads", "two"]):
        with pytest.raises(
            UserError, match=f"^{wrong[1]} is given where a whole number of . (or more|to 20) is needed"
        ):
            saliency.main([*given, f"{wrong[0]}={wrong[1]}"])
    with pytest.raises(UserError, match="a.gif but figures are .png or .svg"):
        saliency.main(arguments(made, "fstcn.fstcn", tmp_path / "a.gif"))
    flow = tiny_shards(tmp_path, {"v0": np.full((9, 2, 16, 16), 128, np.uint8)}, "flow")
    with pytest.raises(UserError, match="tracks are followed in frames but --shards has .* of flow"):
        tracks.open_rgb([flow.folder])


def test_both_paths_features_stand_side_by_side(made):
    run = trained_run.load_run(made / "fstcn.fstcn.safetensors", [made / "shards" / "rgb"], "cpu")
    found = embedding.video_features(run, [Video("v0", 0)])
    assert list(found) == ["SCL path", "TCL path", "both paths"]
    assert np.array_equal(found["both paths"], np.concatenate([found["SCL path"], found["TCL path"]], 1))


# The figures that the workflow plans.


def planned(*rows, dataset="demo"):
    settings = configs.load_yaml(ROOT / "config.yaml")
    settings["datasets"][dataset]["tables"] = {"rows": list(rows) or "all"}
    check(settings)
    return [
        Path(path).relative_to(f"results/figures/{dataset}/papers").as_posix()
        for path in figure_targets.paper_figures(settings, dataset)
    ]


def test_figures_are_planned_only_where_a_chosen_row_has_the_network():
    assert planned("two_stream.*") == []
    assert planned("fstcn.fstcn_sci") == ["fstcn.fstcn/saliency.png", "fstcn.fstcn/embedding.svg"]
    assert planned("fstcn.tcl") == []
    assert planned("i3d.i3d_scratch") == [f"i3d.i3d_{s}_scratch/filters.png" for s in ("rgb", "flow")]
    assert planned("idt.idt") == ["tracks.png"]


def test_words_are_planned_for_single_streams_with_a_learnt_vocabulary():
    assert planned("action_vlad.late") == ["action_vlad.rgb/words.png", "action_vlad.flow/words.png"]
    assert planned("action_vlad.rgb_average", "action_vlad.rgb_fc7", "action_vlad.rgb_stage1", dataset="hmdb51") == []
    assert planned("action_vlad.rgb_conv4_3", dataset="hmdb51") == ["action_vlad.rgb_conv4_3/words.png"]


def test_each_group_of_the_demo_is_shown():
    settings = configs.load_yaml(ROOT / "config.yaml")
    check(settings)
    shown = figure_targets.video_options(settings, "demo").partition("--classes ")[2].split()
    groups = settings["datasets"]["demo"]["groups"].values()
    assert [sum(name in group for name in shown) for group in groups] == [2, 2, 2]


def test_the_commands_take_the_options_that_are_planned_for_them():
    settings = configs.load_yaml(ROOT / "config.yaml")
    check(settings)
    data = ["--shards", "s", "--splits", "p", "--out", "a.png"]
    parser = argparse.ArgumentParser()
    tracks.add_options(parser)
    read = parser.parse_args([*data, *shlex.split(figure_targets.track_options(settings, "demo"))])
    assert (read.patch, read.still, read.split, len(read.classes)) == (16, 0.5, 1, 6)
    parser = argparse.ArgumentParser()
    options.add_network_options(parser, 6, "PNG")
    for text in (figure_targets.video_options(settings, "ucf101"), figure_targets.seed_option(settings)):
        read = parser.parse_args(["--weights", "w", *data, *shlex.split(text)])
        assert (read.seed, read.classes) == (settings["seed"], [])


def test_every_figure_has_a_caption_and_a_rule():
    rules = (ROOT / "rules" / "report.smk").read_text("utf-8")
    for name in (*figure_targets.PAPER_FIGURES, "tracks"):
        assert (ROOT / "rules" / "report" / f"{name}.rst").read_text("utf-8").strip()
        assert f"rule figure_{name}:" in rules
        assert f'"{name}.rst"' in rules
    assert "no accuracies" in (ROOT / "rules" / "report" / "embedding.rst").read_text("utf-8")
