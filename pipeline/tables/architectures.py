"""Published facts about the papers' networks beside what is counted on ours: parameters, inputs, receptive fields.

architectures.tsv holds the published facts. Our networks are built at the papers' sizes on torch's meta device, which
takes no memory. Parameters and multiply-adds that no paper prints have a row too, without a published value.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pipeline.common import cli, log
from pipeline.common.files import read_tsv
from pipeline.models import builders
from pipeline.tables import render
from pipeline.tables.architecture_list import ARCHITECTURES, Architecture, Net, Shape
from pipeline.tables.receptive_fields import ReceptiveField, ReceptiveFields

PUBLISHED = Path(__file__).with_name("architectures.tsv")
PUBLISHED_COLUMNS = ("paper", "architecture", "quantity", "at", "published", "note")
COLUMNS = ("paper", "architecture", "quantity", "at", "published", "computed", "agrees", "note")
FPS, SECONDS = 25, 10  # of the test videos of I3D, Table 1


class Layer(NamedTuple):
    """The output of a layer: its shape without the batch, and its receptive field."""

    shape: Shape
    field: ReceptiveField


def build(net: Net, classes: int) -> tuple[nn.Module, list[Tensor]]:
    """The network in evaluation mode and the inputs of one clip, on the meta device."""
    with torch.device("meta"):
        module = builders.build(net.name, num_classes=classes, **net.options).eval()
        return module, [torch.empty(1, *shape) for shape in net.shapes]


def layer_output(architecture: Architecture, at: str) -> Layer:
    """The output in a forward pass of the layer that the paper calls `at`."""
    module, inputs = build(architecture.nets[0], architecture.classes)
    outputs: list[Layer] = []
    with torch.no_grad(), ReceptiveFields() as fields:
        for x in inputs:
            fields.of[x] = ReceptiveField()
        module.get_submodule(architecture.layer_names.get(at, at)).register_forward_hook(
            lambda _module, _inputs, output: outputs.append(Layer(tuple(output.shape[1:]), fields.of[output]))
        )
        module(*inputs)
    return outputs[-1]


def parameters(architecture: Architecture, at: str) -> str:
    """Millions of parameters, of all networks of the architecture."""
    counts = [sum(p.numel() for p in build(net, architecture.classes)[0].parameters()) for net in architecture.nets]
    return f"{sum(counts) / 1e6:.2f}M"


def multiply_adds(architecture: Architecture, at: str) -> str:
    """Billions of multiply-adds of convolutions and matrix products in one forward pass."""
    total = 0
    for net in architecture.nets:
        module, inputs = build(net, architecture.classes)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(*inputs)
        total += counter.get_total_flops()
    return f"{total / 2e9:.2f}G"


def input_frames(architecture: Architecture) -> dict[str, int]:
    """Modality -> the RGB frames or flow fields of one clip."""
    counts = {}
    for shape in (shape for net in architecture.nets for shape in net.shapes):
        modality, channels = ("rgb", 3) if shape[0] == 3 else ("flow", 2)
        counts[modality] = math.prod(shape[:-2]) // channels
    return counts


def clip_length(architecture: Architecture) -> int:
    """The number of video frames that one clip covers, including the step behind its last frame."""
    steps = {"rgb": architecture.rgb_step, "flow": 1}
    return max(count * steps[modality] for modality, count in input_frames(architecture).items())


def training_input(architecture: Architecture, at: str) -> str:
    """Frames of one clip, such as `5 rgb, 50 flow`."""
    return _join(input_frames(architecture))


def test_input(architecture: Architecture, at: str) -> str:
    """Frames of as many clips as a test video holds without overlap, or of the whole video."""
    return _join({name: _test_frames(architecture, count) for name, count in input_frames(architecture).items()})


def training_footprint(architecture: Architecture, at: str) -> str:
    """Seconds that one clip covers."""
    return f"{clip_length(architecture) / FPS:g}s"


def test_footprint(architecture: Architecture, at: str) -> str:
    """Seconds that the clips of a test video cover."""
    return f"{_test_frames(architecture, clip_length(architecture)) / FPS:g}s"


def output_size(architecture: Architecture, at: str) -> str:
    """Width x height x time of a layer's output."""
    shape = layer_output(architecture, at).shape
    time, *space = (shape[0], 1, 1) if len(shape) == 2 else shape[1:]  # (T, D) where space is averaged away
    return "x".join(map(str, (*reversed(space), time)))


def receptive_field_in_chunks(architecture: Architecture, at: str) -> str:
    """Receptive field as width x height x time, with time in chunks that are tau frames apart."""
    time, height, width = layer_output(architecture, at).field.size
    return f"{width}x{height}x{time}" + ("tau" if time > 1 else "")


def receptive_field_in_frames(architecture: Architecture, at: str) -> str:
    """Receptive field as time,x,y in frames and pixels."""
    time, height, width = layer_output(architecture, at).field.size
    return f"{time},{width},{height}"


def input_window(architecture: Architecture, at: str) -> str:
    """Frames in the receptive field of the last layer, where chunks are `at` (`tau 15`) frames apart."""
    return str(layer_output(architecture, "pool5").field.size[0] * int(at.removeprefix("tau ")))


def temporal_convolutions(architecture: Architecture, at: str) -> str:
    """The number of layers with 1x1x3 filters."""
    layers = (m for m in build(architecture.nets[0], architecture.classes)[0].modules() if isinstance(m, nn.Conv3d))
    return str(sum(layer.kernel_size == (3, 1, 1) for layer in layers))


def output_length(architecture: Architecture, at: str) -> str:
    """The number of elements of a layer's output."""
    return str(math.prod(layer_output(architecture, at).shape))


def frame_descriptors(architecture: Architecture, at: str) -> str:
    """The number of descriptors of a frame, and their length."""
    _, size, height, width = layer_output(architecture, at).shape
    return f"{height * width} of {size}"


QUANTITIES: dict[str, Callable[[Architecture, str], str]] = {
    "parameters": parameters,
    "multiply-adds": multiply_adds,
    "train input": training_input,
    "train footprint": training_footprint,
    "test input": test_input,
    "test footprint": test_footprint,
    "output size": output_size,
    "receptive field WxHxT": receptive_field_in_chunks,
    "receptive field time,x,y": receptive_field_in_frames,
    "input window": input_window,
    "temporal convolutions": temporal_convolutions,
    "pooled vector": output_length,
    "descriptors a frame": frame_descriptors,
}


def agree(published: str, computed: str) -> bool:
    """Whether both are the same text, or the same number once cut or rounded to the published digits."""
    if published[-1] not in "MG" or computed[-1] != published[-1]:
        return published == computed
    value, scale = float(computed[:-1]), 10 ** len(published[:-1].partition(".")[2])
    return float(published[:-1]) in (round(value * scale) / scale, math.floor(value * scale) / scale)


def table() -> list[dict[str, str]]:
    """The published facts in the papers' order, then the other counts of each architecture."""
    facts = read_tsv(PUBLISHED, PUBLISHED_COLUMNS)
    published = {(fact["architecture"], fact["quantity"]) for fact in facts}
    counted = [(name, quantity) for name in ARCHITECTURES for quantity in ("parameters", "multiply-adds")]
    more = [
        {"architecture": name, "quantity": quantity} for name, quantity in counted if (name, quantity) not in published
    ]
    return [compare(fact) for fact in [*facts, *more]]


def compare(fact: Mapping[str, str]) -> dict[str, str]:
    """The row of a published fact, or of a count that no paper prints, with what is computed on our network."""
    row = {column: fact.get(column) or "" for column in COLUMNS}
    row["computed"] = QUANTITIES[row["quantity"]](ARCHITECTURES[row["architecture"]], row["at"])
    if row["published"]:
        row["agrees"] = "yes" if agree(row["published"], row["computed"]) else "no"
    return row


def _join(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _test_frames(architecture: Architecture, count: int) -> int:
    frames = FPS * SECONDS
    return frames if architecture.whole_video else count * (frames // clip_length(architecture))


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("--out", required=True, type=Path, help="the CSV file to write")
    args = parser.parse_args(argv)
    rows = table()
    render.write_csv(args.out, COLUMNS, rows)
    agreeing = [row["agrees"] for row in rows if row["published"]]
    log.say(f"{args.out}: {agreeing.count('yes')} of {len(agreeing)} published facts agree, {len(rows)} rows")


if __name__ == "__main__":
    cli.run(main)
