"""Weights for a related network: the mean of RGB filters, inflation, and what is refused."""

import pytest
import torch

from pipeline.common.errors import UserError
from pipeline.models import builders
from pipeline.models.transfer import convert_weights

pytestmark = pytest.mark.usefixtures("one_thread")

RESNET = {"width": 0.125, "depth": (2, 2, 2, 2), "crop": 64}


def resnet(channels=3, classes=7):
    torch.manual_seed(0)
    return builders.build("resnet_50", num_classes=classes, channels=channels, **RESNET).eval()


def meta(name, **options):
    """A network at the paper's size without memory."""
    with torch.device("meta"):
        return builders.build(name, num_classes=7, **options)


def test_flow_filters_are_the_mean_of_the_rgb_ones_and_all_others_are_unchanged():
    rgb, flow = resnet(), resnet(channels=20)
    weights = convert_weights(rgb.state_dict(), flow)
    mean = rgb.conv1.weight.mean(1)
    assert all(torch.equal(weights["conv1.weight"][:, channel], mean) for channel in range(20))
    assert all(torch.equal(weights[name], x) for name, x in rgb.state_dict().items() if name != "conv1.weight")


def test_grey_flow_excites_the_new_first_layer_as_grey_rgb_does_the_old_one():
    rgb, flow, grey = resnet(), resnet(channels=6), torch.randn(1, 1, 64, 64)
    flow.load_state_dict(convert_weights(rgb.state_dict(), flow))
    torch.testing.assert_close(flow.conv1(grey.expand(1, 6, 64, 64)), 2 * rgb.conv1(grey.expand(1, 3, 64, 64)))


@pytest.mark.parametrize("name", ["vgg_16", "cnn_m_2048", "inception_v1", "i3d"])
def test_every_network_with_a_first_layer_for_flow_takes_rgb_weights(name):
    rgb, flow = meta(name), meta(name, channels=20)
    assert convert_weights(rgb.state_dict(), flow)[f"{flow.stem}.weight"].shape[1] == 20


@pytest.mark.parametrize("channels", [3, 20])
def test_weights_for_the_same_channels_are_unchanged(channels):
    net = resnet(channels)
    weights = convert_weights(net.state_dict(), net)
    assert all(torch.equal(weights[name], tensor) for name, tensor in net.state_dict().items())


@pytest.mark.parametrize(("before", "after"), [(20, 3), (20, 10), (2, 20), (10, 20), (1, 3)])
def test_a_first_layer_that_is_not_for_rgb_takes_no_other_channels(before, after):
    words = f"conv1.weight takes {before} channels in the weights but {after} in the network.*RGB or for {after}"
    with pytest.raises(UserError, match=words) as raised:
        convert_weights(resnet(before).state_dict(), resnet(after))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["vgg_16", "cnn_m_2048", "inception_v1", "i3d"])
def test_no_network_takes_flow_weights_for_rgb(name):
    with pytest.raises(UserError, match="takes 20 channels in the weights but 3 in the network"):
        convert_weights(meta(name, channels=20).state_dict(), meta(name))


def test_2d_filters_are_repeated_in_time_and_divided():
    flat, clips = meta("resnet_50"), meta("st_resnet").motion
    weights = convert_weights(flat.state_dict(), clips)
    assert weights["layer1.1.conv1.weight"].shape == (64, 256, 3, 1, 1)
    assert weights["conv1.weight"].shape == (64, 20, 1, 7, 7)


def test_other_shapes_and_other_names_are_refused():
    state = resnet().state_dict()
    words = r"fc.weight is \(7, 256\) in the weights but \(9, 256\) in the network"
    with pytest.raises(UserError, match=words):
        convert_weights(state, resnet(classes=9))
    del state["fc.bias"]
    with pytest.raises(UserError, match="1 tensors .*such as fc.bias, which is in the network"):
        convert_weights(state, resnet())
