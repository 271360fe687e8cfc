"""Architectures: published facts agree with those computed, except where the papers' own arithmetic is off."""

import csv

import pytest
import torch
from torch import nn

from pipeline.models import registry
from pipeline.models.inception import Trunk
from pipeline.tables import architectures
from pipeline.tables.architecture_list import ARCHITECTURES
from pipeline.tables.architectures import agree
from pipeline.tables.receptive_fields import ReceptiveField, ReceptiveFields


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("a") / "architectures.csv"
    architectures.main(["--out", str(path)])
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_published_facts_agree_except_six_whose_note_says_why(rows):
    differing = {(r["architecture"], r["quantity"], r["at"], r["computed"]) for r in rows if r["agrees"] == "no"}
    assert differing == {
        ("ST-ResNet*", "receptive field WxHxT", "pool5", "675x675x21tau"),
        ("ST-ResNet*", "input window", "tau 15", "315"),
        ("VGG-16", "multiply-adds", "", "15.47G"),
        ("ResNet-50", "parameters", "", "23.71M"),
        ("Inflated Inception-V1", "receptive field time,x,y", "MaxPool3d_5a_2x2", "67,251,251"),
        ("Inflated Inception-V1", "receptive field time,x,y", "avg-pool", "107,571,571"),
    }
    assert all(row["note"] for row in rows if row["agrees"] == "no")


def test_i3ds_table_1_is_regenerated_from_the_code(rows):
    found = {(r["architecture"], r["quantity"]): r["computed"] for r in rows if r["paper"] == "I3D, Table 1"}
    names = ("ConvNet+LSTM", "3D-ConvNet", "Two-Stream", "3D-Fused", "Two-Stream I3D")
    assert [found[name, "parameters"] for name in names] == ["8.96M", "79.65M", "12.07M", "39.77M", "25.37M"]
    assert [found[name, "train footprint"] for name in names] == ["5s", "0.64s", "0.4s", "2s", "2.56s"]
    assert [found[name, "test footprint"] for name in names] == ["10s", "9.6s", "10s", "10s", "10s"]


def test_every_network_has_parameters_and_multiply_adds(rows):
    assert {net.name for architecture in ARCHITECTURES.values() for net in architecture.nets} <= set(registry.entries())
    for quantity in ("parameters", "multiply-adds"):
        assert {row["architecture"] for row in rows if row["quantity"] == quantity} == set(ARCHITECTURES)


def test_the_receptive_field_printed_in_figure_3_is_that_of_four_modules():
    with torch.device("meta"):
        net, clip = Trunk(3, 3, 64, width=1.0), torch.empty(1, 3, 16, 64, 64)
    net.body = tuple(name for name in net.body if name != "Mixed_4c" and not name.startswith("Mixed_5"))
    with torch.no_grad(), ReceptiveFields() as fields:
        fields.of[clip] = ReceptiveField()
        assert fields.of[net.maps(clip)].size == (59, 219, 219)


def test_a_receptive_field_covers_the_pixels_with_a_gradient():
    """A chain of two branches: the elements of the input that the middle of the output depends on."""
    net = nn.ModuleList([nn.Conv2d(1, 1, 5, 2), nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, (1, 5), padding=(0, 2))])
    x = torch.randn(1, 1, 41, 41, requires_grad=True)

    def pass_through(x):
        y = net[0](x)
        return nn.functional.avg_pool2d(net[1](y) + net[2](y), 2, 2)

    made = pass_through(x)
    made[0, 0, 5, 5].backward()
    seen = x.grad[0, 0].nonzero()
    with torch.no_grad(), ReceptiveFields() as fields:
        plain = x.detach()
        fields.of[plain] = ReceptiveField()
        found = fields.of[pass_through(plain)]
    extent = (seen.max(0).values - seen.min(0).values + 1).tolist()
    assert found == ReceptiveField((1, *extent), (1, 4, 4))


@pytest.mark.parametrize(
    ("published", "computed", "wanted"),
    [("79M", "79.65M", True), ("9M", "8.96M", True), ("3.8G", "3.86G", True), ("3.8G", "3.91G", False),
     ("34M", "23.71M", False), ("7,11,11", "7,11,11", True), ("16", "15", False)],
)  # fmt: skip
def test_a_published_number_may_be_cut_or_rounded(published, computed, wanted):
    assert agree(published, computed) is wanted
