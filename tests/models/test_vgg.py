"""VGG-16: the published layers under torchvision's names."""

import pytest
import torch
from torch.nn.functional import linear, max_pool2d, relu

from pipeline.common.errors import UserError
from pipeline.models import builders

pytestmark = pytest.mark.usefixtures("one_thread")

# torchvision's numbers of the convolutions in `features`, and what they put out
CONVS = {0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256, 17: 512, 19: 512, 21: 512, 24: 512, 26: 512, 28: 512}
POOLED = (2, 7, 14, 21, 28)  # a pool comes after each of these


def small(**options):
    torch.manual_seed(0)
    return builders.build("vgg_16", num_classes=7, crop=64, width=0.125, **options).eval()


def reference(state, x, last=28):
    """The maps after convolution `last` and its ReLU, with torch's functions alone."""
    for number in (number for number in CONVS if number <= last):
        x = relu(torch.conv2d(x, state[f"features.{number}.weight"], state[f"features.{number}.bias"], padding=1))
        x = max_pool2d(x, 2, 2) if number in POOLED and number < last else x
    return x


def test_names_and_shapes_are_torchvisions():
    with torch.device("meta"):
        net = builders.build("vgg_16", num_classes=1000)
    inputs = [3, *CONVS.values()]
    expected = {f"features.{n}.weight": (c, i, 3, 3) for (n, c), i in zip(CONVS.items(), inputs, strict=False)}
    expected |= {f"classifier.{n}.weight": s for n, s in ((0, (4096, 25088)), (3, (4096, 4096)), (6, (1000, 4096)))}
    expected |= {name.replace("weight", "bias"): shape[:1] for name, shape in expected.items()}
    assert {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()} == expected
    assert sum(tensor.numel() for tensor in net.parameters()) == 138_357_544


@pytest.mark.parametrize(("layer", "last"), [("conv4_3", 21), ("conv5_3", 28)])
def test_a_map_is_taken_after_its_relu(layer, last):
    net, x = small(), torch.randn(2, 3, 96, 64)
    assert torch.allclose(net.maps(x, layer), reference(net.state_dict(), x, last), atol=1e-5)


def test_logits_equal_those_of_a_plain_torch_reference():
    net, x = small(), torch.randn(2, 3, 64, 64)
    state = net.state_dict()
    y = max_pool2d(reference(state, x), 2, 2).flatten(1)
    for number in (0, 3):
        y = relu(linear(y, state[f"classifier.{number}.weight"], state[f"classifier.{number}.bias"]))
    assert torch.allclose(net.fc7(x), y, atol=1e-5)
    assert torch.allclose(net(x), linear(y, state["classifier.6.weight"], state["classifier.6.bias"]), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "words"),
    [((1, 20, 64, 64), "20 channels.*built for 3"), ((1, 3, 64, 96), r"\(64, 96\).*\(64, 64\)")],
)
def test_an_input_of_another_shape_is_refused_with_both_values(shape, words):
    with pytest.raises(UserError, match=words):
        small()(torch.zeros(shape))


def test_crops_below_32_pixels_are_refused():
    with pytest.raises(UserError, match="crops of 31 pixels.*32"):
        builders.build("vgg_16", num_classes=7, crop=31)
