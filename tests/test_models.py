"""Every network, as the papers give it and at demo size."""

import pytest
import torch

from pipeline import models
from pipeline.errors import UserError

DEMO = {"width": 0.1667, "stride2": 1, "crop": 56}


@pytest.mark.parametrize("channels", [3, 20])
@pytest.mark.parametrize("name", models.names())
def test_a_network_gives_a_logit_a_class_and_every_parameter_a_gradient(name, channels):
    torch.manual_seed(0)
    net = models.build(name, num_classes=7, channels=channels, **DEMO)
    logits = net(torch.randn(4, channels, 56, 56))
    logits.sum().backward()
    assert logits.shape == (4, 7)
    assert torch.isfinite(logits).all()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_cnn_m_has_the_papers_layers():
    net = models.build("cnn_m_2048", num_classes=101)
    shapes = [tuple(p.shape) for n, p in net.named_parameters() if n.endswith("weight")]
    convs = [(96, 3, 7, 7), (256, 96, 5, 5), (512, 256, 3, 3), (512, 512, 3, 3), (512, 512, 3, 3)]
    assert shapes == [*convs, (4096, 512 * 6 * 6), (2048, 4096), (101, 2048)]


def test_the_temporal_form_drops_the_second_normalisation():
    def count(net):
        return sum(isinstance(layer, torch.nn.LocalResponseNorm) for layer in net.modules())

    assert count(models.build("cnn_m_2048", num_classes=2, **DEMO)) == 2
    assert count(models.build("cnn_m_2048", num_classes=2, norm2=False, **DEMO)) == 1


def test_an_input_of_another_size_is_refused_with_both():
    net = models.build("cnn_m_2048", num_classes=2, **DEMO)
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
def test_what_cannot_be_built_is_refused_in_a_sentence(arguments, words):
    with pytest.raises(UserError, match=words):
        models.build(num_classes=2, **arguments)
