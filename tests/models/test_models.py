"""Every network at demo size, and what the papers' first one is made of."""

import time

import numpy as np
import pytest
import torch

from pipeline.common.errors import UserError
from pipeline.inputs import flow_stacks
from pipeline.models import builders, registry

pytestmark = pytest.mark.usefixtures("one_thread")

CNN_M = {"width": 0.1667, "stride2": 1, "crop": 56}
FSTCN = {"width": 0.125, "stride2": 1, "crop": 56}
RESNET = {"width": 0.125, "depth": (2, 2, 2, 2), "crop": 48}
INCEPTION = {"width": 0.125, "crop": 56}
VLAD = {"width": 0.125, "crop": 64}
# A line a network and form: its name, its options at demo size, the shapes of its inputs without the batch.
DEMO = [
    ("cnn_m_2048", CNN_M, (3, 56, 56)),
    ("cnn_m_2048", CNN_M | {"channels": 20, "norm2": False}, (20, 56, 56)),
    ("cnn_m_multitask", CNN_M | {"second_classes": 5}, (20, 56, 56)),
    ("cnn_m_slow_fusion", CNN_M, (33, 56, 56)),
    ("resnet_50", RESNET, (3, 48, 48)),
    ("resnet_50", RESNET | {"channels": 20, "form": "caffe"}, (20, 48, 48)),
    ("fstcn", FSTCN, (3, 5, 56, 56), (3, 5, 56, 56)),
    ("fstcn", FSTCN | {"stage": 1}, (3, 1, 56, 56)),
    ("fstcn", FSTCN | {"stage": 2}, (3, 5, 56, 56)),
    ("fstcn", FSTCN | {"kernels": (5,), "paths": ("temporal",)}, (3, 5, 56, 56)),
    ("i3d", INCEPTION, (3, 16, 56, 56)),
    ("i3d", INCEPTION | {"channels": 2}, (2, 16, 56, 56)),
    ("inception_v1", INCEPTION, (3, 56, 56)),
    ("inception_v1", INCEPTION | {"channels": 20}, (20, 56, 56)),
    ("two_stream_inception", INCEPTION, (3, 56, 56), (20, 56, 56)),
    ("fused_3d", INCEPTION, (3, 5, 56, 56), (20, 5, 56, 56)),
    ("conv_lstm", INCEPTION | {"frames": 4}, (3, 4, 56, 56)),
    ("c3d", INCEPTION, (3, 16, 56, 56)),
    ("c3d", INCEPTION | {"channels": 2, "frames": 9}, (2, 9, 56, 56)),
    ("action_vlad", VLAD, (3, 4, 64, 64)),
    ("action_vlad", VLAD | {"channels": 20, "stage": 1}, (20, 4, 64, 64)),
    ("action_vlad", VLAD | {"layer": "conv4_3", "stage": 2}, (3, 4, 64, 64)),
    ("action_vlad", VLAD | {"layer": "fc7"}, (3, 4, 64, 64)),
    ("action_vlad", VLAD | {"pooling": "average"}, (3, 4, 64, 64)),
    ("action_vlad", VLAD | {"pooling": "max"}, (3, 4, 64, 64)),
    ("action_vlad_two_stream", VLAD, (3, 4, 64, 64), (20, 4, 64, 64)),
    ("action_vlad_two_stream", VLAD | {"fusion": "early"}, (3, 4, 64, 64), (20, 2, 64, 64)),
    ("action_vlad_two_stream", VLAD | {"fusion": "concat"}, (3, 4, 64, 64), (20, 4, 64, 64)),
    ("st_resnet", RESNET, (3, 5, 48, 48), (20, 5, 48, 48)),
    ("st_resnet_star", RESNET, (3, 11, 48, 48), (20, 11, 48, 48)),
    ("vgg_16", {"width": 0.125, "crop": 56}, (3, 56, 56)),
    ("vgg_16", {"width": 0.125, "crop": 56, "channels": 20}, (20, 56, 56)),
]
# What the papers feed them: the shapes of a network's inputs with no option set. (ActionVLAD asks for its input's
# device, and so has no test without one.)
PAPER = {
    "c3d": [(3, 16, 112, 112)],
    "cnn_m_2048": [(3, 224, 224)],
    "cnn_m_multitask": [(20, 224, 224)],
    "cnn_m_slow_fusion": [(33, 224, 224)],
    "conv_lstm": [(3, 25, 224, 224)],
    "fstcn": [(3, 5, 204, 204), (3, 5, 204, 204)],
    "fused_3d": [(3, 5, 224, 224), (20, 5, 224, 224)],
    "i3d": [(3, 64, 224, 224)],
    "inception_v1": [(3, 224, 224)],
    "resnet_50": [(3, 224, 224)],
    "st_resnet": [(3, 5, 224, 224), (20, 5, 224, 224)],
    "st_resnet_star": [(3, 11, 224, 224), (20, 11, 224, 224)],
    "two_stream_inception": [(3, 224, 224), (20, 224, 224)],
    "vgg_16": [(3, 224, 224)],
}
every_net = pytest.mark.parametrize(("name", "options", "shapes"), [(n, o, s) for n, o, *s in DEMO])


def built(name, options):
    torch.manual_seed(0)
    return builders.build(name, num_classes=7, **options)


def outputs(net, inputs):
    """A tuple of logits, one for each loss."""
    made = net(*inputs)
    return made if isinstance(made, tuple) else (made,)


def test_every_network_has_a_line():
    assert (
        {name for name, *_ in DEMO} == set(registry.entries()) == set(PAPER) | {"action_vlad", "action_vlad_two_stream"}
    )


@every_net
def test_a_network_gives_finite_logits_and_every_trained_parameter_a_gradient_in_time(name, options, shapes):
    net = built(name, options)
    began = time.process_time()
    made = outputs(net, [torch.randn(2, *shape) for shape in shapes])
    sum(logits.sum() for logits in made).backward()
    assert time.process_time() - began < 2  # seconds
    assert all(logits.ndim == 2 and len(logits) == 2 and torch.isfinite(logits).all() for logits in made)
    assert [n for n, p in net.named_parameters() if p.requires_grad and p.grad is None] == []


@every_net
def test_a_network_names_its_inputs_and_its_state_dict_reproduces_its_outputs(name, options, shapes):
    net, copy = built(name, options).eval(), builders.build(name, num_classes=7, **options).eval()
    assert len(net.inputs) == len(shapes)
    assert set(net.inputs) <= {"rgb", "flow", "difference"}
    copy.load_state_dict(net.state_dict())
    inputs = [torch.randn(2, *shape) for shape in shapes]
    assert all(torch.equal(a, b) for a, b in zip(outputs(net, inputs), outputs(copy, inputs), strict=True))


@pytest.mark.parametrize("name", PAPER)
def test_a_network_takes_the_papers_input_with_no_option_set(name):
    options = {"second_classes": 51} if name == "cnn_m_multitask" else {}
    with torch.device("meta"):  # shapes alone: no memory, no time
        net = builders.build(name, num_classes=101, **options).eval()
        made = outputs(net, [torch.zeros(1, *shape) for shape in PAPER[name]])
    assert [logits.shape[-1] for logits in made] == [101] * len(made)


def first_lines():
    return [(n, o, s) for number, (n, o, *s) in enumerate(DEMO) if n not in [line[0] for line in DEMO[:number]]]


@pytest.mark.parametrize(("name", "options", "shapes"), first_lines())
def test_a_network_can_be_exported_as_one_graph(name, options, shapes):
    net, inputs = built(name, options).eval(), tuple(torch.randn(2, *shape) for shape in shapes)
    graph = torch.export.export(net, inputs).module()
    assert all(torch.equal(a, b) for a, b in zip(outputs(graph, inputs), outputs(net, inputs), strict=True))


def test_cnn_m_has_the_papers_layers():
    net = builders.build("cnn_m_2048", num_classes=101)
    shapes = [tuple(p.shape) for n, p in net.named_parameters() if n.endswith("weight")]
    convs = [(96, 3, 7, 7), (256, 96, 5, 5), (512, 256, 3, 3), (512, 512, 3, 3), (512, 512, 3, 3)]
    assert shapes == [*convs, (4096, 512 * 6 * 6), (2048, 4096), (101, 2048)]


def test_the_temporal_form_drops_the_second_normalisation():
    def count(net):
        return sum(isinstance(layer, torch.nn.LocalResponseNorm) for layer in net.modules())

    assert count(builders.build("cnn_m_2048", num_classes=2, **CNN_M)) == 2
    assert count(builders.build("cnn_m_2048", num_classes=2, norm2=False, **CNN_M)) == 1


def test_the_temporal_network_takes_every_stack_of_table_1b():
    flow, back = np.random.default_rng(0).normal(size=(2, 11, 2, 56, 56)).astype(np.float32)
    stacks = [flow_stacks.simple(flow, 0, length) for length in (1, 5, 10)]
    stacks += [
        flow_stacks.trajectories(flow, 0, 10),
        flow_stacks.bidirectional(flow, back, 5, 10),
    ]
    for volume in stacks:
        net = builders.build("cnn_m_2048", num_classes=7, channels=len(volume), norm2=False, **CNN_M)
        assert net(torch.from_numpy(volume)[None]).shape == (1, 7)
        assert net.inputs == ("flow",)


def test_two_data_sets_share_all_layers_except_the_last():
    net, x = builders.build("cnn_m_multitask", num_classes=7, second_classes=5, **CNN_M), torch.randn(2, 20, 56, 56)
    own = builders.build("cnn_m_2048", num_classes=7, channels=20, norm2=False, **CNN_M)
    assert [logits.shape for logits in net(x)] == [(2, 7), (2, 5)]
    assert net.state_dict().keys() - own.state_dict().keys() == {"second.weight", "second.bias"}
    assert net.eval()(x).shape == (2, 7)


def test_slow_fusion_is_one_network_over_eleven_rgb_frames():
    net = builders.build("cnn_m_slow_fusion", num_classes=7, **CNN_M)
    assert net.features[0][0].weight.shape[1] == 33
    assert net.inputs == ("rgb",)
    with pytest.raises(UserError, match="20 channels but stacks frames of 3"):
        builders.build("cnn_m_slow_fusion", num_classes=7, channels=20, **CNN_M)


def test_an_input_of_another_size_is_refused_with_both():
    net = builders.build("cnn_m_2048", num_classes=2, **CNN_M)
    with pytest.raises(UserError, match=r"\(3, 64, 64\).*\(3, 56, 56\)"):
        net(torch.zeros(1, 3, 64, 64))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "vgg_17"}, "no network 'vgg_17'.*cnn_m_2048"),
        ({"name": "cnn_m_2048", "depth": 3}, "does not take the options.*depth"),
        ({"name": "cnn_m_2048", "crop": 8}, "crops of 8 pixels"),
    ],
)
def test_impossible_options_are_refused_in_one_sentence(arguments, words):
    with pytest.raises(UserError, match=words):
        builders.build(num_classes=2, **arguments)
