"""ST-ResNet: eq. 2 and eq. 4 in numbers, eq. 5 on a clip that stands still, Table 1's sizes."""

import pytest
import torch
from torch.nn.functional import batch_norm, linear, max_pool2d, relu

from pipeline.common.errors import UserError
from pipeline.models import builders
from pipeline.models.transfer import convert_weights

pytestmark = pytest.mark.usefixtures("one_thread")

NARROW = {"width": 0.125, "depth": (2, 2, 2, 2), "crop": 48}


def with_random_norms(net):
    """In evaluation, with normalisations that have something to normalise by."""
    for name, buffer in net.named_buffers():
        if buffer.is_floating_point():
            buffer.normal_(0, 0.1) if "mean" in name else buffer.uniform_(0.5, 1.5)
    return net.eval()


def small(name="st_resnet", **options):
    torch.manual_seed(0)
    return with_random_norms(builders.build(name, num_classes=7, **NARROW, **options))


def clips(times=5, size=48):
    return torch.randn(2, 3, times, size, size), torch.randn(2, 20, times, size, size)


def joint(net, stage=0):
    """The second units of one stage, and what comes to them: after ReLU, as everything between units."""
    units = net.appearance.stages()[stage][1], net.motion.stages()[stage][1]
    a, m = (torch.rand(2, unit.conv1.in_channels, 5, 6, 6, requires_grad=True) for unit in units)
    return units, a, m


def reference(state, rgb, flow):
    """Both streams' logits in 2D words, a picture at a time: lists over t of (B, C, H, W)."""

    def norm(x, name):
        of = [state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return [batch_norm(picture, *of) for picture in x]

    def conv(x, name, stride=1, padding=0):
        taps, zeros = state[f"{name}.weight"].unbind(2), [torch.zeros_like(x[0])]
        padded = zeros + x + zeros if len(taps) == 3 else x
        moved = [padded[tap : tap + len(x)] for tap in range(len(taps))]  # each tap's pictures
        return [
            sum(torch.conv2d(picture, tap, None, stride, padding) for picture, tap in zip(of_taps, taps, strict=True))
            for of_taps in zip(*moved, strict=True)
        ]

    def residual(x, at, stride):
        x = [relu(y) for y in norm(conv(x, f"{at}.conv1", stride), f"{at}.bn1")]
        x = [relu(y) for y in norm(conv(x, f"{at}.conv2", 1, 1), f"{at}.bn2")]
        return norm(conv(x, f"{at}.conv3"), f"{at}.bn3")

    def plus(x, y):
        return [a + b for a, b in zip(x, y, strict=True)]

    def first(x, at, stride):
        short = norm(conv(x, f"{at}.downsample.0", stride), f"{at}.downsample.1")
        return [relu(y) for y in plus(short, residual(x, at, stride))]

    def begin(x, stream):
        x = norm(conv(list(x.unbind(2)), f"{stream}.conv1", 2, 3), f"{stream}.bn1")
        return [max_pool2d(relu(y), 3, 2, ceil_mode=True) for y in x]

    a, m = begin(rgb, "appearance"), begin(flow, "motion")
    for layer in (1, 2, 3, 4):
        a, m = (first(x, f"{s}.layer{layer}.0", 1 + (layer > 1)) for x, s in ((a, "appearance"), (m, "motion")))
        into_a = residual(plus(a, m), f"appearance.layer{layer}.1", 1)  # eq. 2
        into_m = residual(m, f"motion.layer{layer}.1", 1)
        a, m = [relu(y) for y in plus(a, into_a)], [relu(y) for y in plus(m, into_m)]
    means = [torch.stack(x).mean((0, 3, 4)) for x in (a, m)]
    return [
        linear(mean, state[f"{stream}.fc.weight"], state[f"{stream}.fc.bias"])
        for mean, stream in zip(means, ("appearance", "motion"), strict=True)
    ]


def test_logits_equal_those_of_a_plain_torch_reference():
    net, (rgb, flow) = small(), clips(3)
    for made, expected in zip(net(rgb, flow), reference(net.state_dict(), rgb, flow), strict=True):
        torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-5)


def test_motion_enters_the_residual_branch_and_not_the_identity():
    net = small()
    (unit_a, unit_m), a, m = joint(net)
    made_a, made_m = net.skip_stream(unit_a, unit_m, a, m)
    assert torch.allclose(made_a, relu(relu(a) + unit_a.residual(a + relu(m))), atol=1e-6)
    assert torch.allclose(made_m, relu(m + unit_m.residual(m)), atol=1e-6)


def test_the_alternatives_to_eq_2():
    a_and_m = {
        "direct": lambda ua, um, a, m: (relu(a + m + ua.residual(a + m)), um(m)),
        "bidirectional": lambda ua, um, a, m: (relu(a + ua.residual(a + m)), relu(m + um.residual(m + a))),
        "none": lambda ua, um, a, m: (ua(a), um(m)),
    }
    for connection, reference in a_and_m.items():
        net = small(connection=connection)
        units, a, m = joint(net, 2)
        for made, expected in zip(net.skip_stream(*units, a, m), reference(*units, a, m), strict=True):
            assert torch.allclose(made, expected, atol=1e-6), connection


def test_motion_has_no_effect_through_a_residual_branch_of_zeros():
    net = small()
    for stage in net.appearance.stages():
        stage[1].bn3.weight.data.zero_()
        stage[1].bn3.bias.data.zero_()
    rgb, flow = clips()
    assert torch.equal(net(rgb, flow)[0], net(rgb, flow + 1)[0])
    assert not torch.equal(net(rgb, flow)[1], net(rgb, flow + 1)[1])


@pytest.mark.parametrize(
    ("connection", "into_motion", "into_appearance"),
    [("residual", True, False), ("direct", True, False), ("bidirectional", True, True), ("none", False, False)],
)
def test_a_streams_loss_reaches_the_other_where_it_is_connected(connection, into_motion, into_appearance):
    """Eq. 4: appearance's loss trains motion; nothing of motion's trains appearance."""
    net = small(connection=connection)
    of_appearance, of_motion = net(*clips())
    (reached,) = torch.autograd.grad(of_appearance.sum(), net.motion.conv1.weight, retain_graph=True, allow_unused=True)
    (back,) = torch.autograd.grad(of_motion.sum(), net.appearance.conv1.weight, allow_unused=True)
    assert (reached is not None and bool(reached.any())) is into_motion
    assert (back is not None and bool(back.any())) is into_appearance


def test_the_gradient_into_motion_is_the_one_that_eq_4_writes():
    net = small()
    (unit_a, unit_m), a, m = joint(net)
    made, _ = net.skip_stream(unit_a, unit_m, a, m)
    upstream = torch.randn_like(made)
    (into_m,) = torch.autograd.grad(made, m, upstream, retain_graph=True)
    (into_a,) = torch.autograd.grad(made, a, upstream)
    assert torch.allclose(
        into_a - into_m, upstream * (made > 0), atol=1e-5
    )  # what the identity adds, eq. 3's first term


def test_the_temporal_filters_are_the_1x1s_of_every_stages_second_unit():
    with torch.device("meta"):
        net = builders.build("st_resnet", num_classes=101)
    temporal = [name for name, tensor in net.named_parameters() if tensor.ndim == 5 and tensor.shape[2] == 3]
    streams = [f"{s}.layer{n}.1.conv{c}.weight" for s in ("appearance", "motion") for n in (1, 2, 3, 4) for c in (1, 3)]
    assert temporal == streams
    assert len(temporal) == 16  # as the paper counts them
    assert net.motion.layer1[1].conv1.weight.shape == (64, 256, 3, 1, 1)


def resnets(form="caffe"):
    torch.manual_seed(0)
    return [
        with_random_norms(builders.build("resnet_50", num_classes=7, channels=c, form=form, **NARROW)) for c in (3, 20)
    ]  # fmt: skip


def load_streams(net, appearance, motion):
    """Both streams' weights from those of two 2D networks."""
    net.appearance.load_state_dict(convert_weights(appearance.state_dict(), net.appearance))
    net.motion.load_state_dict(convert_weights(motion.state_dict(), net.motion))


@pytest.mark.parametrize("form", ["caffe", "torchvision"])
def test_filters_inflated_by_eq_5_give_the_2d_networks_logits_on_a_still_clip(form):
    pictures = resnets(form)
    net = small(connection="none", border="replicate", form=form)
    load_streams(net, *pictures)
    still = [clip[:, :, :1] for clip in clips()]
    made = net(*(clip.expand(-1, -1, 5, -1, -1) for clip in still))
    for stream, picture, clip in zip(made, pictures, still, strict=True):
        torch.testing.assert_close(stream, picture(clip[:, :, 0]), rtol=1e-4, atol=1e-4)


def test_with_zero_padding_that_is_true_eight_chunks_from_the_ends():
    appearance, motion = resnets()
    net = small(connection="none", pool="conv5_x")
    load_streams(net, appearance, motion)
    still = clips()[0][:, :, :1]
    maps = net.maps(still.expand(-1, -1, 19, -1, -1), torch.zeros(2, 20, 19, 48, 48))[0]
    x = appearance.start(still[:, :, 0])
    for stage in appearance.stages():
        x = stage(x)
    torch.testing.assert_close(maps[:, :, 8:11], x.unsqueeze(2).expand(-1, -1, 3, -1, -1), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(maps[:, :, 0], x, atol=1e-4)


def test_motion_from_rgb_weights_has_the_mean_of_their_first_filters():
    appearance, _ = resnets()
    net, state = small(), appearance.state_dict()
    load_streams(net, appearance, appearance)
    assert torch.equal(net.motion.conv1.weight[:, 19, 0], state["conv1.weight"].mean(1))


def test_table_1s_output_sizes():
    with torch.device("meta"):
        net = builders.build("st_resnet_star", num_classes=101)
        x = net.appearance.start(torch.zeros(1, 3, 11, 224, 224))
        sizes = [tuple(x.shape[1:])] + [tuple((x := stage(x)).shape[1:]) for stage in net.appearance.stages()]
        pooled = net.head(net.appearance, x)
    assert sizes[0] == (64, 11, 56, 56)
    assert sizes[1:] == [(256, 11, 56, 56), (512, 11, 28, 28), (1024, 11, 14, 14), (2048, 11, 7, 7)]
    assert pooled.shape == (1, 4, 101)


def test_table_1s_receptive_fields_in_time():
    net = small()
    for parameter in net.parameters():
        parameter.data.abs_()  # so that nothing cancels and no ReLU shuts
    for stage, field in enumerate((5, 9, 13, 17), 1):
        rgb = torch.ones(1, 3, 19, 48, 48, requires_grad=True)
        x = net.appearance.start(rgb)
        for layers in net.appearance.stages()[:stage]:
            x = layers(x)
        (seen,) = torch.autograd.grad(x[:, :, 9].sum(), rgb)
        assert seen.any((0, 1, 3, 4)).sum() == field


@pytest.mark.parametrize(("name", "times", "chunks"), [("st_resnet", 5, 5), ("st_resnet_star", 11, 4)])
def test_every_chunk_has_a_loss_in_training_and_the_clip_one_score_a_stream_in_evaluation(name, times, chunks):
    net, (rgb, flow) = small(name), clips(times)
    a, m = net(rgb, flow)
    for layer in net.modules():
        layer.training = layer is net  # the network's way in training, the normalisations' in evaluation
    of_chunks = net(rgb, flow)
    assert len(of_chunks) == 2 * chunks
    assert torch.allclose(torch.stack(of_chunks[:chunks]).mean(0), a, atol=1e-5)
    assert torch.allclose(torch.stack(of_chunks[chunks:]).mean(0), m, atol=1e-5)
    assert len(small(name, losses="clip").train()(rgb, flow)) == 2


def test_the_maxima_are_over_five_chunks_with_stride_2():
    net = small("st_resnet_star")
    x = torch.rand(2, net.appearance.fc.in_features, 11, 2, 2)
    means = x.mean((3, 4))
    expected = torch.stack([means[:, :, t : t + 5].amax(2) for t in (0, 2, 4, 6)], 1)
    assert torch.allclose(net.head(net.appearance, x), net.appearance.fc(expected), atol=1e-6)


def test_larger_pictures_and_longer_clips_are_averaged():
    net, (rgb, flow) = small("st_resnet_star"), clips(25, 96)
    maps = net.maps(rgb, flow)
    assert [tuple(x.shape[2:]) for x in maps] == [(25, 3, 3)] * 2  # of a crop it is 2 x 2
    windows = net.appearance.pool5(maps[0])  # (2, 256, 25, 2, 2)
    of_each = [net.head(net.appearance, maps[0][..., y : y + 2, x : x + 2]) for y in (0, 1) for x in (0, 1)]
    assert windows.shape[3:] == (2, 2)
    assert torch.allclose(net(rgb, flow)[0], torch.stack(of_each).mean((0, 2)), atol=1e-5)


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ([(3, 11, 48, 48), (20, 10, 48, 48)], r"\(11, 48, 48\) and \(10, 48, 48\)"),
        ([(3, 4, 48, 48), (20, 4, 48, 48)], "4 chunks but its maxima are over 5"),
        ([(3, 5, 48, 48), (2, 5, 48, 48)], "2 channels but was built for 20"),
        ([(3, 5, 32, 32), (20, 5, 32, 32)], r"\(32, 32\) pixels but was built for \(48, 48\) or more"),
    ],
)
def test_an_input_of_another_shape_is_refused_with_both_values(shapes, words):
    with pytest.raises(UserError, match=words):
        small("st_resnet_star")(*(torch.zeros(1, *shape) for shape in shapes))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"connection": "product"}, "no connection 'product': choose one of residual, direct"),
        ({"pool": "pool4"}, "no pool 'pool4'"),
        ({"losses": "joint"}, "no losses 'joint'"),
        ({"border": "mirror"}, "no border 'mirror': choose one of zeros, replicate"),
        ({"depth": (2, 1, 2, 2)}, r"depth is \(2, 1, 2, 2\)"),
        ({"crop": 16}, "crops of 16 pixels"),
    ],
)
def test_impossible_options_are_refused_in_one_sentence(options, words):
    with pytest.raises(UserError, match=words):
        builders.build("st_resnet", num_classes=7, **(NARROW | options))
