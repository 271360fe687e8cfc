"""Score files: every view is kept and averaged as the recipe says; n of N videos."""

from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from pipeline.common.errors import UserError
from pipeline.formats import manifest, scores, weights
from pipeline.formats.shards import ShardReader
from pipeline.models import from_recipe
from pipeline.models.device import pick_device
from pipeline.models.trained import load_net
from pipeline.score import __main__ as score_command
from tests.helpers.tinydata import RECIPE, tiny_shards, tiny_splits


def write(path, views, **metadata):
    """A score file of `views`: (video, label, scores) each."""
    columns = {name: [0] * len(views) for name in scores.SCHEMA.names}
    columns |= {"video_id": [v[0] for v in views], "label": [v[1] for v in views], "scores": [v[2] for v in views]}
    columns |= {"place": ["centre"] * len(views)}
    defaults = {"kind": "logits", "average": "probabilities", "classes": ["a", "b"], "videos": 2, "run": "e.r"}
    scores.write(path, {**columns, "flip": [False] * len(views)}, {**defaults, **metadata})
    return path


VIEWS = [("v", 0, [9.0, 0.0]), ("v", 0, [0.0, 1.0]), ("v", 0, [0.0, 1.0]), ("u", 1, [0.0, 2.0])]


def test_views_are_averaged_after_the_softmax_for_probabilities(tmp_path):
    averaged = scores.read(write(tmp_path / "s.parquet", VIEWS))
    expected = np.mean([[0.99988, 0.00012], [0.26894, 0.73106], [0.26894, 0.73106]], axis=0)
    assert averaged.values[0] == pytest.approx(expected, abs=1e-4)


def test_views_are_averaged_without_softmax_for_logits(tmp_path):
    assert scores.read(write(tmp_path / "s.parquet", VIEWS), "logits").values[0] == pytest.approx([3, 2 / 3])


def test_videos_keep_the_order_of_the_file(tmp_path):
    assert scores.read(write(tmp_path / "s.parquet", VIEWS)).videos == ["v", "u"]


def test_probabilities_cannot_be_converted_to_logits(tmp_path):
    path = write(tmp_path / "s.parquet", VIEWS, kind="probabilities")
    with pytest.raises(UserError, match="holds probabilities, which cannot be converted to logits"):
        scores.read(path, "logits")


def test_views_of_a_video_need_not_be_consecutive(tmp_path):
    apart = scores.read(write(tmp_path / "a.parquet", [VIEWS[0], VIEWS[3], *VIEWS[1:3]]))
    assert apart.videos == ["v", "u"]
    assert apart.values == pytest.approx(scores.read(write(tmp_path / "s.parquet", VIEWS)).values)


def test_reading_in_small_blocks_changes_nothing(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    views = [(f"v{n // 7}", 0, random.normal(size=2)) for n in range(49)]
    whole = scores.read(write(tmp_path / "s.parquet", views))
    monkeypatch.setattr(scores, "BLOCK", 6)
    blocks = scores.read(write(tmp_path / "t.parquet", views))
    assert pq.ParquetFile(tmp_path / "t.parquet").num_row_groups == 17
    assert np.allclose(blocks.values, whole.values, atol=1e-12)
    assert scores.read_views(tmp_path / "t.parquet").values == pytest.approx(np.stack([v[2] for v in views]), abs=1e-6)


def test_files_with_variable_length_lists_are_read(tmp_path):
    """Files of older versions have variable-length lists and no column `place`."""
    path = write(tmp_path / "s.parquet", VIEWS)
    table = pq.read_table(path)
    lists = pa.array(table["scores"].to_pylist(), pa.list_(pa.float32()))
    old = table.drop_columns(["scores", "place"]).append_column("scores", lists)
    pq.write_table(old.replace_schema_metadata(table.schema.metadata), tmp_path / "old.parquet")
    assert np.array_equal(scores.read(tmp_path / "old.parquet").values, scores.read(path).values)
    with pytest.raises(UserError, match="lacks the column place"):
        scores.read_views(tmp_path / "old.parquet")


def test_a_file_without_videos_is_whole(tmp_path):
    empty = scores.read(write(tmp_path / "s.parquet", []))
    assert (empty.videos, empty.values.shape) == ([], (0, 2))


def test_nan_scores_are_refused_with_the_first_video(tmp_path):
    path = write(tmp_path / "s.parquet", [VIEWS[0], ("u", 1, [float("nan"), 0.0])])
    with pytest.raises(UserError, match=r"NaN scores for 1 of 2 videos \(first: u"):
        scores.read(path)


def test_other_files_are_refused_as_score_files(tmp_path):
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    manifest.write_parquet(tmp_path / "other.parquet", pa.table({"video_id": ["v"]}), {})
    strange = write(tmp_path / "s.parquet", VIEWS)
    table = pq.read_table(strange)
    pq.write_table(table.replace_schema_metadata(None), strange)
    for name, words in (("torn", "cannot be read as Parquet"), ("other", "lacks the column label"), ("s", "its kind")):
        with pytest.raises(UserError, match=words):
            scores.read(tmp_path / f"{name}.parquet")


def test_a_changed_byte_in_the_scores_is_detected(tmp_path):
    path = write(tmp_path / "s.parquet", VIEWS)
    whole = bytearray(path.read_bytes())
    place = whole.find(np.array(VIEWS[0][2], np.float32).tobytes())
    whole[place] ^= 1
    path.write_bytes(whole)
    with pytest.raises(UserError, match="cannot be read as Parquet"):
        scores.read(path)


def test_scores_for_another_number_of_classes_are_refused(tmp_path):
    path = write(tmp_path / "s.parquet", VIEWS)
    table = pq.read_table(path)
    metadata = table.schema.metadata[manifest.METADATA_KEY].replace(b'["a", "b"]', b'["a", "b", "c"]')
    pq.write_table(table.replace_schema_metadata({manifest.METADATA_KEY: metadata}), path)
    with pytest.raises(UserError, match="2 scores per view for 3 classes"):
        scores.read(path)


def make_run(folder, videos, test, bad=()):
    """Write shards of `videos`, splits and an untrained tiny net to `folder`."""
    reader = tiny_shards(folder, videos, "rgb", bad=bad)
    tiny_splits(folder / "splits.parquet", [*videos, *bad], test=test)
    metadata = {
        "run": "e.r", "preset": "demo", "split": 1, "seed": 0, "classes": reader.classes, "fingerprint": "f",
        "tested_classes": reader.classes, "second_classes": None, "note": "", "recipe_hash": "h",
        "recipe": asdict(RECIPE),
        "settings": {"rgb": reader.settings},
    }  # fmt: skip
    torch.manual_seed(0)
    weights.save(folder / "w.safetensors", from_recipe.build(RECIPE, 2).state_dict(), metadata)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """An untrained tiny net over six videos, one of them in quarantine."""
    random = np.random.default_rng(0)
    videos = {f"v{n}": random.integers(0, 255, (n + 1, 64, 70, 3), np.uint8) for n in range(5)}
    return make_run(tmp_path_factory.mktemp("scored"), videos, test=("v3", "v4", "v5"), bad=("v5",))


def scored(folder, out, *more):
    options = ["--weights", "w.safetensors", "--shards", "shards/rgb", "--splits", "splits.parquet"]
    paths = [str(folder / word) if "." in word or "/" in word else word for word in options]
    score_command.main(["run", *paths, "--out", str(out), *more])
    return manifest.read_parquet(out, scores.SCHEMA.names)


def test_every_view_of_the_protocol_is_kept_and_missing_videos_are_counted(trained, tmp_path):
    table, metadata = scored(trained, tmp_path / "s.parquet", "--protocol", "25 frames x 10 crops")
    assert table["video_id"].value_counts().to_dict() == {"v3": 250, "v4": 250}
    assert metadata["videos"] == 3
    assert (metadata["kind"], metadata["protocol"], metadata["subset"]) == ("logits", "25 frames x 10 crops", "test")


def test_training_videos_are_scored_by_their_own_protocol(trained, tmp_path):
    table, metadata = scored(trained, tmp_path / "s.parquet", "--part", "train")
    assert table["video_id"].tolist() == ["v0", "v1", "v2"]
    assert metadata["protocol"] == "1 frame x centre"


def test_a_flipped_view_is_the_score_of_the_mirrored_picture(tmp_path):
    """A video that is its own mirror image scores the same centre flipped and not; another does not."""
    random = np.random.default_rng(0)
    bands = random.integers(0, 255, (1, 1, 4, 3), np.uint8).repeat(64, 1).repeat(8, 2)
    videos = {"same": np.concatenate([bands, bands[:, :, ::-1]], 2), "other": np.concatenate([bands, 255 - bands], 2)}
    make_run(tmp_path, videos, test=("same", "other"))
    table, _ = scored(tmp_path, tmp_path / "s.parquet", "--protocol", "1 frame x centre + flip")
    values = {video: np.stack(rows["scores"]) for video, rows in table.groupby("video_id")}
    same, other = (np.abs(np.subtract(*values[video])).max() for video in ("same", "other"))
    assert same < other / 20


def test_threads_do_not_change_scores(trained, tmp_path):
    one, _ = scored(trained, tmp_path / "1.parquet", "--threads", "1")
    two, _ = scored(trained, tmp_path / "2.parquet", "--threads", "2")
    assert np.allclose(np.stack(one["scores"]), np.stack(two["scores"]), atol=1e-6)


def test_shards_with_other_settings_than_in_training_are_refused(trained, tmp_path):
    tensors, metadata = weights.load(trained / "w.safetensors")
    weights.save(
        tmp_path / "w.safetensors",
        tensors,
        {**metadata, "settings": {"rgb": {**metadata["settings"]["rgb"], "bound": 32}}},
    )
    reader = ShardReader(trained / "shards" / "rgb")
    with pytest.raises(UserError, match="made with bound 20 but 32"):
        load_net(tmp_path / "w.safetensors", {"rgb": reader}, pick_device("cpu"))


def test_weights_of_other_classes_are_refused_with_the_first_that_differs(trained, tmp_path):
    tensors, metadata = weights.load(trained / "w.safetensors")
    weights.save(tmp_path / "w.safetensors", tensors, {**metadata, "tested_classes": ["left", "up"]})
    with pytest.raises(UserError, match="up against right"):
        load_net(tmp_path / "w.safetensors", {"rgb": ShardReader(trained / "shards" / "rgb")}, pick_device("cpu"))
