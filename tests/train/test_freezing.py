"""Frozen parameters and frozen batch normalisation."""

import pytest
import torch
from torch import nn

from pipeline.common.errors import UserError
from pipeline.models import builders
from pipeline.train import freezing

HEADS = ["fc.weight", "fc.bias"]


def small_net():
    """Two convolutions, each with batch normalisation, and a head."""
    layers = {"conv1": nn.Conv2d(3, 4, 1), "bn1": nn.BatchNorm2d(4), "conv2": nn.Conv2d(4, 4, 1)}
    layers |= {"bn2": nn.BatchNorm2d(4), "pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "fc": nn.Linear(4, 2)}
    torch.manual_seed(0)
    return nn.ModuleDict(layers)


def trainable(net):
    return {name for name, parameter in net.named_parameters() if parameter.requires_grad}


def updated_bn(net, freeze_bn=False):
    """The BatchNorm layers whose statistics a forward pass in training mode changes."""
    freezing.train_mode(net, freeze_bn)
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    x = torch.randn(8, 3, 5, 5)
    for layer in net.values():
        x = layer(x)
    return {name.split(".")[0] for name, buffer in net.named_buffers() if not torch.equal(buffer, before[name])}


def test_all_parameters_are_trainable_with_all():
    net = small_net()
    freezing.freeze(net, "all", HEADS)
    assert len(trainable(net)) == len(list(net.parameters()))


def test_only_the_head_is_trainable_with_head():
    net = small_net()
    freezing.freeze(net, "head", HEADS)
    assert trainable(net) == set(HEADS)


def test_parameters_are_selected_by_prefixes_of_their_names():
    net = small_net()
    freezing.freeze(net, ["conv2", "fc"], HEADS)
    assert trainable(net) == {"conv2.weight", "conv2.bias", *HEADS}


def test_an_unknown_prefix_is_refused_with_the_networks_modules():
    with pytest.raises(UserError, match=r"trainable is \['conv9'\].*begin with bn1, bn2, conv1, conv2, fc"):
        freezing.freeze(small_net(), ["conv9"], HEADS)


def test_parameters_that_a_networks_option_froze_stay_frozen():
    net = builders.build("action_vlad", num_classes=2, width=0.03, crop=32, clusters=4, stage=1)
    before = trainable(net)
    freezing.freeze(net, ["classifier", "trunk"], [])
    assert trainable(net) == before == {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize(("freeze_bn", "updated"), [(False, {"bn1", "bn2"}), ("all but first", {"bn1"}), (True, set())])
def test_frozen_batch_normalisation_keeps_its_statistics(freeze_bn, updated):
    assert updated_bn(small_net(), freeze_bn=freeze_bn) == updated


def test_batch_normalisation_with_frozen_weights_keeps_its_statistics():
    net = small_net()
    freezing.freeze(net, ["bn2", "fc"], HEADS)
    assert updated_bn(net) == {"bn2"}


def test_dropout_stays_active_when_batch_normalisation_is_frozen():
    net = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
    freezing.train_mode(net, True)
    assert net[1].training
    assert not net[0].training
