"""The same for the nets over video: ST-ResNet of MatConvNet and ActionVLAD of TensorFlow."""

import numpy as np
import torch

from tests.helpers import weightfiles as wf
from tests.weights.test_frameworks_nets import (
    ceil_pool,
    close,
    conv,
    filters_of,
    loaded,
    mat_norm,
    normal,
    one_blas_thread,  # noqa: F401 (a fixture)
    outputs,
    pad,
    relu,
    res_dag,
    res_params,
    slim_vgg,
    vgg,
    vgg_layers,
)  # fmt: skip

DEPTH = (2, 3, 2, 2)

# ST-ResNet of MatConvNet: pictures of all times in one batch, as it holds them


def in_time(x, w):
    """ConvTime: (T, H, W, I) with filters (1, 3, I, O) over the times, zeros before and after."""
    padded = np.pad(x, [(1, 1), (0, 0), (0, 0), (0, 0)])
    return sum(padded[shift : shift + len(x)] @ w[0, shift] for shift in range(3))


def st_params():
    p = {}
    for stream, inputs in (("spatial", 3), ("temporal", 20)):
        own = res_params(DEPTH) | {"conv1_filter": filters_of(7, inputs, 8)}
        for name in own:
            if "b_branch2a_filter" in name or "b_branch2c_filter" in name:
                own[name] = normal(1, 3, *own[name].shape[2:], deviation=own[name].shape[2] ** -0.5)
        p |= {f"{name}_{stream}": array for name, array in own.items()}
    return p


def st_resnet(p, rgb, flow):
    """Eq. 2 at each stage's second unit: the residual branch of appearance takes the sum, its identity does not."""
    streams = {"spatial": rgb, "temporal": flow}
    own = {s: {n.removesuffix(f"_{s}"): array for n, array in p.items() if n.endswith(s)} for s in streams}
    x = {}
    for s, picture in streams.items():
        first = conv(pad(picture, 3), own[s]["conv1_filter"], 2) + own[s]["conv1_bias"].ravel()
        x[s] = ceil_pool(relu(mat_norm(own[s], "bn_conv1", first)))
    for stage, units in enumerate(DEPTH, 2):
        for unit in "abcdef"[:units]:
            seen = {"temporal": x["temporal"], "spatial": x["spatial"] + (x["temporal"] if unit == "b" else 0)}
            x = {s: st_unit(own[s], f"{stage}{unit}_branch", x[s], seen[s]) for s in streams}
    return [x[s].mean((0, 1, 2)) @ own[s]["fc1000_filter"][0, 0] + own[s]["fc1000_bias"].ravel() for s in streams]


def st_unit(p, name, x, seen):
    stride = 2 if name[1] == "a" and name[0] > "2" else 1
    one, three = p[f"res{name}2a_filter"], p[f"res{name}2c_filter"]
    y = in_time(seen, one) if one.shape[1] == 3 else conv(seen, one, stride)
    y = relu(mat_norm(p, f"bn{name}2b", conv(pad(relu(mat_norm(p, f"bn{name}2a", y)), 1), p[f"res{name}2b_filter"])))
    y = mat_norm(p, f"bn{name}2c", in_time(y, three) if three.shape[1] == 3 else conv(y, three))
    if f"res{name}1_filter" in p:
        x = mat_norm(p, f"bn{name}1", conv(x, p[f"res{name}1_filter"], stride))
    return relu(x + y)


@torch.inference_mode()
def test_st_resnet_of_matconvnet(tmp_path):
    p, rgb, flow = st_params(), normal(4, 64, 64, 3), normal(4, 64, 64, 20)
    res_dag(tmp_path / "st.mat", p)
    net = loaded("matconvnet", tmp_path / "st.mat", "st_resnet", width=0.125, depth=DEPTH, crop=64)
    ours = net(*(torch.from_numpy(x.transpose(3, 0, 1, 2)[None].copy()) for x in (rgb, flow)))
    for logits, theirs in zip(ours, st_resnet(p, rgb, flow), strict=True):
        close(logits.numpy(), theirs[None])


# ActionVLAD of TensorFlow


def test_action_vlad_of_tensorflow(tmp_path):
    """frame_pooling.py, cluster by cluster, on the conv5_3 that our trunk gives."""
    layers, clusters = vgg_layers(), 6
    v = {name: array for name, array in slim_vgg(layers).items() if "/fc" not in name}
    scope, size = "stream0/NetVLAD/", 64
    v |= {f"{scope}centers": normal(clusters, size), f"{scope}vlad_W": normal(1, 1, size, clusters, deviation=9.0)}
    v |= {f"{scope}vlad_B": normal(clusters), "stream0/classifier/logits/weights": normal(clusters * size, 5)}
    v |= {"stream0/classifier/logits/biases": normal(5), "stream0/vgg_16/conv5/conv5_1/weights/Adam_1": normal(2)}
    wf.single(tmp_path / "split1.ckpt", v)
    options = {"width": 0.125, "crop": 64, "clusters": clusters}
    net = loaded("tensorflow", tmp_path / "split1.ckpt", "action_vlad", **options)
    clip = normal(1, 3, 64, 64, 3)
    ours = outputs(net, clip)
    maps = vgg(layers, clip[0])
    for place, name in zip((1, 11, 27), ("conv1_1", "conv3_1", "conv5_2"), strict=True):
        close(ours[f"trunk.features.{place}"], maps[name])
    x = np.moveaxis(ours["trunk"][0], 1, -1)  # (T, h, w, D)
    x = x / np.linalg.norm(x, axis=3, keepdims=True)
    scores = x @ v[f"{scope}vlad_W"][0, 0] + v[f"{scope}vlad_B"]
    share = np.exp(scores - scores.max(3, keepdims=True))
    share /= share.sum(3, keepdims=True)
    sums = [((x - centre) * share[..., k, None]).sum((0, 1, 2)) for k, centre in enumerate(v[f"{scope}centers"])]
    row = np.concatenate([part / np.linalg.norm(part) for part in sums])
    logits = row / np.linalg.norm(row) @ v["stream0/classifier/logits/weights"]
    close(ours[""], (logits + v["stream0/classifier/logits/biases"])[None])
