"""What networks see: frames of a video of some classes, the flow after each in colour, and a key to its colours."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from pipeline.common import cli, log
from pipeline.flow.colour import flow_to_rgb
from pipeline.formats.flow_levels import dequantise
from pipeline.formats.shards import ShardReader
from pipeline.report import style

ROWS = 6  # classes shown
FRAMES = 4  # of each
STRONG = 99.5  # percentile of the lengths shown that has the full colour: a few outliers would leave the rest pale
LEAST = 0.5  # pixels that have the full colour at least


def chosen(reader: ShardReader, rows: int = ROWS) -> list[str]:
    """The first video in the shards of every class, or of as many classes, evenly among all, as there are rows."""
    first: dict[str, str] = {}
    for video in reader.videos:
        first.setdefault(reader.label(video), video)
    names = [name for name in reader.classes if name in first]
    if not names:
        return []
    places = np.linspace(0, len(names) - 1, min(rows, len(names))).round().astype(int)
    return [first[names[place]] for place in np.unique(places)]


def moments(count: int, frames: int = FRAMES) -> list[int]:
    """Places of up to so many pictures, evenly through a video of `count`, its very ends left out."""
    return sorted({min(count - 1, int(count * (2 * number + 1) / (2 * frames))) for number in range(frames)})


def fields(reader: ShardReader, video: str, places: Sequence[int]) -> np.ndarray:
    """Flow in pixels (T, 2, H, W) after the frames at `places`; the last frame has the field that leads to it."""
    last = reader.count(video) - 1
    return dequantise(reader.flow(video, [min(place, last) for place in places]), float(reader.settings["bound"]))


def strength(flows: Sequence[np.ndarray]) -> float:
    """Pixels a frame that are shown in the full colour, in halves."""
    lengths = np.concatenate([np.hypot(flow[:, 0], flow[:, 1]).ravel() for flow in flows])
    return max(LEAST, round(2 * float(np.percentile(lengths, STRONG))) / 2)


def key(size: int = 121) -> np.ndarray:
    """The colour of every motion within a disc of radius 1, uint8 (size, size, 3); y points down, as in pictures."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    disc = flow_to_rgb(np.stack([x, y]), bound=1.0)
    disc[np.hypot(x, y) > 1] = 255
    return disc


def draw(frames: ShardReader, flow: ShardReader | None, title: str, out: Path) -> None:
    """A row a class: its frames and, where there is flow, to their right the field after each."""
    videos = [video for video in chosen(frames) if flow is None or video in flow]
    if not videos:
        style.message(out, title, "There is no video to show.")
        return
    places = {video: moments(frames.count(video)) for video in videos}
    found = {video: fields(flow, video, places[video]) for video in videos} if flow else {}
    bound = strength(list(found.values())) if found else 0.0
    blocks = 2 if flow else 1
    height, width = frames.rgb(videos[0], [0]).shape[1:3]
    side = 1.15  # inches that a picture is wide
    rows = len(videos) + bool(flow)
    made = style.figure(1.6 + blocks * FRAMES * side, 0.5 + rows * (0.05 + side * height / width))
    axes = made.subplots(rows, blocks * FRAMES, squeeze=False)
    for part in axes.ravel():
        part.axis("off")  # those with a picture get their frame back
    for row, video in zip(axes, videos, strict=False):
        pictures = [*frames.rgb(video, places[video]), *(flow_to_rgb(field, bound) for field in found.get(video, []))]
        _row(row, pictures, len(places[video]))
        row[0].text(-0.06, 0.5, style.short(frames.label(video), 22), ha="right", va="center", fontsize=10,
                    transform=row[0].transAxes)  # fmt: skip
    if flow:
        _key(axes[-1], bound)
    style.title(made, title)
    shown = ", ".join(frames.label(video) for video in videos)
    style.save(made, out, title, f"Frames in time order, with the flow that follows each, of a video of: {shown}.")


def _row(row: Sequence[Axes], pictures: Sequence[np.ndarray], frames: int) -> None:
    """Frames in the first places, their flow in those of the second half, however few there are."""
    for number, shown in enumerate(pictures):
        part = row[number] if number < frames else row[FRAMES + number - frames]
        part.imshow(shown, interpolation="nearest")
        part.axis("on")
        part.set(xticks=[], yticks=[])
        part.spines[:].set(visible=True, color="0.6", linewidth=0.8)


def _key(row: Sequence[Axes], bound: float) -> None:
    """The disc of colours below the flow, and in words; no text here makes room at the pictures' cost."""
    row[FRAMES].imshow(key(), extent=(-1, 1, 1, -1), interpolation="bilinear")
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
    a = parser.parse_args(argv)
    draw(ShardReader(a.frames), ShardReader(a.flow) if a.flow else None, a.title, a.out)
    log.say(f"{a.out}")


if __name__ == "__main__":
    cli.run(main)
