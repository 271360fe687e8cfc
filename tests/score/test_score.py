"""Scoring: the scores of a view are the network's logits for that crop of those frames."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.common.errors import UserError
from pipeline.formats import manifest, scores, weights
from pipeline.inputs import clip_sampling, clip_volumes, protocols
from pipeline.inputs.normalise import Normaliser
from pipeline.inputs.readers import open_shards
from pipeline.inputs.views import read_views
from pipeline.models import from_recipe
from pipeline.score import __main__ as score_command
from pipeline.score import score_videos
from tests.helpers.tinydata import RECIPE, smooth, tiny_shards, tiny_splits

CPU = torch.device("cpu")
FLOW = replace(RECIPE, stack={"flow": 3}, mean_subtraction=True)
BOTH = replace(
    RECIPE, net="st_resnet", stack={"rgb": 1, "flow": 2}, frames=3, stride=2, crop=64,
    options={"width": 0.03, "depth": [2, 2, 2, 2]},
)  # fmt: skip
MEAN, DEVIATION = (np.array(values).reshape(3, 1, 1) for values in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two videos of 9 and 5 frames of 64x80 pixels, and their flow."""
    folder, random = tmp_path_factory.mktemp("scored"), np.random.default_rng(0)
    counts = {"a": 9, "b": 5, "c": 7}
    flow = {name: random.integers(100, 156, (count - 1, 2, 64, 80)).astype(np.uint8) for name, count in counts.items()}
    tiny_shards(folder, flow, "flow")
    tiny_shards(folder, {name: smooth(count, 64, 80) for name, count in counts.items()}, "rgb")
    tiny_splits(folder / "splits.parquet", list(counts), test=("a", "b"))
    return folder


def folders(data, recipe):
    return [data / "shards" / modality for modality in clip_sampling.modalities(recipe)]


def save(data, path, recipe, classes=("left", "right"), **changes):
    """Write the weights of an untrained network of a recipe, as training does; `changes` are to its metadata."""
    readers = open_shards(folders(data, recipe), recipe)
    metadata = {
        "run": "e.r", "preset": "demo", "split": 1, "seed": 0, "classes": list(classes), "fingerprint": "f",
        "tested_classes": ["left", "right"], "second_classes": None, "note": "", "recipe_hash": "h",
        "recipe": asdict(recipe),
        "settings": {name: reader.settings for name, reader in readers.items()}, **changes,
    }  # fmt: skip
    torch.manual_seed(0)
    net = from_recipe.build(recipe, len(classes)).eval()
    for head in (layer for layer in net.modules() if isinstance(layer, nn.Linear) and layer.out_features < 8):
        nn.init.normal_(head.weight)  # otherwise all views have nearly the same scores
    weights.save(path, net.state_dict(), metadata)
    return net


def scored(data, tmp_path, recipe, protocol, *options, **changes):
    """The network, the score file's table and its metadata."""
    net = save(data, tmp_path / "w.safetensors", recipe, **changes)
    shards = [str(folder) for folder in folders(data, recipe)]
    out = ["--out", str(tmp_path / "s.parquet"), "--protocol", protocol, *options]
    splits = ["--splits", str(data / "splits.parquet"), "--weights", str(tmp_path / "w.safetensors")]
    score_command.main(["run", "--shards", *shards, *splits, *out])
    return net, *manifest.read_parquet(tmp_path / "s.parquet", scores.SCHEMA.names)


def views_in(table, video):
    rows = table[table["video_id"] == video]
    return np.stack(rows["scores"]), rows


def outputs(net, *batch):
    with torch.inference_mode():
        return net(*(torch.from_numpy(np.ascontiguousarray(x, np.float32)) for x in batch))


def test_scores_of_rgb_crops_match_a_computation_by_hand(data, tmp_path):
    net, table, _ = scored(data, tmp_path, RECIPE, "3 frames x 10 crops")
    found, rows = views_in(table, "a")
    frames = open_shards(folders(data, RECIPE), RECIPE)["rgb"].rgb("a", [0, 4, 8])
    by_hand = []
    for frame in (frames.transpose(0, 3, 1, 2) / 255 - MEAN) / DEVIATION:
        for top, left in ((0, 0), (0, 24), (8, 0), (8, 24), (4, 12)):
            crop = frame[:, top : top + 56, left : left + 56]
            by_hand += [crop, crop[..., ::-1]]
    assert found == pytest.approx(outputs(net, np.stack(by_hand)).numpy(), abs=1e-5)
    assert rows["start"].tolist() == [0] * 10 + [4] * 10 + [8] * 10
    assert rows["flip"].tolist() == [False, True] * 15


def test_scores_of_flow_match_a_computation_by_hand(data, tmp_path):
    net, table, _ = scored(data, tmp_path, FLOW, "2 frames x centre + flip")
    found, _ = views_in(table, "b")
    fields = open_shards(folders(data, FLOW), FLOW)["flow"].flow("b", range(4)) / 255 * 40 - 20
    stacks = [(x - x.mean((2, 3), keepdims=True))[:, :, 4:60, 12:68] for x in (fields[:3], fields[1:])]
    turned = [x[..., ::-1] * np.array([-1, 1]).reshape(1, 2, 1, 1) for x in stacks]
    views = np.stack([stacks[0], turned[0], stacks[1], turned[1]]).reshape(4, 6, 56, 56)
    assert found == pytest.approx(outputs(net, views).numpy(), abs=1e-4)


def test_logits_of_several_streams_are_averaged(data, tmp_path):
    net, table, _ = scored(data, tmp_path, BOTH, "1 clip x centre")
    readers = open_shards(folders(data, BOTH), BOTH)
    (times,) = clip_sampling.uniform_clips(BOTH, 9, 1)
    box = clip_volumes.Box(0, 8, 64, 64, (64, 64), False)
    sample = clip_volumes.crop_volumes(clip_volumes.read_volumes(readers, BOTH, "a", times), box, True)
    appearance, motion = outputs(
        net, *(x.numpy() for x in Normaliser(BOTH, readers, CPU)(clip_volumes.collate([sample])))
    )
    assert views_in(table, "a")[0] == pytest.approx(((appearance + motion) / 2).numpy(), abs=1e-5)
    assert not torch.allclose(appearance, motion)


def test_a_whole_video_is_one_view_of_all_frames_without_a_crop(data, tmp_path, monkeypatch):
    shapes_per_call, original = [], score_videos.clip_volumes.collate
    monkeypatch.setattr(
        score_videos.clip_volumes,
        "collate",
        lambda samples: shapes_per_call.append([x.shape for x, _ in samples[0]]) or original(samples),
    )
    _, table, _ = scored(data, tmp_path, replace(BOTH, stride=1), "whole video x whole picture + flip")
    assert table["video_id"].value_counts().to_dict() == {"a": 2, "b": 2}
    assert [shapes[0] for shapes in shapes_per_call] == [(3, 7, 64, 80), (3, 3, 64, 80)]  # two fields take three frames
    assert [shapes[1] for shapes in shapes_per_call] == [(4, 7, 64, 80), (4, 3, 64, 80)]


def test_frames_at_once_are_a_single_view(data, tmp_path):
    _, table, _ = scored(data, tmp_path, BOTH, "5 frames at once x centre")
    assert table["video_id"].tolist() == ["a", "b"]
    one = views_in(table, "a")[0]
    _, table, _ = scored(data, tmp_path, BOTH, "3 frames at once x centre")
    assert np.abs(one - views_in(table, "a")[0]).max() > 1e-6


def test_classes_of_a_partner_are_not_scored(data, tmp_path):
    net, table, metadata = scored(data, tmp_path, RECIPE, "1 frame x centre", classes=("left", "right", "up"))
    assert metadata["classes"] == ["left", "right"]
    assert len(net.classifier[2].bias) == 3
    assert views_in(table, "a")[0].shape == (1, 2)


def test_batches_are_limited_in_size_and_their_size_changes_no_score(data, tmp_path, monkeypatch):
    _, whole, _ = scored(data, tmp_path, RECIPE, "5 frames x 10 crops")
    monkeypatch.setattr(score_videos, "BATCH_ELEMENTS", 3 * 56 * 56 * 7)
    sizes, original = [], score_videos.clip_volumes.collate
    monkeypatch.setattr(
        score_videos.clip_volumes, "collate", lambda samples: sizes.append(len(samples)) or original(samples)
    )
    _, parts, _ = scored(data, tmp_path, RECIPE, "5 frames x 10 crops")
    assert sizes == [*[7] * 7, 1] * 2
    assert np.stack(parts["scores"]) == pytest.approx(np.stack(whole["scores"]), abs=1e-5)


def test_a_view_larger_than_the_limit_is_a_batch_of_its_own():
    sample = ((torch.zeros(3, 2**9, 2**8, 2**8), torch.zeros(3, 2**9)),)
    assert [len(batch) for batch in score_videos.batches([sample, sample])] == [1, 1]


class LimitedMemory(nn.Module):
    """A network that runs out of memory with more than `max_views` views."""

    def __init__(self, net, max_views):
        super().__init__()
        self.net, self.max_views = net, max_views

    def forward(self, x):
        if len(x) > self.max_views:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return self.net(x)


def test_too_little_memory_halves_the_batch_and_changes_no_score(data, capfd):
    readers = open_shards(folders(data, RECIPE), RECIPE)
    views = list(protocols.test_views(protocols.parse("1 frame x 10 crops"), RECIPE, 9))
    samples = read_views(readers, RECIPE, "a", views)
    net, normalise = from_recipe.build(RECIPE, 2).eval(), Normaliser(RECIPE, readers, CPU)
    whole, parts = (score_videos.logits(one, normalise, samples, 2) for one in (net, LimitedMemory(net, 3)))
    assert parts == pytest.approx(whole, abs=1e-6)
    assert "out of GPU memory with 10 views at a time: 5 now" in capfd.readouterr().err


def test_a_single_view_that_does_not_fit_is_a_user_error(data):
    readers = open_shards(folders(data, RECIPE), RECIPE)
    samples = [((torch.zeros(3, 56, 56, dtype=torch.uint8), torch.zeros(3)),)] * 2
    with pytest.raises(UserError, match="one view of 3x56x56 does not fit into the memory of cpu"):
        score_videos.logits(LimitedMemory(nn.Identity(), 0), Normaliser(RECIPE, readers, CPU), samples, 2)


def test_shards_of_another_bound_than_the_weights_are_refused_with_both(data, tmp_path):
    settings = {**open_shards(folders(data, FLOW), FLOW)["flow"].settings, "bound": 32}
    with pytest.raises(UserError, match="flow was made with bound 20 but 32 is expected"):
        scored(data, tmp_path, FLOW, "1 frame x centre", settings={"flow": settings})


def test_shards_of_another_bound_than_the_recipes_are_refused_with_both(data, tmp_path):
    with pytest.raises(UserError, match="flow of bound 20 but the recipe's is 15"):
        open_shards(folders(data, FLOW), replace(FLOW, flow_bound=15))
    open_shards(folders(data, FLOW), replace(FLOW, flow_bound=20))


def test_missing_shards_are_a_user_error(data):
    with pytest.raises(UserError, match="the recipe reads rgb, flow but --shards are of rgb: add those of flow"):
        open_shards([data / "shards" / "rgb"], BOTH)


def test_a_split_without_videos_in_the_shards_is_a_user_error(data, tmp_path):
    save(data, tmp_path / "w", RECIPE)
    tiny_splits(tmp_path / "other.parquet", ["x", "y"], test=("x",))
    where = ["--shards", str(data / "shards" / "rgb"), "--splits", str(tmp_path / "other.parquet")]
    with pytest.raises(UserError, match="none of the 1 test videos of split 1 is in .*rgb: run shard again"):
        score_command.main(["run", "--weights", str(tmp_path / "w"), *where, "--out", str(tmp_path / "s.parquet")])


@pytest.mark.parametrize("command", ["run", "import", "select-views"])
def test_every_command_of_score_has_a_help(command, capsys):
    with pytest.raises(SystemExit) as end:
        score_command.main([command, "--help"])
    assert end.value.code == 0
    assert "--out OUT" in capsys.readouterr().out


def test_the_old_name_of_part_is_refused_with_the_new_one():
    with pytest.raises(UserError, match="--subset is called --part now"):
        score_command.main(["run", "--subset", "train"])
