"""K-means: it finds clusters, its result is reproducible, and ActionVLAD starts from its centres."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from pipeline.common.errors import UserError
from pipeline.config.recipe import recipe_hash
from pipeline.formats import weights
from pipeline.formats.shards import ShardReader
from pipeline.models import builders, from_recipe
from pipeline.models.action_vlad import truncate
from pipeline.train import initialise, kmeans
from tests.helpers.tinydata import RECIPE, tiny_shards, tiny_splits

VGG = replace(RECIPE, net="vgg_16", options={"width": 0.05}, crop=48)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with shards of four videos and an untrained VGG-16's weights for each modality."""
    folder = tmp_path_factory.mktemp("kmeans")
    tiny_splits(folder / "splits.parquet", list("abcd"), test=("d",))
    random = np.random.default_rng(0)
    for modality, shape in (("rgb", (5, 64, 64, 3)), ("flow", (5, 2, 64, 64))):
        videos = {name: random.integers(0, 255, shape, np.uint8) for name in "abcd"}
        reader = tiny_shards(folder / modality, videos, modality)
        save(folder / f"{modality}.safetensors", reader, replace(VGG, stack={modality: 1 if modality == "rgb" else 2}))
    return folder


def save(path, reader, recipe):
    torch.manual_seed(0)
    net = from_recipe.build(recipe, len(reader.classes))
    metadata = {
        "run": "actionvlad.base", "preset": "demo", "recipe": asdict(recipe), "recipe_hash": recipe_hash(recipe),
        "classes": reader.classes, "tested_classes": reader.classes, "second_classes": None,
        "fingerprint": reader.fingerprint, "settings": {reader.modality: reader.settings}, "split": 1,
    }  # fmt: skip
    weights.save(path, net.state_dict(), metadata)


def cluster(run, out, modality="rgb", *options):
    shards = next((run / modality).rglob("index.parquet")).parent
    paths = ["--weights", run / f"{modality}.safetensors", "--shards", shards, "--splits", run / "splits.parquet"]
    kmeans.main([*map(str, paths), "--out", str(out), "--device", "cpu", *options])
    tensors, metadata = weights.load(out)
    return tensors["centres"], metadata


def test_well_separated_clusters_are_recovered():
    random, true = np.random.default_rng(0), np.eye(3, 8, dtype=np.float32)
    found = kmeans.cluster_centres(
        np.repeat(true, 100, 0) + random.normal(0, 0.01, (300, 8)).astype(np.float32), 3, seed=0
    )
    assert found[np.argsort(-found @ [3, 2, 1, 0, 0, 0, 0, 0])] == pytest.approx(true, abs=0.01)


@pytest.mark.parametrize("modality", ["rgb", "flow"])
def test_action_vlad_starts_from_the_centres_and_the_seed_decides_them(run, tmp_path, modality):
    options = ("--clusters", "4", "--descriptors", "24")
    centres, metadata = cluster(run, tmp_path / "a.safetensors", modality, *options)
    again, _ = cluster(run, tmp_path / "b.safetensors", modality, *options)
    other, _ = cluster(run, tmp_path / "c.safetensors", modality, *options, "--seed", "1")
    net = builders.build("action_vlad", num_classes=2, width=0.05, crop=48, clusters=4)
    net.pooling.set_centres(centres, alpha=1000.0)
    assert torch.equal(net.pooling.centres, centres)
    assert torch.equal(centres, again)
    assert not torch.equal(centres, other)
    assert (metadata["videos"], metadata["descriptors"], metadata["layer"]) == (3, 3 * 8, "conv5_3")


def test_there_is_one_descriptor_of_length_1_per_position(run):
    net = builders.build("vgg_16", num_classes=2, width=0.05, crop=48).eval()
    truncate(net, "conv5_3", relu=False)
    rows = kmeans.unit_descriptors(net, torch.randn(2, 3, 48, 48), "conv5_3")
    assert rows.shape == (2 * 3 * 3, 26)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(18), abs=1e-5)


def test_too_few_descriptors_are_refused_with_both_counts(run, tmp_path):
    with pytest.raises(UserError, match="9 descriptors do not make 64 clusters"):
        cluster(run, tmp_path / "k.safetensors", "rgb", "--descriptors", "9")


def test_another_network_than_a_vgg_is_refused_by_name(run, tmp_path):
    reader = ShardReader(next((run / "rgb").rglob("index.parquet")).parent)
    save(run / "cnn.safetensors", reader, RECIPE)
    paths = ["--weights", run / "cnn.safetensors", "--shards", reader.folder, "--splits", run / "splits.parquet"]
    with pytest.raises(UserError, match="holds a CNNM but descriptors are VGG-16's"):
        kmeans.main([*map(str, paths), "--out", str(tmp_path / "k.safetensors"), "--device", "cpu"])


def two_stream_pooling(folder, fusion, clusters):
    """The pooling of a two-stream network; the centres of RGB are all ones, those of flow all twos."""
    torch.manual_seed(0)
    options = {"fusion": fusion, "width": 0.05, "crop": 48, "clusters": 4, "alpha": 10.0}
    net = builders.build("action_vlad_two_stream", num_classes=2, **options)
    paths = {f"{name}.centres": folder / f"{name}.safetensors" for name in ("rgb", "flow")}
    for value, path in enumerate(paths.values(), 1):
        weights.save(path, {"centres": torch.full((clusters, 26), float(value))}, {})
    initialise.initialise(net, paths, (), ())
    return net.pooling


def test_early_fusion_takes_half_of_its_centres_from_each_stream(tmp_path):
    pooling = two_stream_pooling(tmp_path, "early", 2)
    assert pooling.centres.tolist() == [[1.0] * 26] * 2 + [[2.0] * 26] * 2
    assert torch.equal(pooling.assign.weight[:, :, 0, 0], 20 * pooling.centres)


def test_concat_fusion_concatenates_centres_of_rgb_and_flow(tmp_path):
    pooling = two_stream_pooling(tmp_path, "concat", 4)
    assert torch.allclose(pooling.centres * 2**0.5, torch.tensor([1.0] * 26 + [2.0] * 26).expand(4, 52))


def test_centres_of_a_wrong_shape_are_refused_with_both_shapes(tmp_path):
    with pytest.raises(UserError, match=r"rgb are \(4, 26\) but its half is \(2, 26\)"):
        two_stream_pooling(tmp_path, "early", 4)


def test_centres_for_a_network_with_other_pooling_are_refused(tmp_path):
    net = builders.build("action_vlad_two_stream", num_classes=2, fusion="early", pooling="max", width=0.05, crop=48)
    weights.save(tmp_path / "c.safetensors", {"centres": torch.zeros(2, 26)}, {})
    with pytest.raises(UserError, match="pools by Max, which has no centres"):
        initialise.initialise(net, {"rgb.centres": tmp_path / "c.safetensors"}, (), ())
