"""ActionVLAD: equation 1 as a loop, the pooled vector's norms, layers, fusions, what each stage trains."""

import pytest
import torch
from torch.nn.functional import linear, normalize

from pipeline.common.errors import UserError
from pipeline.models import builders
from pipeline.models.action_vlad import ActionVLAD, freeze

K, D = 4, 6


def small(name="action_vlad", **options):
    torch.manual_seed(0)
    return builders.build(name, num_classes=7, **({"width": 0.125, "crop": 64, "clusters": 4, "alpha": 10.0} | options))


def layer(alpha=10.0):
    torch.manual_seed(0)
    made = ActionVLAD(D, K, alpha)
    made.set_centres(torch.randn(K, D), alpha)
    return made


def reference(x, centres, alpha):
    """Equation 1, descriptor by descriptor; x (T, D, H, W) -> (K, D)."""
    v = torch.zeros(centres.shape)
    for t, row, column in torch.cartesian_prod(*map(torch.arange, (x.shape[0], x.shape[2], x.shape[3]))):
        d = x[t, :, row, column] / x[t, :, row, column].norm()
        near = torch.exp(torch.stack([-alpha * ((d - c) ** 2).sum() for c in centres]))
        for k, c in enumerate(centres):
            v[k] += near[k] / near.sum() * (d - c)
    return v


def test_the_pooled_vector_is_equation_1_normalised_per_centre_and_in_all():
    made, x = layer(), torch.randn(2, 3, D, 2, 3)
    for clip, pooled in zip(x, made(x), strict=True):
        v = reference(clip, made.centres, 10.0)
        rows = torch.stack([row / row.norm() for row in v])
        assert torch.allclose(pooled, rows.flatten() / rows.norm(), atol=1e-5)


def test_at_alpha_1000_a_descriptor_belongs_to_its_nearest_centre_alone():
    made, x = layer(1000.0), torch.randn(1, 1, D, 1, 1)
    near = ((normalize(x.flatten(), dim=0) - made.centres) ** 2).sum(1).argmin()
    blocks = made(x).unflatten(1, (K, D)).norm(dim=2)
    assert blocks[0].tolist() == pytest.approx([float(k == near) for k in range(K)], abs=1e-4)


def test_pooling_ignores_positions_and_times():
    made, x = layer(), torch.randn(1, 3, D, 2, 2)
    assert torch.allclose(made(x), made(x.flip(1, 3)), atol=1e-5)


def test_centres_and_assignment_are_separate_parameters():
    made, x = layer(), torch.randn(1, 3, D, 2, 2)
    made(x)[0, 0].backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in made.parameters())
    with torch.no_grad():
        made.assign.weight.zero_()
        made.assign.bias.zero_()
    rest = normalize(x, dim=2).sum((1, 3, 4)) - 12 * made.centres  # every descriptor belongs to every centre alike
    assert torch.allclose(made(x).unflatten(1, (K, D)), normalize(rest, dim=1) / K**0.5, atol=1e-5)


def test_centres_of_another_layer_are_refused_with_both_shapes():
    with pytest.raises(UserError, match=r"\(4, 512\).*\(4, 6\)"):
        layer().set_centres(torch.zeros(4, 512), 1000.0)


@pytest.mark.parametrize(
    ("name", "shape"), [("conv4_3", (2, 3, 64, 8, 8)), ("conv5_3", (2, 3, 64, 4, 4)), ("fc7", (2, 3, 512, 1, 1))]
)
def test_descriptors_are_vggs_at_the_layer_before_its_relu_or_after(name, shape):
    net, after = small(layer=name).eval(), small(layer=name, relu=True).eval()
    base = builders.build("vgg_16", num_classes=7, width=0.125, crop=64).eval()
    for own in (net, after):
        own.trunk.load_state_dict(own.trunk.convert_weights(base.state_dict()))
    x = torch.randn(2, 3, 3, 64, 64)
    frames = x.transpose(1, 2).flatten(0, 1)
    expected = base.fc7(frames)[:, :, None, None] if name == "fc7" else base.maps(frames, name)
    assert net.trunk(x).shape == shape
    assert net.trunk(x).min() < 0
    assert torch.allclose(net.trunk(x).relu().flatten(0, 1), expected, atol=1e-6)
    assert torch.allclose(after.trunk(x).flatten(0, 1), expected, atol=1e-6)


def test_a_flow_stream_takes_rgb_weights():
    net, base = small(channels=20), builders.build("vgg_16", num_classes=7, width=0.125, crop=64)
    net.trunk.load_state_dict(net.trunk.convert_weights(base.state_dict()))
    assert torch.allclose(net.trunk.features[0].weight[:, 7], base.features[0].weight.mean(1))


def test_pooling_stays_in_full_precision_under_autocast():
    made, x = layer(1000.0), torch.randn(2, 3, D, 2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        halved = made(x)
    assert torch.equal(made(x), halved)


def test_the_published_form_pools_to_32768_numbers():
    with torch.device("meta"):
        net = builders.build("action_vlad", num_classes=51)
    assert net.classifier.weight.shape == (51, 64 * 512)


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_average_and_max_pool_the_same_descriptors_over_positions_and_frames(pooling):
    net, x = small(pooling=pooling).eval(), torch.randn(2, 3, 3, 64, 64)
    all_of_it = net.trunk(x).transpose(2, 1).flatten(2)  # (B, D, THW)
    pooled = all_of_it.mean(2) if pooling == "average" else all_of_it.max(2).values
    assert torch.allclose(net(x), linear(pooled, net.classifier.weight, net.classifier.bias), atol=1e-5)


def streams(fusion):
    net = small("action_vlad_two_stream", fusion=fusion).eval()
    return net, torch.randn(2, 3, 3, 64, 64), torch.randn(2, 20, 3, 64, 64)


def test_concat_fusion_pools_descriptors_of_both_streams_side_by_side():
    net, rgb, flow = streams("concat")
    pooled = net.pooling(torch.cat([net.rgb(rgb), net.flow(flow)], 2))
    assert net.pooling.centres.shape == (4, 128)
    assert torch.allclose(net(rgb, flow), net.classifier(pooled))


def test_early_fusion_pools_all_descriptors_with_one_set_of_centres():
    net, rgb, flow = streams("early")
    pooled = net.pooling(torch.cat([net.rgb(rgb), net.flow(flow)], 1))
    assert net.pooling.centres.shape == (4, 64)
    assert torch.allclose(net(rgb, flow), net.classifier(pooled))


def test_late_fusion_trains_two_losses_and_tests_a_mean_of_1_to_2():
    net, rgb, flow = streams("late")
    assert torch.allclose(net(rgb, flow), (net.rgb(rgb) + 2 * net.flow(flow)) / 3)
    assert [tuple(logits.shape) for logits in net.train()(rgb, flow)] == [(2, 7), (2, 7)]


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (1, {"classifier"}),
        (2, {"classifier", "pooling", "trunk.features.24", "trunk.features.26", "trunk.features.28"}),
    ],
)
def test_stage_1_trains_the_classifier_and_stage_2_all_from_conv5_1_on(stage, expected):
    def trained(net):
        return {name for name, parameter in net.named_parameters() if parameter.requires_grad}

    net = small(stage=stage)
    assert {name for name in trained(net) if not name.startswith(tuple(expected))} == set()
    assert all(any(name.startswith(part) for name in trained(net)) for part in expected)
    deep = small(layer="fc7")
    freeze(deep, stage)
    assert ("trunk.classifier.3.weight" in trained(deep)) == (stage == 2)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("action_vlad", {"layer": "conv3_3"}, "layer is 'conv3_3'.*conv4_3, conv5_3, fc7"),
        ("action_vlad", {"pooling": "sum"}, "pooling is 'sum'.*vlad, average, max"),
        ("action_vlad_two_stream", {"fusion": "middle"}, "fusion is 'middle'.*concat, early, late"),
    ],
)
def test_an_unknown_option_is_refused_with_the_choices(name, options, words):
    with pytest.raises(UserError, match=words):
        small(name, **options)


@pytest.mark.parametrize(
    ("shape", "words"), [((1, 20, 3, 64, 64), "20 channels.*built for 3"), ((1, 3, 64, 64), r"\(3, 64, 64\).*clips of")]
)
def test_an_input_of_another_shape_is_refused_with_both_values(shape, words):
    with pytest.raises(UserError, match=words):
        small()(torch.zeros(shape))
