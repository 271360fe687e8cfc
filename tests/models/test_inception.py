"""Inception-v1: the layers of the released net against a plain torch reference, TensorFlow's padding, its errors."""

import pytest
import torch
from torch.nn import functional

from pipeline.common.errors import UserError
from pipeline.models import builders
from pipeline.models.inception import pad_same

# What the I3D document lists: a module's b0, b1a, b1b, b2a, b2b, b3b.
MIXED = {
    "3b": (64, 96, 128, 16, 32, 32), "3c": (128, 128, 192, 32, 96, 64), "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64), "4d": (128, 128, 256, 24, 64, 64), "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128), "5b": (256, 160, 320, 32, 128, 128), "5c": (384, 192, 384, 48, 128, 128),
}  # fmt: skip
ORDER = ("1a_7x7", "p13", "2b_1x1", "2c_3x3", "p13", "3b", "3c", "p3", "4b", "4c", "4d", "4e", "4f", "p2", "5b", "5c")


def tensorflow_pads(size, kernel, stride):
    """The formula of TensorFlow's documentation."""
    total = max(kernel - stride if size % stride == 0 else kernel - size % stride, 0)
    return total // 2, total - total // 2


def padded(x, kernel, stride, value=0.0):
    sizes = zip(x.shape[2:], kernel, stride, strict=True)
    return functional.pad(x, [p for s in reversed(list(sizes)) for p in tensorflow_pads(*s)], value=value)


def unit(state, name, x, stride=1):
    dims = x.ndim - 2
    weight = state[f"{name}.conv{dims}d.weight"]
    kernel, stride = weight.shape[2:], (stride,) * dims
    convolve = torch.conv2d if dims == 2 else torch.conv3d
    x = convolve(padded(x, kernel, stride), weight, None, stride)
    norm = [state[f"{name}.bn.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
    return torch.relu(functional.batch_norm(x, *norm, eps=1e-3))


def pool(x, kernel, stride):
    dims = x.ndim - 2
    kernel, stride = kernel[-dims:], stride[-dims:]
    return getattr(functional, f"max_pool{dims}d")(padded(x, kernel, stride, float("-inf")), kernel, stride)


def mixed(state, name, x):
    def step(branch, y):
        return unit(state, f"{name}.{branch}", y)

    side = step("b3b", pool(x, (3, 3, 3), (1, 1, 1)))
    return torch.cat([step("b0", x), step("b1b", step("b1a", x)), step("b2b", step("b2a", x)), side], 1)


def reference(state, x):
    """Conv1 to Mixed_5c with torch's functions alone, of pictures or of clips."""
    d = f"Conv{x.ndim - 2}d"
    pools = {"p13": ((1, 3, 3), (1, 2, 2)), "p3": ((3, 3, 3), (2, 2, 2)), "p2": ((2, 2, 2), (2, 2, 2))}
    for layer in ORDER:
        if layer in pools:
            x = pool(x, *pools[layer])
        elif layer in MIXED:
            x = mixed(state, f"Mixed_{layer}", x)
        else:
            x = unit(state, f"{d}_{layer}", x, stride=2 if layer == "1a_7x7" else 1)
    return x


def with_random_norms(net):
    """The net in its test form, with moments and scales that differ from a fresh net's."""
    for name, tensor in net.state_dict().items():
        if ".bn." in name and tensor.is_floating_point():
            torch.nn.init.uniform_(tensor, 0.5, 1.5)
    return net.eval()


def small(name="inception_v1", **options):
    torch.manual_seed(0)
    return with_random_norms(builders.build(name, num_classes=7, **({"width": 0.125, "crop": 64} | options)))


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "front", "behind"),
    [(224, 7, 2, 2, 3), (112, 3, 2, 0, 1), (7, 3, 2, 1, 1), (8, 2, 2, 0, 0), (9, 2, 2, 0, 1), (5, 3, 1, 1, 1),
     (1, 3, 2, 1, 1)],
)  # fmt: skip
def test_same_padding_is_tensorflows(size, kernel, stride, front, behind):
    padded = pad_same(torch.ones(1, 1, size, 1), (kernel, 1), (stride, 1)).flatten()
    assert padded.tolist() == [0] * front + [1] * size + [0] * behind
    assert (len(padded) - kernel) // stride + 1 == -(-size // stride)


@pytest.mark.parametrize("size", [(64, 64), (75, 90)])
def test_maps_equal_those_of_a_plain_torch_reference(size):
    net, x = small(), torch.randn(2, 3, *size)
    assert torch.allclose(net.maps(x), reference(net.state_dict(), x), rtol=1e-4, atol=1e-5)


def test_logits_are_a_linear_layer_on_the_average_pool():
    net, x = small(), torch.randn(2, 3, 64, 64)
    weight, bias = net.logits.conv2d.weight.flatten(1), net.logits.conv2d.bias
    assert torch.allclose(net(x), net.maps(x).mean((2, 3)) @ weight.T + bias, atol=1e-5)


def test_names_shapes_and_parameter_count_are_the_releases():
    with torch.device("meta"):
        net = builders.build("inception_v1", num_classes=1000)
    shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    assert shapes["Conv2d_1a_7x7.conv2d.weight"] == (64, 3, 7, 7)
    for name, (*_, b2a, b2b, b3b) in MIXED.items():
        assert shapes[f"Mixed_{name}.b2b.conv2d.weight"] == (b2b, b2a, 3, 3)
        assert shapes[f"Mixed_{name}.b3b.conv2d.weight"][0] == b3b
    assert shapes["logits.conv2d.weight"] == (1000, 1024, 1, 1)
    assert sum(parameter.numel() for parameter in net.parameters()) == 5_599_904 + 1025 * 1000


def test_epsilon_is_the_released_weights_by_default():
    epsilons = {m.eps for net in (small(), small(epsilon=1e-5)) for m in net.modules() if hasattr(m, "eps")}
    assert epsilons == {1e-3, 1e-5}


@pytest.mark.parametrize(
    ("shape", "words"),
    [((2, 20, 64, 64), "20 channels.*built for 3"), ((2, 3, 32, 64), r"\(32, 64\).*\(33, 33\)"),
     ((2, 3, 9, 64, 64), r"\(9, 64, 64\).*\(H, W\)")],
)  # fmt: skip
def test_an_input_of_another_shape_is_refused_with_both_values(shape, words):
    with pytest.raises(UserError, match=words):
        small()(torch.zeros(shape))


@pytest.mark.parametrize(
    ("name", "options", "parts"),
    [("i3d", {"channels": 2}, ("",)), ("two_stream_inception", {}, ("rgb", "flow")), ("fused_3d", {}, ("rgb", "flow")),
     ("conv_lstm", {"frames": 4}, ("trunk",))],
)  # fmt: skip
def test_every_inception_takes_an_imagenet_release_and_keeps_its_own_last_layer(name, options, parts):
    base, net = builders.build("inception_v1", num_classes=1000, width=0.125, crop=64), small(name, **options)
    release = {name: tensor for name, tensor in base.state_dict().items() if not name.startswith("logits.")}
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    for part in map(net.get_submodule, parts):
        part.load_state_dict(part.convert_weights(release))
    changed = {key for key, tensor in net.state_dict().items() if not torch.equal(tensor, before[key])}
    assert not any("logits" in key or "lstm" in key or "fuse" in key for key in changed)
    assert sum("Mixed_5c.b0.conv" in key for key in changed) == len(parts)
