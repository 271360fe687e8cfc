"""FstCN: clip pairs, the T-P operator by hand, both paths, the three training steps."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import linear, local_response_norm, max_pool2d, relu

from pipeline.common.errors import UserError
from pipeline.inputs import clip_volumes
from pipeline.models import builders, fstcn
from tests.helpers.tinydata import RECIPE, tiny_shards

pytestmark = pytest.mark.usefixtures("one_thread")

NARROW = {"width": 0.125, "stride2": 1, "crop": 56}


def small(**options):
    torch.manual_seed(0)
    return builders.build("fstcn", num_classes=7, **NARROW, **options).eval()


def clips(batch=2, frames=5):
    return torch.randn(2, batch, 3, frames, 56, 56).unbind()


PAIRS = replace(RECIPE, net="fstcn", stack={"rgb": 1, "difference": 1}, frames=5, stride=5, difference_distance=9)


def pairs(folder, levels, start):
    """The grey levels of a clip at `start` and of its differences, of a video of flat pictures."""
    video = np.repeat(np.array(levels, np.uint8), 16 * 16 * 3).reshape(-1, 16, 16, 3)
    readers = {"rgb": tiny_shards(folder, {"a": video}, "rgb")}
    made = clip_volumes.read_volumes(readers, PAIRS, "a", range(start, start + 25, 5))
    return [volume.pictures[:, 0, 8, 8].tolist() for volume in made.values()]


def test_a_difference_is_between_pictures_nine_apart_and_a_clip_takes_every_fifth(tmp_path):
    squares = [(20 - t) ** 2 // 4 for t in range(45)]
    here, difference = pairs(tmp_path, squares, 3)
    assert here == [squares[t] for t in (3, 8, 13, 18, 23)]
    assert difference == [abs(squares[t] - squares[t + 9]) for t in (3, 8, 13, 18, 23)]


def test_a_short_video_repeats_its_last_picture_with_differences_of_zero(tmp_path):
    here, difference = pairs(tmp_path, [10 * t for t in range(12)], 0)
    assert here == [0, 50, 100, 110, 110]
    assert difference == [90, 60, 10, 0, 0]


def test_the_tp_operator_lays_positions_in_a_row_and_mixes_filters_by_p():
    operator, x = fstcn.TPOperator(4), torch.randn(2, 3, 4, 2, 5)  # (B, T, F, H, W)
    operator.weight.data = p = torch.randn(4, 4)
    made = operator(x)
    assert made.shape == (2, 10, 3, 4)  # (B, HW, T, F')
    by_hand = sum(x[1, 2, f, 1, 3] * p[f, 0] for f in range(4))  # position (1, 3) is the 8th, of time 2 and filter 0
    assert made[1, 8, 2, 0].item() == pytest.approx(by_hand.item(), abs=1e-6)


def test_p_is_the_identity_at_first():
    x = torch.randn(1, 3, 4, 2, 2)
    assert torch.equal(fstcn.TPOperator(4)(x)[0, 3], x[0, :, :, 1, 1])


def test_the_papers_sizes():
    with torch.device("meta"):
        net, x = builders.build("fstcn", num_classes=51), torch.zeros(5, 3, 204, 204)
        maps = net.scl(x)
        sizes = [tuple((x := layer(x)).shape) for layer in [net.scl, *net.temporal]]
    assert maps.shape == (5, 512, 12, 12)
    assert sizes[2:6] == [(5, 128, 4, 4), (1, 5, 128, 4, 4), (1, 16, 5, 128), (1, 64, 5, 128)]
    assert sizes[-2:] == [(1, 4096), (1, 2048)]
    assert net.temporal[3].weight.shape == (128, 128)
    assert net.classifier.in_features == 2 * 2048


def reference(state, rgb, difference):
    """Logits with torch's functions alone."""

    def conv(x, name, **where):
        return relu(torch.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], **where))

    def dense(x, *names):
        for name in names:
            x = relu(linear(x, state[f"{name}.weight"], state[f"{name}.bias"]))
        return x

    def pooled(x, size=3, stride=2):
        return max_pool2d(x, size, stride, ceil_mode=True)

    def scl(x):
        x = pooled(local_response_norm(conv(x, "scl.0.0", stride=2), 5, 5e-4, 0.75, 2.0))
        x = pooled(local_response_norm(conv(x, "scl.3.0", padding=1), 5, 5e-4, 0.75, 2.0))
        return conv(conv(x, "scl.6.0", padding=1), "scl.7.0", padding=1)

    maps = [pooled(conv(scl(difference[:, :, t]), "temporal.0.0", padding=1), 3, 3) for t in range(5)]
    x = torch.stack(maps, 1).flatten(3).transpose(2, 3)  # (B, T, HW, F)
    x = torch.einsum("btpf,fg->bptg", x, state["temporal.3.weight"])
    x = [conv(x, f"temporal.4.branches.{k}x{k}.0.0", padding=k // 2) for k in (3, 5)]
    motion = dense(torch.cat(x, 1).flatten(1), "temporal.6.0", "temporal.7.0")
    x = pooled(conv(scl(rgb[:, :, 2]), "spatial.0.0", padding=1))
    appearance = dense(x.flatten(1), "spatial.3.0", "spatial.4.0")
    return linear(torch.cat([appearance, motion], 1), state["classifier.weight"], state["classifier.bias"])


def test_logits_equal_those_of_a_plain_torch_reference():
    net, (rgb, difference) = small(), clips()
    net.temporal[3].weight.data.normal_()
    torch.testing.assert_close(net(rgb, difference), reference(net.state_dict(), rgb, difference), rtol=1e-4, atol=1e-5)


def test_training_looks_at_a_random_picture_and_evaluation_at_the_middle_one():
    net = small(paths=["spatial"], dropout=0.0)
    rgb = torch.randn(1, 3, 5, 56, 56)
    of_each = torch.cat([net(rgb[:, :, t : t + 1]) for t in range(5)])
    assert torch.allclose(net(rgb), of_each[2:3], atol=1e-6)
    drawn = net.train()(rgb.expand(64, -1, -1, -1, -1))
    nearest = (drawn[:, None] - of_each).abs().amax(2)
    assert nearest.amin(1).max() < 1e-5
    assert set(nearest.argmin(1).tolist()) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(("kernels", "expected"), [((3,), {"3x3"}), ([5], {"5x5"}), ((3, 5), {"3x3", "5x5"})])
def test_each_kernel_can_be_used_alone(kernels, expected):
    net = small(kernels=kernels, paths=("temporal",))
    assert set(net.temporal[4].branches) == expected
    assert net.inputs == ("difference",)
    assert net(clips()[1]).shape == (2, 7)


def names(net, parameters):
    chosen = {id(parameter) for parameter in parameters}
    return {name.split(".")[0] for name, parameter in net.named_parameters() if id(parameter) in chosen}


def test_the_three_steps_train_what_the_paper_trains_in_them():
    net = small()
    assert names(net, net.stage(1)) == {"scl", "spatial", "auxiliary"}
    last = net.stage(2)
    assert [tuple(parameter.shape) for parameter in last[::2]] == [(512, 256), (256, 512), (7, 256)]
    assert net.inputs == ("rgb",)
    assert names(net, net.stage(3)) == {"scl", "temporal", "spatial", "classifier"}
    assert net.inputs == ("rgb", "difference")


def test_a_step_begins_with_the_weights_of_the_one_before():
    first, second = small(stage=1), small(stage=2)
    second.load_state_dict(first.state_dict())
    x = clips(frames=1)[0]
    assert torch.equal(first(x), second(x))
    small(stage=3).load_state_dict(second.state_dict())


@pytest.mark.parametrize("paths", [("spatial", "temporal"), ("temporal",)])
def test_step_3_begins_with_what_step_2_has_of_it(paths):
    net, own = small(paths=paths), small(paths=paths).state_dict()
    step_2 = small(stage=2, paths=("spatial",)).state_dict()
    earlier = {name: torch.full_like(own.get(name, x), 9.0) for name, x in step_2.items()}
    converted = net.convert_weights(earlier)
    assert converted.keys() == own.keys()
    assert all(
        (tensor == 9).all() if name in earlier else tensor.equal(own[name]) for name, tensor in converted.items()
    )


def test_the_auxiliary_network_is_cnn_m():
    cnn_m = builders.build("cnn_m_2048", num_classes=7, **NARROW).eval()
    net = small(stage=1)
    missing = net.load_state_dict(net.rename_weights(cnn_m.state_dict()), strict=False)
    x = clips(frames=1)[0]
    assert torch.allclose(net(x), cnn_m(x[:, :, 0]), atol=1e-6)
    assert {name.split(".")[0] for name in missing.missing_keys} == {"temporal", "classifier"}
    assert missing.unexpected_keys == []


def test_cnn_ms_released_weights_fit_at_204_pixels():
    with torch.device("meta"):
        net = builders.build("fstcn", num_classes=1000)
        theirs = net.rename_weights(builders.build("cnn_m_2048", num_classes=1000).state_dict())
        ours = net.state_dict()
    assert len(theirs) == 16
    assert all(ours[name].shape == tensor.shape for name, tensor in theirs.items())


@pytest.mark.parametrize(
    ("options", "shapes", "words"),
    [
        ({}, [(3, 5, 56, 56), (3, 4, 56, 56)], r"difference of shape \(3, 4, 56, 56\).*\(3, 5, 56, 56\)"),
        ({}, [(1, 5, 56, 56), (3, 5, 56, 56)], r"rgb of shape \(1, 5, 56, 56\).*\(3, 5, 56, 56\)"),
        ({"stage": 2}, [(3, 5, 64, 64)], r"\(3, 5, 64, 64\).*\(3, 5, 56, 56\)"),
    ],
)
def test_an_input_of_another_shape_is_refused_with_both_values(options, shapes, words):
    with pytest.raises(UserError, match=words):
        small(**options)(*(torch.zeros(1, *shape) for shape in shapes))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"crop": 8}, "crops of 8 pixels"),
        ({"paths": ("sound",)}, "no paths sound: choose of spatial, temporal"),
        ({"paths": ()}, "no paths at all"),
        ({"stage": 4}, "no training step 4"),
        ({"stage": 1, "paths": ("temporal",)}, "temporal path has no training step 1: choose step 3"),
    ],
)
def test_impossible_options_are_refused_in_one_sentence(options, words):
    with pytest.raises(UserError, match=words):
        builders.build("fstcn", num_classes=7, **(NARROW | options))
