"""Imported nets give the source's activations: each net written out in numpy, in the source's names and layouts."""

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from pipeline.models import builders
from pipeline.weights.frameworks.layouts import moments
from pipeline.weights.import_file import import_file
from tests.helpers import weightfiles as wf

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def one_blas_thread():
    """Small products are slower on many, and slower still on a busy machine."""
    with threadpool_limits(1):
        yield


def normal(*shape, deviation=1.0):
    return (RNG.standard_normal(shape) * deviation).astype(np.float32)


def windows(x, kernel, stride):
    """Every place of a window over the middle axes of (B, ..., C), as views of x shifted by its offsets."""
    sizes = [(n - k) // s + 1 for n, k, s in zip(x.shape[1:-1], kernel, stride, strict=True)]
    for offset in np.ndindex(*kernel):
        cuts = [slice(o, o + s * n, s) for o, n, s in zip(offset, sizes, stride, strict=True)]
        yield offset, x[(slice(None), *cuts)]


def same_pad(x, kernel, stride, fill=0.0):
    """TensorFlow's SAME."""
    zeros = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(x.shape[1:-1], kernel, stride, strict=True)]
    return np.pad(x, [(0, 0), *((z // 2, z - z // 2) for z in zeros), (0, 0)], constant_values=fill)


def conv(x, w, stride=1):
    """x (B, ..., I) with filters (..., I, O), no padding."""
    kernel = w.shape[:-2]
    return sum(part @ w[offset] for offset, part in windows(x, kernel, (stride,) * len(kernel)))


def max_pool(x, kernel, stride):
    return np.max([part for _, part in windows(x, kernel, stride)], axis=0)


def ceil_pool(x, size=3, stride=2):
    """Caffe's pooling: the last window may reach over the border."""
    over = [(-(n - size)) % stride for n in x.shape[1:-1]]
    x = np.pad(x, [(0, 0), *((0, z) for z in over), (0, 0)], constant_values=-np.inf)
    return max_pool(x, (size, size), (stride, stride))


def relu(x):
    return np.maximum(x, 0)


def pad(x, margin):
    return np.pad(x, [(0, 0), (margin, margin), (margin, margin), (0, 0)])


def close(ours, theirs):
    """(B, C, ...) of torch against (B, ..., C), within a thousandth of the largest."""
    theirs = np.moveaxis(theirs, -1, 1)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3 * np.abs(theirs).max() + 1e-6)


def loaded(form, path, model, **options):
    tensors, metadata = import_file(form, path, model, options=options)
    net = builders.build(model, num_classes=metadata["num_classes"], **metadata["options"])
    net.load_state_dict(tensors)
    return net.eval()


@torch.inference_mode()
def outputs(net, x):
    """{module: its output} by name, and the net's under ""; an in-place ReLU behind a layer shows in it."""
    found = {}
    for name, module in net.named_modules():
        module.register_forward_hook(lambda _, __, out, name=name: found.__setitem__(name, out))
    net(torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1))))
    return {name: out.numpy() for name, out in found.items()}


# CNN-M and VGG-16 of Caffe and MatConvNet


def caffe_lrn(x, size=5, alpha=5e-4, beta=0.75, k=2.0):
    squares = np.pad(np.square(x), [(0, 0)] * 3 + [(size // 2, size // 2)])
    sums = sum(squares[..., shift : shift + x.shape[-1]] for shift in range(size))
    return x / (k + alpha / size * sums) ** beta


def hwio(w):
    return w.transpose(2, 3, 1, 0)


def cnn_m(layers, picture):
    """VGG_CNN_M_2048's deploy.prototxt with Caffe's (O, I, H, W) filters; what fc6 flattens is (C, H, W)."""
    maps, x = {}, picture
    for number, (stride, margin, norm, pool) in enumerate(
        [(2, 0, True, True), (2, 1, True, True), (1, 1, False, False), (1, 1, False, False), (1, 1, False, True)]
    ):
        filters, bias = layers[f"conv{number + 1}"]
        x = maps[f"conv{number + 1}"] = relu(conv(pad(x, margin), hwio(filters), stride) + bias.ravel())
        x = caffe_lrn(x) if norm else x
        x = ceil_pool(x) if pool else x
    x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
    for name in ("fc6", "fc7", "fc8"):
        filters, bias = layers[name]
        x = x @ filters.reshape(filters.shape[-2:]).T + bias.ravel()
        x = maps[name] = x if name == "fc8" else relu(x)
    return maps


def layers_of(convs, fcs, inputs):
    """{layer: [filters, bias]}, He's normal."""
    made = {}
    for name, outs, size in convs:
        made[name] = [normal(outs, inputs, size, size, deviation=(2 / inputs / size**2) ** 0.5), normal(outs) / 10]
        inputs = outs
    for name, outs, ins in fcs:
        made[name] = [normal(outs, ins, deviation=(2 / ins) ** 0.5), normal(outs) / 10]
    return made


def cnn_m_layers(channels):
    convs = [("conv1", 10, 7), ("conv2", 26, 5), ("conv3", 51, 3), ("conv4", 51, 3), ("conv5", 51, 3)]
    return layers_of(convs, [("fc6", 410, 51 * 36), ("fc7", 205, 410), ("fc8", 5, 205)], channels)


def cnn_m_agrees(net, layers, picture, seen):
    ours, theirs = outputs(net, picture), cnn_m(layers, seen)
    for number, name in ((1, "0"), (2, "3"), (3, "6"), (4, "7"), (5, "8")):
        close(ours[f"features.{name}"], theirs[f"conv{number}"])
    for name, layer in (("classifier.0", "fc6"), ("classifier.1", "fc7"), ("", "fc8")):
        close(ours[name], theirs[layer])


@pytest.mark.parametrize(("version", "legacy"), [(1, True), (2, False)])
def test_cnn_m_of_caffe_on_rgb_equals_caffe_on_bgr(tmp_path, version, legacy):
    layers, picture = cnn_m_layers(3), normal(2, 224, 224, 3)
    wf.caffemodel(tmp_path / "m.caffemodel", layers, version, legacy=legacy)
    net = loaded("caffe", tmp_path / "m.caffemodel", "cnn_m_2048", width=0.1)
    cnn_m_agrees(net, layers, picture, picture[..., ::-1])


def test_cnn_m_over_flow_keeps_its_channels(tmp_path):
    layers, stack = cnn_m_layers(20), normal(1, 224, 224, 20)
    wf.caffemodel(tmp_path / "m.caffemodel", layers)
    net = loaded("caffe", tmp_path / "m.caffemodel", "cnn_m_2048", width=0.1)
    cnn_m_agrees(net, layers, stack, stack)


def matconvnets(layers, side):
    """Caffe's layers as MatConvNet has them: (H, W, I, O), fc6 a convolution over the whole map, biases in a row."""
    made = {}
    for name, (filters, bias) in layers.items():
        if filters.ndim == 2:
            size = side if name == "fc6" else 1
            filters = filters.reshape(len(filters), -1, size, size)
        made[name] = [hwio(filters), bias[None]]
    return made


@pytest.mark.parametrize("write", [wf.simple, wf.simple_v73])
def test_cnn_m_of_matconvnet(tmp_path, write):
    layers, picture = cnn_m_layers(3), normal(1, 224, 224, 3)
    write(tmp_path / "m.mat", matconvnets(layers, 6))
    cnn_m_agrees(loaded("matconvnet", tmp_path / "m.mat", "cnn_m_2048", width=0.1), layers, picture, picture)


VGG = [2, 2, 3, 3, 3]  # layers in each of the five blocks


def vgg_layers(width=8, side=2):
    filters = [width, 2 * width, 4 * width, 8 * width, 8 * width]
    convs = [(f"conv{b + 1}_{n + 1}", filters[b], 3) for b, count in enumerate(VGG) for n in range(count)]
    return layers_of(convs, [("fc6", 512, 64 * side**2), ("fc7", 512, 512), ("fc8", 5, 512)], 3)


def vgg(layers, picture):
    maps, x = {}, picture
    for block, count in enumerate(VGG, 1):
        for name in (f"conv{block}_{n + 1}" for n in range(count)):
            x = maps[name] = relu(conv(pad(x, 1), hwio(layers[name][0])) + layers[name][1])
        x = max_pool(x, (2, 2), (2, 2))
    x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
    for name in ("fc6", "fc7", "fc8"):
        x = x @ layers[name][0].T + layers[name][1]
        x = maps[name] = x if name == "fc8" else relu(x)
    return maps


def slim_vgg(layers):
    """The same under the names of TensorFlow-Slim, fully connected layers as convolutions."""
    made = {"global_step": np.array(4, np.int64), "stream0/vgg_16/fc7/weights/Momentum": normal(3)}
    for name, (filters, bias) in matconvnets(layers, 2).items():
        scope = f"{name[:5]}/{name}" if name.startswith("conv") else name
        made |= {f"stream0/vgg_16/{scope}/weights": filters, f"stream0/vgg_16/{scope}/biases": bias[0]}
    return made


WRITERS = {
    "caffe": lambda path, layers: wf.caffemodel(path, layers, 1, legacy=True),
    "matconvnet": lambda path, layers: wf.simple(path, matconvnets(layers, 2)),
    "tensorflow": lambda path, layers: wf.single(path, slim_vgg(layers)),
}


@pytest.mark.parametrize("form", WRITERS)
def test_vgg_16_of_every_framework(tmp_path, form):
    layers, picture = vgg_layers(), normal(1, 64, 64, 3)
    WRITERS[form](tmp_path / "vgg.mat", layers)
    ours = outputs(loaded(form, tmp_path / "vgg.mat", "vgg_16", width=0.125, crop=64), picture)
    theirs = vgg(layers, picture[..., ::-1] if form == "caffe" else picture)
    relus = [1, 3, 6, 8, 11, 13, 15, 18, 20, 22, 25, 27, 29]  # torchvision's places of the ReLUs
    convs = [name for name in theirs if name.startswith("conv")]
    for place, name in zip(relus, convs, strict=True):
        close(ours[f"features.{place}"], theirs[name])
    close(ours[""], theirs["fc8"])


# ResNet-50 of MatConvNet


def norm_weights(name, outs):
    moments = np.stack([normal(outs) / 5, RNG.uniform(0.5, 1.5, outs).astype(np.float32)], 1)
    return {f"{name}_mult": RNG.uniform(0.5, 1.5, (outs, 1)).astype(np.float32), f"{name}_bias": normal(outs, 1) / 5,
            f"{name}_moments": moments}  # fmt: skip


def mat_norm(p, name, x):
    """vl_nnbnorm with given moments: mean and standard deviation, and no epsilon."""
    mean, deviation = p[f"{name}_moments"].T
    return p[f"{name}_mult"].ravel() * (x - mean) / deviation + p[f"{name}_bias"].ravel()


def filters_of(size, ins, outs):
    return normal(size, size, ins, outs, deviation=(2 / ins / size**2) ** 0.5)


DEPTH = (2, 3, 1, 1)


def res_params(depth=DEPTH, width=8):
    p = {"conv1_filter": filters_of(7, 3, width), "conv1_bias": normal(width, 1), **norm_weights("bn_conv1", width)}
    ins = width
    for stage, units in enumerate(depth, 2):
        plane = width << (stage - 2)
        for unit in "abcdef"[:units]:
            branches = [("2a", 1, ins, plane), ("2b", 3, plane, plane), ("2c", 1, plane, 4 * plane)]
            branches += [("1", 1, ins, 4 * plane)] if unit == "a" else []
            for branch, size, before, after in branches:
                p[f"res{stage}{unit}_branch{branch}_filter"] = filters_of(size, before, after)
                p |= norm_weights(f"bn{stage}{unit}_branch{branch}", after)
            ins = 4 * plane
    return p | {"fc1000_filter": normal(1, 1, ins, 5, deviation=0.1), "fc1000_bias": normal(5, 1)}


def resnet(p, x):
    """He et al.'s net: conv1 with a bias, pool without padding, a stage's stride in its first 1x1 convolutions."""
    maps = {}
    x = relu(mat_norm(p, "bn_conv1", conv(pad(x, 3), p["conv1_filter"], 2) + p["conv1_bias"].ravel()))
    x = ceil_pool(x)
    for stage, units in enumerate(DEPTH, 2):
        for unit in "abcdef"[:units]:
            name = f"{stage}{unit}_branch"
            stride = 2 if unit == "a" and stage > 2 else 1
            y = relu(mat_norm(p, f"bn{name}2a", conv(x, p[f"res{name}2a_filter"], stride)))
            y = relu(mat_norm(p, f"bn{name}2b", conv(pad(y, 1), p[f"res{name}2b_filter"])))
            y = mat_norm(p, f"bn{name}2c", conv(y, p[f"res{name}2c_filter"]))
            if unit == "a":
                x = mat_norm(p, f"bn{name}1", conv(x, p[f"res{name}1_filter"], stride))
            x = maps[f"layer{stage - 1}.{'abcdef'.index(unit)}"] = relu(x + y)
    maps[""] = x.mean((1, 2)) @ p["fc1000_filter"][0, 0] + p["fc1000_bias"].ravel()
    return maps


def res_dag(path, p):
    """As MATLAB saves it: without last axes of 1."""
    wf.dag(
        path, {name: array.reshape(array.shape[:3]) if array.shape[3:] == (1,) else array for name, array in p.items()}
    )


@pytest.mark.parametrize("write", [res_dag, wf.dag_v73])
def test_resnet_50_of_matconvnet(tmp_path, write):
    p, picture = res_params(), normal(1, 64, 64, 3)
    write(tmp_path / "r.mat", p)
    net = loaded("matconvnet", tmp_path / "r.mat", "resnet_50", width=0.125, depth=DEPTH, crop=64)
    ours = outputs(net, picture)
    for name, theirs in resnet(p, picture).items():
        close(ours[name], theirs)


def test_moments_are_torchs_variance_however_small():
    mean, variance = moments(np.array([[3, 0.004], [1, 1]], np.float32))
    np.testing.assert_allclose(np.sqrt(variance + 1e-5), [0.004, 1], rtol=1e-6)
    assert mean.tolist() == [3, 1]


@pytest.mark.parametrize(
    ("form", "model", "options"),
    [
        ("torchvision", "vgg_16", {"width": 0.125, "crop": 64}),
        ("torchvision", "resnet_50", {"width": 0.125}),
        ("pytorch-i3d", "i3d", {"width": 0.0625}),
    ],
)
@pytest.mark.parametrize("counters", [True, False])
def test_state_dicts_with_our_names_are_unchanged(tmp_path, form, model, options, counters):
    state = builders.build(model, num_classes=5, **options).state_dict()
    given = {name: value for name, value in state.items() if counters or not name.endswith("num_batches_tracked")}
    torch.save(given, tmp_path / "w.pth")
    tensors, metadata = import_file(form, tmp_path / "w.pth", model, options=options)
    assert metadata["num_classes"] == 5
    assert all(torch.equal(tensors[name], value) for name, value in state.items())
    assert tensors.keys() == state.keys()
