"""First weights: of the same network, of a related one, or of parts of it."""

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


def save_weights(path, name, classes=CLASSES, **options):
    """A weights file of a network of another seed, and its state dict."""
    state = net(name, len(classes), seed=0, **options).state_dict()
    weights.save(path, state, {"classes": classes})
    return path, state


def initialised(name, sources, classes=CLASSES, **options):
    """The state dict of a network with first weights, and the one that it has without them."""
    loaded, fresh = (net(name, len(classes), **options) for _ in range(2))
    initialise.initialise(loaded, sources, builders.heads(name, options), classes)
    return loaded.state_dict(), fresh.state_dict()


def test_a_network_takes_all_weights_of_the_same_architecture(tmp_path):
    path, source = save_weights(tmp_path / "w", "cnn_m_2048", **CNN)
    state, _ = initialised("cnn_m_2048", {"net": path}, **CNN)
    assert all(torch.equal(state[name], source[name]) for name in source)


@pytest.mark.parametrize("classes", [["x", "y", "z"], ["b", "a", "c"], ["a", "b"], None])
def test_a_head_for_other_classes_is_not_loaded(tmp_path, classes):
    path, source = save_weights(tmp_path / "w", "cnn_m_2048", CLASSES if classes is None else classes, **CNN)
    weights.save(path, source, {"classes": classes})
    state, fresh = initialised("cnn_m_2048", {"net": path}, **CNN)
    head = {"classifier.2.weight", "classifier.2.bias"}
    assert all(torch.equal(state[name], (fresh if name in head else source)[name]) for name in fresh)


def test_with_a_release_without_head_the_network_keeps_its_own(tmp_path):
    path, source = save_weights(tmp_path / "w", "cnn_m_2048", **CNN)
    weights.save(path, {name: tensor for name, tensor in source.items() if "classifier.2" not in name}, {})
    state, fresh = initialised("cnn_m_2048", {"net": path}, **CNN)
    assert torch.equal(state["classifier.2.weight"], fresh["classifier.2.weight"])
    assert torch.equal(state["features.0.0.weight"], source["features.0.0.weight"])


def test_a_flow_network_takes_the_mean_of_the_first_rgb_filters(tmp_path):
    path, source = save_weights(tmp_path / "w", "cnn_m_2048", **CNN)
    state, _ = initialised("cnn_m_2048", {"net": path}, channels=20, **CNN)
    mean = source["features.0.0.weight"].mean(1)
    assert all(torch.equal(state["features.0.0.weight"][:, channel], mean) for channel in range(20))
    assert torch.equal(state["features.3.0.weight"], source["features.3.0.weight"])


@pytest.mark.parametrize(("channels", "other"), [(20, 3), (20, 10)])
def test_first_filters_for_flow_do_not_load_into_another_number_of_channels(tmp_path, channels, other):
    path, _ = save_weights(tmp_path / "w", "cnn_m_2048", channels=channels, **CNN)
    words = rf"w does not fit net of the network: .*features.0.0.weight takes {channels} channels .* but {other} in"
    with pytest.raises(UserError, match=words):
        initialised("cnn_m_2048", {"net": path}, channels=other, **CNN)


def test_2d_filters_are_inflated_to_3d(tmp_path):
    path, source = save_weights(tmp_path / "w", "inception_v1", width=0.05, crop=32)
    state, _ = initialised("i3d", {"net": path}, width=0.05, crop=32)
    inflated = state["Conv3d_1a_7x7.conv3d.weight"]
    flat = source["Conv2d_1a_7x7.conv2d.weight"]
    assert torch.allclose(inflated.sum(2), flat, atol=1e-6)
    assert torch.allclose(inflated[:, :, 0], inflated[:, :, -1])


def test_st_resnet_takes_one_file_for_each_stream(tmp_path):
    rgb, appearance = save_weights(tmp_path / "rgb", "resnet_50", **RESNET)
    flow, motion = save_weights(tmp_path / "flow", "resnet_50", channels=20, **RESNET)
    state, _ = initialised("st_resnet", {"appearance": rgb, "motion": flow}, **RESNET)
    for part, source in (("appearance", appearance), ("motion", motion)):
        assert torch.equal(state[f"{part}.fc.weight"], source["fc.weight"])
        assert torch.equal(state[f"{part}.conv1.weight"].squeeze(2), source["conv1.weight"])
        temporal = state[f"{part}.layer1.1.conv1.weight"]
        assert temporal.shape[2] == 3
        assert torch.allclose(temporal.sum(2), source["layer1.1.conv1.weight"], atol=1e-6)


def test_fstcn_takes_cnn_m_except_for_its_temporal_path_and_head(tmp_path):
    path, source = save_weights(tmp_path / "w", "cnn_m_2048", ["x", "y", "z"], **CNN)
    state, fresh = initialised("fstcn", {"net": path}, **FSTCN)
    pairs = {"scl.0.0": "features.0.0", "scl.7.0": "features.7.0", "spatial.3.0": "classifier.0.0"}
    assert all(torch.equal(state[f"{own}.weight"], source[f"{old}.weight"]) for own, old in pairs.items())
    kept = [name for name in fresh if name.startswith(("temporal", "auxiliary", "classifier"))]
    assert all(torch.equal(state[name], fresh[name]) for name in kept)


def test_fstcns_auxiliary_classifier_is_cnn_ms_for_the_same_classes(tmp_path):
    path, source = save_weights(tmp_path / "w", "cnn_m_2048", **CNN)
    state, _ = initialised("fstcn", {"net": path}, **FSTCN)
    assert torch.equal(state["auxiliary.weight"], source["classifier.2.weight"])


def test_fstcn_refuses_a_cnn_m_of_another_width(tmp_path):
    path, _ = save_weights(tmp_path / "w", "cnn_m_2048", **{**CNN, "width": 0.2})
    with pytest.raises(UserError, match=r"w does not fit net.*scl.0.0.weight is \(19, 3, 7, 7\).*but \(8, 3, 7, 7\)"):
        initialised("fstcn", {"net": path}, **FSTCN)


def test_fstcns_third_step_takes_the_second_steps_weights(tmp_path):
    path, source = save_weights(tmp_path / "w", "fstcn", stage=2, paths=("spatial",), **FSTCN)
    state, fresh = initialised("fstcn", {"net": path}, **FSTCN)
    assert torch.equal(state["spatial.3.0.weight"], source["spatial.3.0.weight"])
    assert torch.equal(state["temporal.0.0.weight"], fresh["temporal.0.0.weight"])


def test_actionvlad_takes_vggs_trunk_and_k_means_centres(tmp_path):
    path, source = save_weights(tmp_path / "w", "vgg_16", ["x"], width=0.03, crop=32)
    centres = torch.nn.functional.normalize(torch.randn(4, 15), dim=1)
    weights.save(tmp_path / "c", {"centres": centres}, {})
    state, fresh = initialised("action_vlad", {"trunk": path, "centres": tmp_path / "c"}, **VLAD)
    assert torch.equal(state["trunk.features.0.weight"], source["features.0.weight"])
    assert torch.equal(state["pooling.centres"], centres)
    assert torch.allclose(state["pooling.assign.weight"][:, :, 0, 0], 2000 * centres)
    assert torch.equal(state["classifier.weight"], fresh["classifier.weight"])


def test_another_number_of_centres_is_refused_with_both_shapes(tmp_path):
    weights.save(tmp_path / "c", {"centres": torch.randn(8, 15)}, {})
    with pytest.raises(UserError, match=r"c does not fit centres.*\(8, 15\) but the network's are \(4, 15\)"):
        initialised("action_vlad", {"centres": tmp_path / "c"}, **VLAD)


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
    path, _ = save_weights(tmp_path / "w.safetensors", "cnn_m_2048", **CNN)
    with pytest.raises(UserError, match=f"w.safetensors {words}"):
        initialised("cnn_m_2048", {part: path}, **options)


def test_weights_of_another_network_are_refused_with_a_tensor_that_only_one_has(tmp_path):
    path, _ = save_weights(tmp_path / "w", "resnet_50", **RESNET)
    with pytest.raises(
        UserError,
        match="tensors are only in .* such as bn1.bias, which is in the weights",
    ):
        initialised("cnn_m_2048", {"net": path}, **CNN)


def test_a_broken_weights_file_is_refused(tmp_path):
    (tmp_path / "w").write_bytes(b"torn")
    with pytest.raises(UserError, match="w is not a weights file"):
        initialised("cnn_m_2048", {"net": tmp_path / "w"}, **CNN)
