"""Sample frames of a video of several classes, the flow that follows each frame in colour, and a key to the colours."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from pipeline.common import cli, log
from pipeline.flow.colour import flow_to_rgb
from pipeline.formats.flow_levels import dequantise
from pipeline.formats.shards import ShardReader
from pipeline.report import style

ROWS = 6  # classes that are shown
FRAMES = 4  # frames of each
FULL_COLOUR = 99.5  # percentile of the lengths that has the full colour, since a few outliers would leave the rest pale
SMALLEST_BOUND = 0.5  # pixels, the shortest length that may have the full colour


def choose_videos(reader: ShardReader, rows: int = ROWS) -> list[str]:
    """The first video of each class in the shards; of more than `rows` classes, an evenly spaced choice of them."""
    first: dict[str, str] = {}
    for video in reader.videos:
        first.setdefault(reader.label(video), video)
    names = [name for name in reader.classes if name in first]
    if not names:
        return []
    chosen = np.linspace(0, len(names) - 1, min(rows, len(names))).round().astype(int)
    return [first[names[index]] for index in np.unique(chosen)]


def frame_numbers(count: int, frames: int = FRAMES) -> list[int]:
    """Up to `frames` frame numbers, evenly spaced within a video of `count` frames and away from its ends."""
    return sorted({min(count - 1, int(count * (2 * number + 1) / (2 * frames))) for number in range(frames)})


def read_flow(reader: ShardReader, video: str, frames: Sequence[int]) -> np.ndarray:
    """Flow in pixels (T, 2, H, W) that follows the given frames; for the last frame it is the flow that leads to it."""
    last = reader.count(video) - 1
    return dequantise(reader.flow(video, [min(frame, last) for frame in frames]), float(reader.settings["bound"]))


def colour_bound(flows: Sequence[np.ndarray]) -> float:
    """The length of flow that is shown in the full colour, in pixels a frame, rounded to halves."""
    lengths = np.concatenate([np.hypot(flow[:, 0], flow[:, 1]).ravel() for flow in flows])
    return max(SMALLEST_BOUND, round(2 * float(np.percentile(lengths, FULL_COLOUR))) / 2)


def colour_key(size: int = 121) -> np.ndarray:
    """A disc with the colour of each direction and length of flow, uint8 (size, size, 3); y points down."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    disc = flow_to_rgb(np.stack([x, y]), bound=1.0)
    disc[np.hypot(x, y) > 1] = 255
    return disc


def draw(frames: ShardReader, flow: ShardReader | None, title: str, out: Path) -> None:
    """Draw a row for each class: its frames and, where there is flow, to their right the flow that follows each."""
    videos = [video for video in choose_videos(frames) if flow is None or video in flow]
    if not videos:
        style.message(out, title, "There is no video to show.")
        return
    numbers = {video: frame_numbers(frames.count(video)) for video in videos}
    fields = {video: read_flow(flow, video, numbers[video]) for video in videos} if flow else {}
    bound = colour_bound(list(fields.values())) if fields else 0.0
    blocks = 2 if flow else 1
    height, width = frames.rgb(videos[0], [0]).shape[1:3]
    side = 1.15  # inches of a picture's width
    rows = len(videos) + bool(flow)
    figure = style.figure(1.6 + blocks * FRAMES * side, 0.5 + rows * (0.05 + side * height / width))
    axes = figure.subplots(rows, blocks * FRAMES, squeeze=False)
    for cell in axes.ravel():
        cell.axis("off")  # _draw_row turns those with a picture on again
    for row, video in zip(axes, videos, strict=False):
        pictures = [*frames.rgb(video, numbers[video]), *(flow_to_rgb(field, bound) for field in fields.get(video, []))]
        _draw_row(row, pictures, len(numbers[video]))
        row[0].text(-0.06, 0.5, style.shorten(frames.label(video), 22), ha="right", va="center", fontsize=10,
                    transform=row[0].transAxes)  # fmt: skip
    if flow:
        _draw_key(axes[-1], bound)
    style.title(figure, title)
    shown = ", ".join(frames.label(video) for video in videos)
    style.save(figure, out, title, f"Frames in time order, with the flow that follows each, of a video of: {shown}.")


def _draw_row(row: Sequence[Axes], pictures: Sequence[np.ndarray], frames: int) -> None:
    """Draw the frames from the first cell on, and their flow from cell FRAMES on; a short video has fewer of both."""
    for number, shown in enumerate(pictures):
        cell = row[number] if number < frames else row[FRAMES + number - frames]
        cell.imshow(shown, interpolation="nearest")
        cell.axis("on")
        cell.set(xticks=[], yticks=[])
        cell.spines[:].set(visible=True, color="0.6", linewidth=0.8)


def _draw_key(row: Sequence[Axes], bound: float) -> None:
    """Draw the disc of colours below the flow, and explain it; its texts take no part in the layout of the pictures."""
    row[FRAMES].imshow(colour_key(), extent=(-1, 1, 1, -1), interpolation="bilinear")
    row[FRAMES].set(xlim=(-1.4, 1.4), ylim=(1.4, -1.4))
    sides = {"right": (1.1, 0, "left", "center"), "left": (-1.1, 0, "right", "center"),
             "down": (0, 1.1, "center", "top"), "up": (0, -1.1, "center", "bottom")}  # fmt: skip
    for word, (x, y, across, along) in sides.items():
        row[FRAMES].text(x, y, word, ha=across, va=along, fontsize=9).set_in_layout(False)
    words = f"hue: direction of motion\nfull colour: {bound:g} pixels a frame or more\nwhite: no motion"
    beside = row[FRAMES + 1]
    beside.text(0.75, 0.5, words, va="center", fontsize=10, transform=beside.transAxes).set_in_layout(False)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("frames", type=Path, help="shards of rgb")
    parser.add_argument("--flow", type=Path, help="shards of flow of the same data set")
    parser.add_argument("--title", required=True)
    parser.add_argument("--out", required=True, type=Path, help="a PNG")
    args = parser.parse_args(argv)
    draw(ShardReader(args.frames), ShardReader(args.flow) if args.flow else None, args.title, args.out)
    log.say(f"{args.out}")


if __name__ == "__main__":
    cli.run(main)
