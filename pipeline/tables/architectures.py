"""The papers' facts about their networks beside what this code's networks have: parameters, inputs, receptive fields.

Networks are built at the papers' sizes without memory (torch's meta device) and counted; architectures.tsv holds what
was published. What else there is to count of a network has a row, too, with nothing beside it.
"""

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pipeline.common import cli, log
from pipeline.common.files import read_tsv, whole_file
from pipeline.models import builders
from pipeline.tables.receptive_fields import Field, Fields

PUBLISHED = Path(__file__).with_name("architectures.tsv")
PUBLISHED_COLUMNS = ("paper", "architecture", "quantity", "at", "published", "note")
COLUMNS = ("paper", "architecture", "quantity", "at", "published", "computed", "agrees", "note")
FPS, SECONDS = 25, 10  # I3D's tests are of ten seconds
Shape = tuple[int, ...]


class Net(NamedTuple):
    """One network of models.build and the shapes of its inputs, without the batch."""

    name: str
    shapes: tuple[Shape, ...]
    options: Mapping[str, Any] = {}


class Form(NamedTuple):
    """An architecture as published: networks (two are trained apart), the names of layers, how frames are taken."""

    nets: tuple[Net, ...]
    classes: int = 101
    points: Mapping[str, str] = {}  # the paper's name of a place -> ours; without an entry it is the same
    apart: int = 1  # frames from one RGB frame to the next
    whole: bool = False  # a test is one forward pass over the video


ST_RESNET = {
    "conv1": "motion.conv1", "pool1": "motion.maxpool", "conv2_x": "motion.layer1.2", "conv3_x": "motion.layer2.3",
    "conv4_x": "motion.layer3.5", "conv5_x": "motion.layer4.2", "pool5": "motion.dropout",
}  # fmt: skip
RGB, FLOW = (3, 224, 224), (20, 224, 224)
I3D = Net("i3d", ((3, 64, 224, 224),))
FORMS = {
    "CNN-M-2048, spatial": Form((Net("cnn_m_2048", (RGB,)),)),
    "CNN-M-2048, temporal": Form((Net("cnn_m_2048", (FLOW,), {"channels": 20, "norm2": False}),)),
    "CNN-M-2048, two data sets": Form((Net("cnn_m_multitask", (FLOW,), {"second_classes": 51}),)),
    "CNN-M-2048, slow fusion": Form((Net("cnn_m_slow_fusion", ((33, 224, 224),)),)),
    "FstCN": Form((Net("fstcn", ((3, 5, 204, 204), (3, 5, 204, 204))),)),
    "VGG-16": Form((Net("vgg_16", (RGB,)),)),
    "ResNet-50": Form((Net("resnet_50", (RGB,), {"form": "caffe"}),)),
    "ST-ResNet": Form((Net("st_resnet", ((3, 5, 224, 224), (20, 5, 224, 224))),)),
    "ST-ResNet*": Form((Net("st_resnet_star", ((3, 11, 224, 224), (20, 11, 224, 224))),), points=ST_RESNET),
    "ActionVLAD": Form((Net("action_vlad", ((3, 25, 224, 224),)),), 51, {"pool": "pooling", "conv5_3": "trunk"}),
    "ActionVLAD, two streams": Form((Net("action_vlad_two_stream", ((3, 25, 224, 224), (20, 25, 224, 224))),), 51),
    "Inception-v1": Form((Net("inception_v1", (RGB,)),), 400),
    "ConvNet+LSTM": Form((Net("conv_lstm", ((3, 25, 224, 224),)),), 400, apart=5),
    "3D-ConvNet": Form((Net("c3d", ((3, 16, 112, 112),)),), 400),
    "Two-Stream": Form((Net("two_stream_inception", (RGB, FLOW)),), 400),
    "3D-Fused": Form((Net("fused_3d", ((3, 5, 224, 224), (20, 5, 224, 224))),), 400, apart=10),
    "Inflated Inception-V1": Form((I3D,), 400, {"avg-pool": "dropout"}),
    "Two-Stream I3D": Form((I3D, Net("i3d", ((2, 64, 224, 224),), {"channels": 2})), 400, whole=True),
}  # fmt: skip


class Layer(NamedTuple):
    """What came out of a layer: its shape without the batch, and the field of its elements."""

    shape: Shape
    field: Field


def built(net: Net, classes: int) -> tuple[nn.Module, list[Tensor]]:
    """The network in its test form and inputs of one clip, all without memory."""
    with torch.device("meta"):
        return builders.build(net.name, num_classes=classes, **net.options).eval(), [
            torch.empty(1, *s) for s in net.shapes
        ]


def layer(net: Net, classes: int, name: str) -> Layer:
    """One layer of a forward pass."""
    module, inputs = built(net, classes)
    found: list[Layer] = []
    with torch.no_grad(), Fields() as fields:
        for x in inputs:
            fields.of[x] = Field()
        module.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, made: found.append(Layer(tuple(made.shape[1:]), fields.of[made]))
        )
        module(*inputs)
    return found[-1]


def _layer(form: Form, at: str) -> Layer:
    return layer(form.nets[0], form.classes, form.points.get(at, at))


def parameters(form: Form, at: str) -> str:
    """Millions, of all the networks that are trained."""
    counts = [sum(p.numel() for p in built(net, form.classes)[0].parameters()) for net in form.nets]
    return f"{sum(counts) / 1e6:.2f}M"


def multiply_adds(form: Form, at: str) -> str:
    """Thousand millions, of convolutions and matrices, in one forward pass."""
    total = 0
    for net in form.nets:
        module, inputs = built(net, form.classes)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(*inputs)
        total += counter.get_total_flops()
    return f"{total / 2e9:.2f}G"


def pictures(form: Form) -> dict[str, int]:
    """RGB frames and flow fields that one input holds."""
    counts = {}
    for shape in (shape for net in form.nets for shape in net.shapes):
        modality, channels = ("rgb", 3) if shape[0] == 3 else ("flow", 2)
        counts[modality] = math.prod(shape[:-2]) // channels
    return counts


def span(form: Form) -> int:
    """Frames from the first to the last that one input looks at, and the gap behind it."""
    return max(count * (form.apart if name == "rgb" else 1) for name, count in pictures(form).items())


def training_input(form: Form, at: str) -> str:
    """`5 rgb, 50 flow`"""
    return _listed(pictures(form))


def scored_input(form: Form, at: str) -> str:
    """As many inputs as a test video holds without overlap, or the whole of it."""
    return _listed({name: _tested(form, count) for name, count in pictures(form).items()})


def training_footprint(form: Form, at: str) -> str:
    """Seconds that one input spans."""
    return f"{span(form) / FPS:g}s"


def scored_footprint(form: Form, at: str) -> str:
    """Seconds that a test video's inputs span."""
    return f"{_tested(form, span(form)) / FPS:g}s"


def output_size(form: Form, at: str) -> str:
    """Width x height x time."""
    shape = _layer(form, at).shape
    time, *space = (shape[0], 1, 1) if len(shape) == 2 else shape[1:]  # (T, D) where space is averaged away
    return "x".join(map(str, (*reversed(space), time)))


def field_in_chunks(form: Form, at: str) -> str:
    """Width x height x time in chunks, which are tau frames apart."""
    time, height, width = _layer(form, at).field.sees
    return f"{width}x{height}x{time}" + ("tau" if time > 1 else "")


def field_in_frames(form: Form, at: str) -> str:
    """Time, x, y."""
    time, height, width = _layer(form, at).field.sees
    return f"{time},{width},{height}"


def longest_window(form: Form, at: str) -> str:
    """Frames that the last layer sees of chunks `at` frames apart."""
    return str(_layer(form, "pool5").field.sees[0] * int(at.removeprefix("tau ")))


def temporal_convolutions(form: Form, at: str) -> str:
    """Layers with filters of 1x1x3."""
    layers = (m for m in built(form.nets[0], form.classes)[0].modules() if isinstance(m, nn.Conv3d))
    return str(sum(layer.kernel_size == (3, 1, 1) for layer in layers))


def numbers(form: Form, at: str) -> str:
    """How many numbers a layer puts out."""
    return str(math.prod(_layer(form, at).shape))


def positions(form: Form, at: str) -> str:
    """Descriptors a frame, and their length."""
    _, size, height, width = _layer(form, at).shape
    return f"{height * width} of {size}"


QUANTITIES: dict[str, Callable[[Form, str], str]] = {
    "parameters": parameters,
    "multiply-adds": multiply_adds,
    "train input": training_input,
    "train footprint": training_footprint,
    "test input": scored_input,
    "test footprint": scored_footprint,
    "output size": output_size,
    "receptive field WxHxT": field_in_chunks,
    "receptive field time,x,y": field_in_frames,
    "input window": longest_window,
    "temporal convolutions": temporal_convolutions,
    "pooled vector": numbers,
    "descriptors a frame": positions,
}


def agree(published: str, computed: str) -> bool:
    """The same text, or the same number when cut or rounded to the published one's digits."""
    if published[-1] not in "MG" or computed[-1] != published[-1]:
        return published == computed
    value, scale = float(computed[:-1]), 10 ** len(published[:-1].partition(".")[2])
    return float(published[:-1]) in (round(value * scale) / scale, math.floor(value * scale) / scale)


def table() -> list[dict[str, str]]:
    """The published facts in the papers' order, then what else there is to count of each architecture."""
    facts = read_tsv(PUBLISHED, PUBLISHED_COLUMNS)
    known = {(fact["architecture"], fact["quantity"]) for fact in facts}
    counted = [(name, quantity) for name in FORMS for quantity in ("parameters", "multiply-adds")]
    more = [{"architecture": name, "quantity": quantity} for name, quantity in counted if (name, quantity) not in known]
    return [_row(fact) for fact in [*facts, *more]]


def _row(fact: Mapping[str, str]) -> dict[str, str]:
    row = {column: fact.get(column) or "" for column in COLUMNS}
    row["computed"] = QUANTITIES[row["quantity"]](FORMS[row["architecture"]], row["at"])
    if row["published"]:
        row["agrees"] = "yes" if agree(row["published"], row["computed"]) else "no"
    return row


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _tested(form: Form, count: int) -> int:
    frames = FPS * SECONDS
    return frames if form.whole else count * (frames // span(form))


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("--out", required=True, type=Path, help="the CSV file to write")
    a = parser.parse_args(argv)
    rows = table()
    with whole_file(a.out) as scratch, open(scratch, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    agreeing = [row["agrees"] for row in rows if row["published"]]
    log.say(f"{a.out}: {agreeing.count('yes')} of {len(agreeing)} published facts agree, {len(rows)} rows")


if __name__ == "__main__":
    cli.run(main)
