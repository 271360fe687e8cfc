"""Scores: every view kept, averaged by the recipe's rule, n of N."""

import numpy as np
import pytest
import torch

from pipeline import clips, score, scores, train, weights
from pipeline.errors import UserError
from pipeline.scores import top1
from tests.tinydata import RECIPE, tiny_shards, tiny_splits


def write(path, views, **facts):
    """A score file of `views`: (video, label, scores) each."""
    columns = {name: [0] * len(views) for name in scores.SCHEMA.names}
    columns |= {"video_id": [v[0] for v in views], "label": [v[1] for v in views], "scores": [v[2] for v in views]}
    about = {"kind": "logits", "average": "probabilities", "classes": ["a", "b"], "videos": 2, "run": "e.r"}
    scores.write(path, {**columns, "flip": [False] * len(views)}, {**about, **facts})
    return path


VIEWS = [("v", 0, [9.0, 0.0]), ("v", 0, [0.0, 1.0]), ("v", 0, [0.0, 1.0]), ("u", 1, [0.0, 2.0])]


def test_views_are_averaged_after_the_softmax_where_the_recipe_says_probabilities(tmp_path):
    found = scores.read(write(tmp_path / "s.parquet", VIEWS))
    expected = np.mean([[0.99988, 0.00012], [0.26894, 0.73106], [0.26894, 0.73106]], axis=0)
    assert found.values[0] == pytest.approx(expected, abs=1e-4)


def test_views_are_averaged_before_it_where_logits_are_asked_for(tmp_path):
    assert scores.read(write(tmp_path / "s.parquet", VIEWS), "logits").values[0] == pytest.approx([3, 2 / 3])


def test_videos_keep_the_files_order(tmp_path):
    assert scores.read(write(tmp_path / "s.parquet", VIEWS)).videos == ["v", "u"]


def test_top1_counts_videos_and_can_look_at_some_classes(tmp_path):
    found = scores.read(write(tmp_path / "s.parquet", [("v", 0, [0.0, 1.0]), ("u", 1, [0.0, 2.0])]))
    assert (top1(found), top1(found, [0]), top1(found, [1])) == (0.5, 0.0, 1.0)


def test_probabilities_do_not_turn_back_into_logits(tmp_path):
    path = write(tmp_path / "s.parquet", VIEWS, kind="probabilities")
    with pytest.raises(UserError, match="holds probabilities, from which logits cannot be had"):
        scores.read(path, "logits")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(folder, network, reader): an untrained tiny net over six videos, one of them in quarantine."""
    folder = tmp_path_factory.mktemp("scored")
    random = np.random.default_rng(0)
    videos = {f"v{n}": random.integers(0, 255, (n + 1, 64, 70, 3), np.uint8) for n in range(5)}
    reader = tiny_shards(folder, videos, "rgb", bad=("v5",))
    tiny_splits(folder / "splits.parquet", [*videos, "v5"], test=("v3", "v4", "v5"))
    facts = {
        "run": "e.r", "preset": "demo", "split": 1, "seed": 0, "classes": reader.classes, "fingerprint": "f",
        "recipe_hash": "h", "recipe": RECIPE, "settings": reader.settings,
    }  # fmt: skip
    weights.save(folder / "w.safetensors", train.build(RECIPE, 2).state_dict(), facts)
    return folder


def scored(folder, out, *more):
    options = ["--weights", "w.safetensors", "--shards", "shards/rgb", "--splits", "splits.parquet"]
    paths = [str(folder / word) if "." in word or "/" in word else word for word in options]
    score.main([*paths, "--out", str(out), *more])
    return scores.read_parquet(out, scores.SCHEMA.names)


def test_every_view_of_the_protocol_is_kept_and_missing_videos_are_counted(trained, tmp_path):
    table, facts = scored(trained, tmp_path / "s.parquet", "--protocol", "25 frames x 10 crops")
    assert table["video_id"].value_counts().to_dict() == {"v3": 250, "v4": 250}
    assert facts["videos"] == 3
    assert (facts["kind"], facts["protocol"], facts["subset"]) == ("logits", "25 frames x 10 crops", "test")


def test_training_videos_are_scored_by_their_own_protocol(trained, tmp_path):
    table, facts = scored(trained, tmp_path / "s.parquet", "--subset", "train")
    assert table["video_id"].tolist() == ["v0", "v1", "v2"]
    assert facts["protocol"] == "1 frame x centre"


def test_a_flipped_view_is_the_networks_answer_to_the_mirrored_picture(trained, tmp_path):
    table, _ = scored(trained, tmp_path / "s.parquet", "--protocol", "25 frames x 10 crops")
    view = table[(table["video_id"] == "v4") & (table["clip"] == 0) & (table["crop"] == 4) & table["flip"]]
    reader, device = train.ShardReader(trained / "shards" / "rgb"), train.pick_device("cpu")
    net, _ = score.load_net(trained / "w.safetensors", reader, device)
    centre = clips.crop(clips.read(reader, "v4", [0]), 4, 7, 56)
    expected = score.logits(net, torch.from_numpy(clips.stack(centre)[None, :, :, ::-1].copy()), device)
    assert np.allclose(view["scores"].iloc[0], expected[0], atol=1e-5)


def test_threads_do_not_change_scores(trained, tmp_path):
    one, _ = scored(trained, tmp_path / "1.parquet", "--threads", "1")
    two, _ = scored(trained, tmp_path / "2.parquet", "--threads", "2")
    assert np.allclose(np.stack(one["scores"]), np.stack(two["scores"]), atol=1e-6)


def test_shards_made_otherwise_than_those_trained_on_are_refused(trained, tmp_path):
    tensors, facts = weights.load(trained / "w.safetensors")
    weights.save(tmp_path / "w.safetensors", tensors, {**facts, "settings": {**facts["settings"], "bound": 32}})
    reader = train.ShardReader(trained / "shards" / "rgb")
    with pytest.raises(UserError, match="made with bound 20 but 32"):
        score.load_net(tmp_path / "w.safetensors", reader, train.pick_device("cpu"))


def test_weights_of_other_classes_are_refused_with_the_first_that_differs(trained, tmp_path):
    tensors, facts = weights.load(trained / "w.safetensors")
    weights.save(tmp_path / "w.safetensors", tensors, {**facts, "classes": ["left", "up"]})
    with pytest.raises(UserError, match="up against right"):
        score.load_net(
            tmp_path / "w.safetensors", train.ShardReader(trained / "shards" / "rgb"), train.pick_device("cpu")
        )
