"""ResNet-50: torchvision's names, and a plain torch reference."""

import pytest
import torch
from torch.nn.functional import batch_norm, linear, max_pool2d, relu

from pipeline.common.errors import UserError
from pipeline.models import builders

pytestmark = pytest.mark.usefixtures("one_thread")

UNITS = (3, 4, 6, 3)
NORM = {"weight", "bias", "running_mean", "running_var"}
NARROW = {"width": 0.125, "depth": (2, 2, 2, 2), "crop": 64}


def small(**options):
    """A narrow network whose normalisations have something to normalise by."""
    torch.manual_seed(0)
    net = builders.build("resnet_50", num_classes=7, **NARROW, **options).eval()
    for name, buffer in net.named_buffers():
        if buffer.is_floating_point():
            buffer.normal_(0, 0.1) if "mean" in name else buffer.uniform_(0.5, 1.5)
    return net


def torchvision_shapes():
    """Names and shapes of torchvision's resnet50, by rule."""
    shapes = {"conv1.weight": (64, 3, 7, 7), "fc.weight": (1000, 2048), "fc.bias": (1000,)}
    norms, inputs = {"bn1": 64}, 64
    for layer, (units, filters) in enumerate(zip(UNITS, (64, 128, 256, 512), strict=True), 1):
        for unit in range(units):
            at = f"layer{layer}.{unit}"
            shapes |= {f"{at}.conv1.weight": (filters, inputs, 1, 1), f"{at}.conv2.weight": (filters, filters, 3, 3)}
            shapes |= {f"{at}.conv3.weight": (4 * filters, filters, 1, 1)}
            norms |= {f"{at}.bn1": filters, f"{at}.bn2": filters, f"{at}.bn3": 4 * filters}
            if unit == 0:
                shapes |= {f"{at}.downsample.0.weight": (4 * filters, inputs, 1, 1)}
                norms |= {f"{at}.downsample.1": 4 * filters}
            inputs = 4 * filters
    shapes |= {f"{norm}.{part}": (filters,) for norm, filters in norms.items() for part in NORM}
    return shapes | {f"{norm}.num_batches_tracked": () for norm in norms}


def reference(state, x, caffe=False):
    """The logits with torch's functions alone; a stage's stride is in its first 3x3, or in the 1x1 before (`caffe`)."""

    def conv(x, name, at, stride=1, padding=0):
        names = [f"{at}.{part}" for part in ("running_mean", "running_var", "weight", "bias")]
        x = torch.conv2d(x, state[f"{name}.weight"], stride=stride, padding=padding)
        return batch_norm(x, *(state[name] for name in names))

    x = relu(conv(x, "conv1", "bn1", 2, 3))
    x = max_pool2d(x, 3, 2, ceil_mode=True) if caffe else max_pool2d(x, 3, 2, 1)
    for at in (f"layer{layer}.{unit}" for layer in (1, 2, 3, 4) for unit in (0, 1)):
        stride = 2 if at.endswith("0") and at != "layer1.0" else 1
        y = relu(conv(x, f"{at}.conv1", f"{at}.bn1", stride if caffe else 1))
        y = relu(conv(y, f"{at}.conv2", f"{at}.bn2", 1 if caffe else stride, 1))
        y = conv(y, f"{at}.conv3", f"{at}.bn3")
        x = conv(x, f"{at}.downsample.0", f"{at}.downsample.1", stride) if at.endswith("0") else x
        x = relu(x + y)
    return linear(x.mean((2, 3)), state["fc.weight"], state["fc.bias"])


def test_names_and_shapes_are_torchvisions():
    with torch.device("meta"):
        net = builders.build("resnet_50", num_classes=1000)
    assert {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()} == torchvision_shapes()
    assert sum(parameter.numel() for parameter in net.parameters()) == 25_557_032


@pytest.mark.parametrize("form", ["torchvision", "caffe"])
def test_logits_equal_those_of_a_plain_torch_reference(form):
    net, x = small(form=form), torch.randn(2, 3, 64, 64)
    assert torch.allclose(net(x), reference(net.state_dict(), x, form == "caffe"), rtol=1e-4, atol=1e-5)


def test_a_larger_picture_gives_the_mean_of_its_positions():
    net, x = small(), torch.randn(1, 3, 64, 96)
    windows = net.pool5(net.layer4(net.layer3(net.layer2(net.layer1(net.start(x))))))  # (1, 256, 1, 2)
    assert windows.shape[2:] == (1, 2)
    assert torch.allclose(net(x), net.fc(windows.flatten(2)[0].T).mean(0, keepdim=True), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "words"),
    [((1, 20, 64, 64), "20 channels.*built for 3"), ((1, 3, 64, 63), r"\(64, 63\).*\(64, 64\) or more")],
)
def test_an_input_of_another_shape_is_refused_with_both_values(shape, words):
    with pytest.raises(UserError, match=words):
        small()(torch.zeros(shape))


@pytest.mark.parametrize(("options", "words"), [({"crop": 16}, "16 pixels.*32"), ({"form": "keras"}, "form 'keras'")])
def test_impossible_options_are_refused_in_one_sentence(options, words):
    with pytest.raises(UserError, match=words):
        builders.build("resnet_50", num_classes=7, **options)
