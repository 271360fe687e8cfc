"""Two-Stream Inception and 3D-Fused: what is averaged, what is convolved, and what reaches both streams."""

import pytest
import torch
from torch.nn.functional import linear, max_pool3d

from pipeline.common.errors import UserError
from pipeline.models import builders
from tests.models.test_inception import padded, reference, with_random_norms


def small(name, **options):
    torch.manual_seed(0)
    return with_random_norms(builders.build(name, num_classes=7, **({"width": 0.125, "crop": 56} | options)))


def test_two_stream_is_the_mean_of_two_inceptions():
    net, rgb, flow = small("two_stream_inception"), torch.randn(2, 3, 56, 56), torch.randn(2, 20, 56, 56)
    assert torch.allclose(net(rgb, flow), (net.rgb(rgb) + net.flow(flow)) / 2)
    assert not torch.allclose(net.rgb(rgb), net.flow(flow))


def test_fused_logits_equal_those_of_a_plain_torch_reference():
    net, rgb, flow = small("fused_3d"), torch.randn(1, 3, 5, 56, 56), torch.randn(1, 20, 5, 56, 56)
    state, maps = net.state_dict(), []
    for stream, x in (("rgb", rgb), ("flow", flow)):
        own = {name.removeprefix(f"{stream}."): tensor for name, tensor in state.items() if name.startswith(stream)}
        maps.append(torch.stack([reference(own, x[:, :, t]) for t in range(5)], 2))  # (B, D, T, h, w)
    y = torch.relu(torch.conv3d(torch.cat(maps, 1), state["fuse.weight"], state["fuse.bias"], padding=1))
    y = max_pool3d(padded(y, (3, 3, 3), (2, 2, 2)), 3, 2).mean((2, 3, 4))
    assert torch.allclose(net(rgb, flow), linear(y, state["logits.weight"], state["logits.bias"]), atol=1e-5)


def test_fused_depends_on_the_order_of_its_frames():
    net, rgb, flow = small("fused_3d"), torch.randn(1, 3, 5, 56, 56), torch.randn(1, 20, 5, 56, 56)
    assert not torch.allclose(net(rgb, flow), net(rgb.flip(2), flow.flip(2)), atol=1e-7)


def test_fused_has_the_published_shapes():
    with torch.device("meta"):
        net = builders.build("fused_3d", num_classes=400)
        maps = net.rgb.maps(torch.zeros(5, 3, 224, 224))
    assert maps.shape == (5, 1024, 7, 7)
    assert net.fuse.weight.shape == (512, 2048, 3, 3, 3)
    assert net.logits.weight.shape == (400, 512)


@pytest.mark.parametrize(
    ("rgb", "flow", "words"),
    [((3, 5, 56, 56), (20, 4, 56, 56), r"\(5, 56, 56\).*\(4, 56, 56\)"),
     ((3, 5, 56, 56), (2, 5, 56, 56), "2 channels.*20"),
     ((3, 56, 56), (20, 56, 56), r"\(3, 56, 56\).*clips of")],
)  # fmt: skip
def test_inputs_of_other_shapes_are_refused_with_both_values(rgb, flow, words):
    with pytest.raises(UserError, match=words):
        small("fused_3d")(torch.zeros(1, *rgb), torch.zeros(1, *flow))
