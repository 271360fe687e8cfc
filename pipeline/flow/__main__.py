"""Compute the TV-L1 flow between consecutive frames of one slice: clipped at +-bound, in 8 bits, one JPEG per pair.

A flow picture is grey and stacks x above y: (2H, W). A video of T frames has T - 1 of them. Forward picture t is the
flow from frame t to frame t + 1. Backward picture t is the flow from frame t + 1 to frame t, at the pixels of frame
t + 1.
"""

from collections.abc import Sequence
from pathlib import Path

from pipeline.common import cli
from pipeline.common.code_hash import stage_hash
from pipeline.flow import tvl1
from pipeline.flow.flow_slices import DIRECTIONS, flow_slice
from pipeline.flow.tvl1.parameters import parse_parameters
from pipeline.formats.jpeg_store import JpegStore


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("frames", type=Path, help="a slice of frames")
    parser.add_argument("out", type=Path, help="the HDF5 file to write")
    parser.add_argument("--direction", choices=DIRECTIONS, default="forward", help="to the next frame, or back")
    parser.add_argument("--preset", choices=sorted(tvl1.PRESETS), default="opencv", help="parameters of the algorithm")
    parser.add_argument("--parameters", default="{}", help="JSON object of parameters that differ from the preset")
    parser.add_argument("--backend", choices=["auto", *tvl1.BACKENDS], default="auto", help="implementation")
    parser.add_argument("--bound", type=float, default=20, help="motion in pixels that becomes level 0 and 255")
    parser.add_argument("--quality", type=int, default=90, help="JPEG quality")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    parameters = tvl1.resolve(args.preset, **parse_parameters(args.parameters))
    settings = {"stage": "flow", "code": stage_hash("flow"), "bound": args.bound, "quality": args.quality}
    with JpegStore(args.frames) as frames:
        flow_slice(
            frames, args.out, settings, parameters, args.direction, tvl1.choose_backend(args.backend), args.threads
        )


if __name__ == "__main__":
    cli.run(main)
