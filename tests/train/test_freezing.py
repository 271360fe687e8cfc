"""Which parameters and statistics a training leaves as they are."""

import pytest
import torch
from torch import nn

from pipeline.common.errors import UserError
from pipeline.models import builders
from pipeline.train import freezing

HEADS = ["fc.weight", "fc.bias"]


def small():
    """Two normalised convolutions and a head."""
    layers = {"conv1": nn.Conv2d(3, 4, 1), "bn1": nn.BatchNorm2d(4), "conv2": nn.Conv2d(4, 4, 1)}
    layers |= {"bn2": nn.BatchNorm2d(4), "pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "fc": nn.Linear(4, 2)}
    torch.manual_seed(0)
    return nn.ModuleDict(layers)


def learning(net):
    return {name for name, parameter in net.named_parameters() if parameter.requires_grad}


def moving(net, freeze_bn=False):
    """The batch normalisations whose moments a forward pass in training mode changes."""
    freezing.train_mode(net, freeze_bn)
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    x = torch.randn(8, 3, 5, 5)
    for layer in net.values():
        x = layer(x)
    return {name.split(".")[0] for name, buffer in net.named_buffers() if not torch.equal(buffer, before[name])}


def test_all_learns_unless_said_otherwise():
    net = small()
    freezing.freeze(net, "all", HEADS)
    assert len(learning(net)) == len(list(net.parameters()))


def test_the_head_alone_learns_where_the_recipe_says_head():
    net = small()
    freezing.freeze(net, "head", HEADS)
    assert learning(net) == set(HEADS)


def test_parts_learn_by_what_their_names_begin_with():
    net = small()
    freezing.freeze(net, ["conv2", "fc"], HEADS)
    assert learning(net) == {"conv2.weight", "conv2.bias", *HEADS}


def test_a_part_that_the_network_has_not_is_refused_with_those_it_has():
    with pytest.raises(UserError, match=r"trains is \['conv9'\].*begin with bn1, bn2, conv1, conv2, fc"):
        freezing.freeze(small(), ["conv9"], HEADS)


def test_what_a_networks_own_stage_freezes_stays_frozen():
    net = builders.build("action_vlad", num_classes=2, width=0.03, crop=32, clusters=4, stage=1)
    before = learning(net)
    freezing.freeze(net, ["classifier", "trunk"], [])
    assert learning(net) == before == {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize(("freeze_bn", "moves"), [(False, {"bn1", "bn2"}), ("all but first", {"bn1"}), (True, set())])
def test_frozen_batch_normalisations_keep_their_moments(freeze_bn, moves):
    assert moving(small(), freeze_bn=freeze_bn) == moves


def test_a_normalisation_that_nothing_trains_keeps_its_moments():
    net = small()
    freezing.freeze(net, ["bn2", "fc"], HEADS)
    assert moving(net) == {"bn2"}


def test_dropout_is_active_in_a_network_whose_normalisations_are_frozen():
    net = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
    freezing.train_mode(net, True)
    assert net[1].training
    assert not net[0].training
