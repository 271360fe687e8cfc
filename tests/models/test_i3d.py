"""I3D: the document's layers against a plain torch reference, the public state dict's names, inflation."""

import pytest
import torch

from pipeline.common.errors import UserError
from pipeline.models import builders
from tests.models.test_inception import MIXED, reference, small, with_random_norms

CONVS = ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3")
BRANCHES = ("b0", "b1a", "b1b", "b2a", "b2b", "b3b")


def test_names_and_shapes_are_pytorch_i3ds():
    """One Unit3D a line: convolution and batch normalisation; the logits have a bias and no normalisation."""
    with torch.device("meta"):
        net = builders.build("i3d", num_classes=400)
    units = [*CONVS, *(f"Mixed_{module}.{branch}" for module in MIXED for branch in BRANCHES)]
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {f"{unit}.conv3d.weight" for unit in units} | {f"{unit}.bn.{part}" for unit in units for part in norm}
    shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    assert set(shapes) == expected | {"logits.conv3d.weight", "logits.conv3d.bias"}
    assert shapes["Conv3d_1a_7x7.conv3d.weight"] == (64, 3, 7, 7, 7)
    assert shapes["Mixed_4e.b1b.conv3d.weight"] == (288, 144, 3, 3, 3)
    assert shapes["logits.conv3d.weight"] == (400, 1024, 1, 1, 1)


@pytest.mark.parametrize("size", [(16, 64, 64), (13, 70, 64)])
def test_maps_equal_those_of_a_plain_torch_reference(size):
    net, x = small("i3d"), torch.randn(1, 3, *size)
    assert torch.allclose(net.maps(x), reference(net.state_dict(), x), rtol=1e-4, atol=1e-5)


def test_logits_are_averaged_over_the_times_of_a_2x7x7_pool():
    net, x = small("i3d"), torch.randn(1, 3, 24, 64, 64)
    maps = net.maps(x).mean((3, 4))  # (B, D, 3)
    pairs = (maps[:, :, :-1] + maps[:, :, 1:]) / 2
    steps = torch.einsum("kd,bdt->bkt", net.logits.conv3d.weight.flatten(1), pairs) + net.logits.conv3d.bias[:, None]
    assert torch.allclose(net.logit_maps(x).mean((3, 4)), steps, atol=1e-5)
    assert torch.allclose(net(x), steps.mean(2), atol=1e-5)


def test_a_video_of_one_picture_gives_the_2d_networks_activations():
    """One picture for 240 frames; of 29 logits in time, those in the middle see no end of the clip."""
    flat = small(crop=32)
    net = with_random_norms(builders.build("i3d", num_classes=7, width=0.125, crop=32))
    with_3d_names = {name.replace("2d", "3d"): tensor for name, tensor in flat.state_dict().items()}
    net.load_state_dict(net.convert_weights(with_3d_names))  # the last layer too
    picture = torch.randn(1, 3, 32, 32)
    steps = net.logit_maps(picture.unsqueeze(2).expand(-1, -1, 240, -1, -1)).mean((3, 4))
    assert steps.shape == (1, 7, 29)
    assert torch.allclose(steps[:, :, 10:19], flat(picture).unsqueeze(2).expand(-1, -1, 9), atol=1e-5)


def test_inflation_repeats_a_filter_in_time_and_divides_it():
    flat = small()
    weights = small("i3d").convert_weights(flat.state_dict())
    weight = weights["Conv3d_1a_7x7.conv3d.weight"]
    assert weight.shape[2] == 7
    assert torch.allclose(weight.sum(2), flat.Conv2d_1a_7x7.conv2d.weight, atol=1e-6)
    assert torch.equal(weight[:, :, 0], weight[:, :, 6])


def test_weights_of_another_network_are_refused():
    with pytest.raises(UserError, match="features.0.weight, which is in the weights"):
        small("i3d").convert_weights(small("i3d").state_dict() | {"features.0.weight": torch.zeros(1)})


def test_rgb_filters_inflate_to_flow():
    flat, net = small(), small("i3d", channels=2)
    net.load_state_dict(net.convert_weights(flat.state_dict()))
    weight = net.Conv3d_1a_7x7.conv3d.weight
    assert torch.allclose(weight[:, 1].sum(1), flat.Conv2d_1a_7x7.conv2d.weight.mean(1), atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "words"),
    [((1, 2, 16, 64, 64), "2 channels.*built for 3"), ((1, 3, 8, 64, 64), r"\(8, 64, 64\).*\(9, 33, 33\)"),
     ((1, 3, 64, 64), r"\(64, 64\).*clips of \(T, H, W\)")],
)  # fmt: skip
def test_an_input_of_another_shape_is_refused_with_both_values(shape, words):
    with pytest.raises(UserError, match=words):
        small("i3d")(torch.zeros(shape))
