"""First weights: whole networks, their kin's, or parts of them."""

import pytest
import torch

from pipeline.common.errors import UserError
from pipeline.formats import weights
from pipeline.models import builders
from pipeline.train import initialise

CNN = {"width": 0.03, "crop": 56, "stride2": 1}
RESNET = {"width": 0.05, "depth": (2, 2, 2, 2), "crop": 32, "form": "caffe"}
FSTCN = {"width": 0.03, "crop": 56, "stride2": 1, "frames": 3}
VLAD = {"width": 0.03, "crop": 32, "clusters": 4, "dropout": 0.0}
CLASSES = ["a", "b", "c"]


def net(name, classes=3, seed=1, **options):
    torch.manual_seed(seed)
    return builders.build(name, num_classes=classes, **options)


def saved(path, name, classes=CLASSES, **options):
    """A file with the weights of another seed, and those weights."""
    state = net(name, len(classes), seed=0, **options).state_dict()
    weights.save(path, state, {"classes": classes})
    return path, state


def begun(name, sources, classes=CLASSES, **options):
    """A network with first weights, and the weights it would have had."""
    made, fresh = (net(name, len(classes), **options) for _ in range(2))
    initialise.initialise(made, sources, builders.heads(name, options), classes)
    return made.state_dict(), fresh.state_dict()


def test_a_network_begins_with_all_that_its_like_has_learned(tmp_path):
    path, given = saved(tmp_path / "w", "cnn_m_2048", **CNN)
    made, _ = begun("cnn_m_2048", {"net": path}, **CNN)
    assert all(torch.equal(made[name], given[name]) for name in given)


@pytest.mark.parametrize("classes", [["x", "y", "z"], ["b", "a", "c"], ["a", "b"], None])
def test_a_head_of_other_classes_stays_behind(tmp_path, classes):
    path, given = saved(tmp_path / "w", "cnn_m_2048", CLASSES if classes is None else classes, **CNN)
    weights.save(path, given, {"classes": classes})
    made, fresh = begun("cnn_m_2048", {"net": path}, **CNN)
    head = {"classifier.2.weight", "classifier.2.bias"}
    assert all(torch.equal(made[name], (fresh if name in head else given)[name]) for name in fresh)


def test_a_release_without_a_head_leaves_the_networks_own(tmp_path):
    path, given = saved(tmp_path / "w", "cnn_m_2048", **CNN)
    weights.save(path, {name: tensor for name, tensor in given.items() if "classifier.2" not in name}, {})
    made, fresh = begun("cnn_m_2048", {"net": path}, **CNN)
    assert torch.equal(made["classifier.2.weight"], fresh["classifier.2.weight"])
    assert torch.equal(made["features.0.0.weight"], given["features.0.0.weight"])


def test_flow_begins_with_the_mean_of_rgbs_first_filters(tmp_path):
    path, given = saved(tmp_path / "w", "cnn_m_2048", **CNN)
    made, _ = begun("cnn_m_2048", {"net": path}, channels=20, **CNN)
    mean = given["features.0.0.weight"].mean(1)
    assert all(torch.equal(made["features.0.0.weight"][:, channel], mean) for channel in range(20))
    assert torch.equal(made["features.3.0.weight"], given["features.3.0.weight"])


def test_pictures_filters_are_inflated_to_clips(tmp_path):
    path, given = saved(tmp_path / "w", "inception_v1", width=0.05, crop=32)
    made, _ = begun("i3d", {"net": path}, width=0.05, crop=32)
    inflated = made["Conv3d_1a_7x7.conv3d.weight"]
    flat = given["Conv2d_1a_7x7.conv2d.weight"]
    assert torch.allclose(inflated.sum(2), flat, atol=1e-6)
    assert torch.allclose(inflated[:, :, 0], inflated[:, :, -1])


def test_st_resnet_begins_with_two_streams_each_in_its_part(tmp_path):
    rgb, appearance = saved(tmp_path / "rgb", "resnet_50", **RESNET)
    flow, motion = saved(tmp_path / "flow", "resnet_50", channels=20, **RESNET)
    made, _ = begun("st_resnet", {"appearance": rgb, "motion": flow}, **RESNET)
    for part, given in (("appearance", appearance), ("motion", motion)):
        assert torch.equal(made[f"{part}.fc.weight"], given["fc.weight"])
        assert torch.equal(made[f"{part}.conv1.weight"].squeeze(2), given["conv1.weight"])
        temporal = made[f"{part}.layer1.1.conv1.weight"]
        assert temporal.shape[2] == 3
        assert torch.allclose(temporal.sum(2), given["layer1.1.conv1.weight"], atol=1e-6)


def test_fstcn_begins_with_cnn_m_but_for_its_temporal_path_and_head(tmp_path):
    path, given = saved(tmp_path / "w", "cnn_m_2048", ["x", "y", "z"], **CNN)
    made, fresh = begun("fstcn", {"net": path}, **FSTCN)
    pairs = {"scl.0.0": "features.0.0", "scl.7.0": "features.7.0", "spatial.3.0": "classifier.0.0"}
    assert all(torch.equal(made[f"{own}.weight"], given[f"{old}.weight"]) for own, old in pairs.items())
    kept = [name for name in fresh if name.startswith(("temporal", "auxiliary", "classifier"))]
    assert all(torch.equal(made[name], fresh[name]) for name in kept)


def test_fstcns_auxiliary_classifier_is_cnn_ms_where_the_classes_are(tmp_path):
    path, given = saved(tmp_path / "w", "cnn_m_2048", **CNN)
    made, _ = begun("fstcn", {"net": path}, **FSTCN)
    assert torch.equal(made["auxiliary.weight"], given["classifier.2.weight"])


def test_a_cnn_m_of_another_width_is_refused_by_fstcn_and_not_left_out(tmp_path):
    path, _ = saved(tmp_path / "w", "cnn_m_2048", **{**CNN, "width": 0.2})
    with pytest.raises(UserError, match=r"w does not fit net.*scl.0.0.weight is \(19, 3, 7, 7\).*but \(8, 3, 7, 7\)"):
        begun("fstcn", {"net": path}, **FSTCN)


def test_fstcns_third_step_begins_with_its_second(tmp_path):
    path, given = saved(tmp_path / "w", "fstcn", stage=2, paths=("spatial",), **FSTCN)
    made, fresh = begun("fstcn", {"net": path}, **FSTCN)
    assert torch.equal(made["spatial.3.0.weight"], given["spatial.3.0.weight"])
    assert torch.equal(made["temporal.0.0.weight"], fresh["temporal.0.0.weight"])


def test_actionvlad_begins_with_vggs_trunk_and_the_centres_of_k_means(tmp_path):
    path, given = saved(tmp_path / "w", "vgg_16", ["x"], width=0.03, crop=32)
    centres = torch.nn.functional.normalize(torch.randn(4, 15), dim=1)
    weights.save(tmp_path / "c", {"centres": centres}, {})
    made, fresh = begun("action_vlad", {"trunk": path, "centres": tmp_path / "c"}, **VLAD)
    assert torch.equal(made["trunk.features.0.weight"], given["features.0.weight"])
    assert torch.equal(made["pooling.centres"], centres)
    assert torch.allclose(made["pooling.assign.weight"][:, :, 0, 0], 2000 * centres)
    assert torch.equal(made["classifier.weight"], fresh["classifier.weight"])


def test_centres_of_another_number_are_refused_with_both(tmp_path):
    weights.save(tmp_path / "c", {"centres": torch.randn(8, 15)}, {})
    with pytest.raises(UserError, match=r"c does not fit centres.*\(8, 15\) but the network's are \(4, 15\)"):
        begun("action_vlad", {"centres": tmp_path / "c"}, **VLAD)


@pytest.mark.parametrize(
    ("part", "options", "words"),
    [
        ("flow", CNN, r"does not fit flow of the network: the network has no part 'flow': its parts are features"),
        ("centres", CNN, "does not fit centres"),
        (
            "net",
            {**CNN, "width": 0.2},
            r"does not fit net.*is \(8, 3, 7, 7\) in the weights but \(19, 3, 7, 7\)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_file_part_and_both_values(tmp_path, part, options, words):
    path, _ = saved(tmp_path / "w.safetensors", "cnn_m_2048", **CNN)
    with pytest.raises(UserError, match=f"w.safetensors {words}"):
        begun("cnn_m_2048", {part: path}, **options)


def test_weights_of_another_network_are_refused_with_a_tensor_that_only_one_has(tmp_path):
    path, _ = saved(tmp_path / "w", "resnet_50", **RESNET)
    with pytest.raises(
        UserError,
        match="tensors are only in .* such as bn1.bias, which is in the weights",
    ):
        begun("cnn_m_2048", {"net": path}, **CNN)


def test_a_file_that_is_no_weights_is_refused(tmp_path):
    (tmp_path / "w").write_bytes(b"torn")
    with pytest.raises(UserError, match="w is not a weights file"):
        begun("cnn_m_2048", {"net": tmp_path / "w"}, **CNN)
