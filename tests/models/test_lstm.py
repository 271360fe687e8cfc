"""ConvNet+LSTM: the batch-normalised recurrence against a plain torch reference, its steps, its losses."""

import pytest
import torch

from pipeline.common.errors import UserError
from pipeline.models import builders
from pipeline.models.lstm import BNLSTM, StepNorm


def small(**options):
    torch.manual_seed(0)
    return builders.build("conv_lstm", num_classes=7, **({"width": 0.125, "crop": 56, "frames": 4} | options))


def normalised(x):
    return (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt()


def reference(lstm, x):
    """Cooijmans et al. 2017, eq. 6-8, with the moments of the batch."""
    h, c, states = torch.zeros(len(x), lstm.hidden), torch.zeros(len(x), lstm.hidden), []
    for step in range(x.shape[1]):
        from_h = lstm.norm_h.scale * normalised(h @ lstm.h.weight.T)
        from_x = lstm.norm_x.scale * normalised(x[:, step] @ lstm.x.weight.T)
        f, i, o, g = (from_h + from_x + lstm.bias).split(lstm.hidden, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(lstm.norm_c.scale * normalised(c) + lstm.shift_c)
        states.append(h)
    return torch.stack(states, 1)


def test_the_recurrence_is_equations_6_to_8():
    torch.manual_seed(0)
    lstm, x = BNLSTM(5, 3, steps=4), torch.randn(6, 4, 5)
    torch.nn.init.normal_(lstm.bias)
    assert torch.allclose(lstm(x), reference(lstm, x), atol=1e-5)


def test_each_step_has_its_own_statistics_and_later_steps_use_the_last():
    norm = StepNorm(1, steps=2)
    for step, mean in ((0, 3.0), (1, 5.0)):
        for _ in range(200):
            norm(torch.tensor([[mean - 1], [mean + 1]]), step)
    at = [norm.eval()(torch.full((1, 1), 5.0), step).item() for step in (0, 1, 2)]
    assert at == pytest.approx([0.1 * 2 / 2**0.5, 0, 0], abs=1e-3)


def test_training_outputs_every_step_and_evaluation_the_last():
    net, x = small(), torch.randn(2, 3, 6, 56, 56)
    assert [tuple(logits.shape) for logits in net(x)] == [(2, 7)] * 6
    net.eval()
    assert torch.equal(net(x), net.step_logits(x)[:, -1])


def test_an_output_depends_on_earlier_frames_and_not_on_later_ones():
    net, x = small().eval(), torch.randn(1, 3, 3, 56, 56)
    first, last = x.clone(), x.clone()
    first[:, :, 0], last[:, :, -1] = 0, 0
    assert not torch.allclose(net(x), net(first), atol=1e-7)
    assert torch.equal(net.step_logits(x)[:, :2], net.step_logits(last)[:, :2])


@pytest.mark.parametrize(
    ("shape", "words"),
    [((2, 2, 4, 56, 56), "2 channels.*built for 3"), ((2, 3, 56, 56), "clips of"), ((1, 3, 4, 56, 56), "batch of 1")],
)
def test_an_input_of_another_shape_is_refused_in_one_sentence(shape, words):
    with pytest.raises(UserError, match=words):
        small()(torch.zeros(shape))
