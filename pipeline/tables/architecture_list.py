"""The papers' architectures: their networks, the sizes of their inputs, and the papers' names of their layers."""

from collections.abc import Mapping
from typing import Any, NamedTuple

Shape = tuple[int, ...]


class Net(NamedTuple):
    """A network of models.builders and the shapes of its inputs, without the batch."""

    name: str
    shapes: tuple[Shape, ...]
    options: Mapping[str, Any] = {}


class Architecture(NamedTuple):
    """An architecture as published; the two streams of some are separate networks."""

    nets: tuple[Net, ...]
    classes: int = 101
    layer_names: Mapping[str, str] = {}  # the paper's name of a layer -> the module's, where they differ
    rgb_step: int = 1  # frames from one RGB frame to the next
    whole_video: bool = False  # a test is one forward pass over the whole video


ST_RESNET_LAYERS = {
    "conv1": "motion.conv1", "pool1": "motion.maxpool", "conv2_x": "motion.layer1.2", "conv3_x": "motion.layer2.3",
    "conv4_x": "motion.layer3.5", "conv5_x": "motion.layer4.2", "pool5": "motion.dropout",
}  # fmt: skip
RGB, FLOW = (3, 224, 224), (20, 224, 224)
I3D = Net("i3d", ((3, 64, 224, 224),))
ARCHITECTURES = {
    "CNN-M-2048, spatial": Architecture((Net("cnn_m_2048", (RGB,)),)),
    "CNN-M-2048, temporal": Architecture((Net("cnn_m_2048", (FLOW,), {"channels": 20, "norm2": False}),)),
    "CNN-M-2048, two data sets": Architecture((Net("cnn_m_multitask", (FLOW,), {"second_classes": 51}),)),
    "CNN-M-2048, slow fusion": Architecture((Net("cnn_m_slow_fusion", ((33, 224, 224),)),)),
    "FstCN": Architecture((Net("fstcn", ((3, 5, 204, 204), (3, 5, 204, 204))),)),
    "VGG-16": Architecture((Net("vgg_16", (RGB,)),)),
    "ResNet-50": Architecture((Net("resnet_50", (RGB,), {"form": "caffe"}),)),
    "ST-ResNet": Architecture((Net("st_resnet", ((3, 5, 224, 224), (20, 5, 224, 224))),)),
    "ST-ResNet*": Architecture(
        (Net("st_resnet_star", ((3, 11, 224, 224), (20, 11, 224, 224))),), layer_names=ST_RESNET_LAYERS
    ),
    "ActionVLAD": Architecture(
        (Net("action_vlad", ((3, 25, 224, 224),)),), 51, {"pool": "pooling", "conv5_3": "trunk"}
    ),
    "ActionVLAD, two streams": Architecture(
        (Net("action_vlad_two_stream", ((3, 25, 224, 224), (20, 25, 224, 224))),), 51
    ),
    "Inception-v1": Architecture((Net("inception_v1", (RGB,)),), 400),
    "ConvNet+LSTM": Architecture((Net("conv_lstm", ((3, 25, 224, 224),)),), 400, rgb_step=5),
    "3D-ConvNet": Architecture((Net("c3d", ((3, 16, 112, 112),)),), 400),
    "Two-Stream": Architecture((Net("two_stream_inception", (RGB, FLOW)),), 400),
    "3D-Fused": Architecture((Net("fused_3d", ((3, 5, 224, 224), (20, 5, 224, 224))),), 400, rgb_step=10),
    "Inflated Inception-V1": Architecture((I3D,), 400, {"avg-pool": "dropout"}),
    "Two-Stream I3D": Architecture((I3D, Net("i3d", ((2, 64, 224, 224),), {"channels": 2})), 400, whole_video=True),
}  # fmt: skip
