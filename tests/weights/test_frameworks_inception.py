"""The same for Inception-v1 and I3D of TensorFlow, one statement of both; and first layers turned to our pixels."""

import numpy as np
import pytest
import torch

from pipeline.common.errors import UserError
from pipeline.models import builders
from pipeline.weights.import_file import import_file
from tests.helpers import weightfiles as wf
from tests.weights.test_frameworks_nets import (
    RNG,
    close,
    cnn_m,
    cnn_m_layers,
    conv,
    loaded,
    matconvnets,
    max_pool,
    normal,
    one_blas_thread,  # noqa: F401 (a fixture)
    outputs,
    relu,
    same_pad,
    windows,
)  # fmt: skip

MODULES = {
    "3b": (64, 96, 128, 16, 32, 32), "3c": (128, 128, 192, 32, 96, 64), "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64), "4d": (128, 128, 256, 24, 64, 64), "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128), "5b": (256, 160, 320, 32, 128, 128), "5c": (384, 192, 384, 48, 128, 128),
}  # fmt: skip


class Inception:
    """Both releases: makes its variables as it goes over an input, and keeps them and every endpoint."""

    def __init__(self, dims, width, prefix):
        self.dims, self.width, self.prefix = dims, width, prefix
        self.conv = "weights" if dims == 2 else "conv_3d/w"
        self.norm = "BatchNorm" if dims == 2 else "batch_norm"
        self.variables, self.ends = {}, {}

    def unit(self, x, scope, filters, size, stride=1):
        """Convolution, batch normalisation with epsilon 1e-3 and no gamma, ReLU."""
        outs, kernel = max(8, round(filters * self.width)), (size,) * self.dims
        w = normal(*kernel, x.shape[-1], outs, deviation=(2 / x.shape[-1] / size**self.dims) ** 0.5)
        ones = (1,) * (self.dims + 1) if self.dims == 3 else ()  # Sonnet keeps its axes
        mean, beta = normal(*ones, outs) / 10, normal(*ones, outs) / 10
        variance = RNG.uniform(0.0005, 1.5, (*ones, outs)).astype(np.float32)
        norms = {"moving_mean": mean, "moving_variance": variance, "beta": beta}
        scope = f"{self.prefix}{scope}/"
        self.variables |= {scope + self.conv: w} | {f"{scope}{self.norm}/{name}": n for name, n in norms.items()}
        x = conv(same_pad(x, kernel, (stride,) * self.dims), w, stride)
        return relu((x - mean) / np.sqrt(variance + 1e-3) + beta)

    def pool(self, x, kernel, stride):
        kernel, stride = kernel[-self.dims :], stride[-self.dims :]
        return max_pool(same_pad(x, kernel, stride, -np.inf), kernel, stride)

    def mixed(self, x, name, filters):
        d, typo = f"Conv{self.dims}d", "a" if name == "5b" else "b"
        scope = f"Mixed_{name}/Branch_"
        one = self.unit(x, f"{scope}0/{d}_0a_1x1", filters[0], 1)
        two = self.unit(self.unit(x, f"{scope}1/{d}_0a_1x1", filters[1], 1), f"{scope}1/{d}_0b_3x3", filters[2], 3)
        three = self.unit(x, f"{scope}2/{d}_0a_1x1", filters[3], 1)
        three = self.unit(three, f"{scope}2/{d}_0{typo}_3x3", filters[4], 3)
        four = self.unit(self.pool(x, (3, 3, 3), (1, 1, 1)), f"{scope}3/{d}_0b_1x1", filters[5], 1)
        return np.concatenate([one, two, three, four], -1)

    def __call__(self, x, classes):
        d = f"Conv{self.dims}d"
        x = self.ends[f"{d}_1a_7x7"] = self.unit(x, f"{d}_1a_7x7", 64, 7, 2)
        x = self.pool(x, (1, 3, 3), (1, 2, 2))
        x = self.ends[f"{d}_2b_1x1"] = self.unit(x, f"{d}_2b_1x1", 64, 1)
        x = self.ends[f"{d}_2c_3x3"] = self.unit(x, f"{d}_2c_3x3", 192, 3)
        x = self.pool(x, (1, 3, 3), (1, 2, 2))
        for name, filters in MODULES.items():
            if name in ("4b", "5b"):
                size = 3 if name == "4b" else 2
                x = self.pool(x, (size,) * 3, (2,) * 3)
            x = self.ends[f"Mixed_{name}"] = self.mixed(x, name, filters)
        kernel = (2, *x.shape[2:-1])[-self.dims :] if self.dims == 3 else x.shape[1:-1]
        x = np.mean([part for _, part in windows(x, kernel, (1,) * self.dims)], axis=0)
        scope = f"{self.prefix}Logits/{d}_0c_1x1/"
        w, b = normal(*(1,) * self.dims, x.shape[-1], classes, deviation=0.1), normal(classes)
        names = ("weights", "biases") if self.dims == 2 else ("conv_3d/w", "conv_3d/b")
        self.variables |= {scope + names[0]: w, scope + names[1]: b}
        self.ends[""] = (conv(x, w) + b).reshape(len(x), -1, classes).mean(1)


@pytest.mark.parametrize(
    ("model", "prefix", "shape", "write"),
    [
        ("inception_v1", "InceptionV1/", (2, 64, 64, 3), wf.single),
        ("i3d", "RGB/inception_i3d/", (1, 18, 48, 48, 3), wf.bundle),
        ("i3d", "Flow/inception_i3d/", (1, 10, 48, 48, 2), wf.bundle),
        ("i3d", "", (1, 9, 33, 33, 3), wf.bundle),
    ],
)
def test_inception_of_tensorflow(tmp_path, model, prefix, shape, write):
    source, x = Inception(len(shape) - 2, 0.0625, prefix), normal(*shape)
    source(x, classes=5)
    write(tmp_path / "model.ckpt", source.variables)
    ours = outputs(loaded("tensorflow", tmp_path / "model.ckpt", model, width=0.0625, crop=shape[-2]), x)
    for name, theirs in source.ends.items():
        close(ours[name], theirs)


SEEN = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # this pipeline's mean and deviation of RGB


def with_our_pixels(form, path, model, **options):
    tensors, metadata = import_file(form, path, model, options=options, our_pixels=True)
    net = builders.build(model, num_classes=metadata["num_classes"], **metadata["options"])
    net.load_state_dict(tensors)
    return net.eval()


def test_caffes_cnn_m_takes_this_pipelines_normalised_pixels(tmp_path):
    layers, picture = cnn_m_layers(3), RNG.integers(0, 256, (1, 224, 224, 3))
    wf.caffemodel(tmp_path / "m.caffemodel", layers)
    net = with_our_pixels("caffe", tmp_path / "m.caffemodel", "cnn_m_2048", width=0.1)
    ours = outputs(net, ((picture / 255 - SEEN[0]) / SEEN[1]).astype("f"))
    theirs = cnn_m(layers, (picture - [123.68, 116.779, 103.939])[..., ::-1])
    close(ours["features.0"], theirs["conv1"])
    close(ours[""], theirs["fc8"])


def test_i3d_takes_this_pipelines_flow_and_except_at_the_border_its_rgb(tmp_path):
    source, flow = Inception(3, 0.0625, "Flow/inception_i3d/"), RNG.uniform(-20, 20, (1, 9, 33, 33, 2)).astype("f")
    source(flow / 20, classes=5)
    wf.bundle(tmp_path / "flow", source.variables)
    net = with_our_pixels("tensorflow", tmp_path / "flow", "i3d", width=0.0625, crop=33)
    close(outputs(net, flow)[""], source.ends[""])

    source, clip = Inception(3, 0.0625, "RGB/inception_i3d/"), RNG.integers(0, 256, (1, 9, 33, 33, 3))
    source((clip / 127.5 - 1).astype("f"), classes=5)
    wf.bundle(tmp_path / "rgb", source.variables)
    net = with_our_pixels("tensorflow", tmp_path / "rgb", "i3d", width=0.0625, crop=33)
    ours = outputs(net, ((clip / 255 - SEEN[0]) / SEEN[1]).astype("f"))["Conv3d_1a_7x7"]
    close(ours[:, :, 2:-2, 2:-2, 2:-2], source.ends["Conv3d_1a_7x7"][:, 2:-2, 2:-2, 2:-2])


def test_torchvisions_normalisation_is_this_pipelines(tmp_path):
    state = builders.build("resnet_50", num_classes=5, width=0.125).state_dict()
    torch.save(state, tmp_path / "r.pth")
    net = with_our_pixels("torchvision", tmp_path / "r.pth", "resnet_50", width=0.125)
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(tensor, state[name])


def test_an_unknown_normalisation_is_not_guessed(tmp_path):
    wf.simple(tmp_path / "m.mat", matconvnets(cnn_m_layers(3), 6))
    with pytest.raises(UserError, match="the pixels of a cnn_m_2048 of matconvnet are not known"):
        with_our_pixels("matconvnet", tmp_path / "m.mat", "cnn_m_2048", width=0.1)
