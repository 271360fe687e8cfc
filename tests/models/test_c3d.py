"""3D-ConvNet: its table, and a plain torch reference."""

import pytest
import torch
from torch.nn.functional import batch_norm, linear, max_pool3d

from pipeline.common.errors import UserError
from pipeline.models import builders
from tests.models.test_inception import padded

CONVS = {0: 64, 2: 128, 4: 256, 5: 256, 7: 512, 8: 512, 10: 512, 11: 512}  # its number in `features`, its filters
POOLED = (0, 2, 5, 8, 11)


def small(**options):
    torch.manual_seed(0)
    return builders.build("c3d", num_classes=7, **({"width": 0.125, "crop": 56} | options))


def normal(state, name, x):
    moments = [state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
    return torch.relu(batch_norm(x, *moments))


def reference(state, x):
    for number in CONVS:
        x = torch.conv3d(x, state[f"features.{number}.conv.weight"], padding=1)
        x = normal(state, f"features.{number}.bn", x)
        x = max_pool3d(padded(x, (2, 2, 2), (2, 2, 2)), 2) if number in POOLED else x
    x = x.flatten(1)
    for number in (0, 1):
        x = normal(state, f"classifier.{number}.1", linear(x, state[f"classifier.{number}.0.weight"]))
    return linear(x, state["logits.weight"], state["logits.bias"])


def test_logits_equal_those_of_a_plain_torch_reference():
    net, x = small(), torch.randn(2, 3, 16, 56, 56)
    net(x)  # moments that differ from a fresh net's
    assert torch.allclose(net.eval()(x), reference(net.state_dict(), x), atol=1e-4)


def test_it_has_eight_convolutions_and_two_hidden_layers_as_published():
    with torch.device("meta"):
        net = builders.build("c3d", num_classes=400)
    shapes = {name: tuple(tensor.shape) for name, tensor in net.named_parameters()}
    filters = [3, *CONVS.values()]
    expected = [(after, before, 3, 3, 3) for before, after in zip(filters, CONVS.values(), strict=False)]
    assert [shape for shape in shapes.values() if len(shape) == 5] == expected
    linears = [(4096, 512 * 4 * 4), (4096, 4096), (400, 4096)]
    assert [shape for shape in shapes.values() if len(shape) == 2] == linears


def test_the_first_pool_halves_time():
    net = small().eval()
    assert net.features[:2](torch.randn(1, 3, 16, 56, 56)).shape == (1, 8, 8, 28, 28)


@pytest.mark.parametrize(
    ("shape", "words"),
    [((2, 3, 8, 56, 56), r"\(3, 8, 56, 56\).*\(3, 16, 56, 56\)"), ((2, 2, 16, 56, 56), r"\(2, 16.*\(3, 16"),
     ((1, 3, 16, 56, 56), "batch of 1 clip.*2 or more")],
)  # fmt: skip
def test_an_input_of_another_shape_is_refused_with_both_values(shape, words):
    with pytest.raises(UserError, match=words):
        small()(torch.zeros(shape))
