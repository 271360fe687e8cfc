"""Draw a video's tracks over a frame: those that are kept in green, the camera's own in grey, their ends in red."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.common.files import whole_file
from pipeline.formats.jpeg_store import JpegStore
from pipeline.idt import videos
from pipeline.idt.parameters import LENGTH, Parameters
from pipeline.idt.tracks import tracks

GREEN, GREY, RED = (60, 230, 60), (190, 190, 190), (240, 40, 40)
LAST = 5  # frames up to the one drawn in which a track may have ended
FINE = 16  # OpenCV draws in fractions of a pixel, so many to one


def picture(frames: Sequence[np.ndarray], end: int, parameters: Parameters, zoom: int = 2) -> np.ndarray:
    """RGB, uint8 (zoom H, zoom W, 3): grey frame `end` of `frames` and the tracks that ended in it or just before."""
    grey = cv2.resize(frames[end], None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LINEAR)
    canvas = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    seen = list(frames[max(0, end - LENGTH - LAST + 1) : end + 1])
    every = recent(seen, parameters._replace(camera=-1.0))
    kept = recent(seen, parameters)
    for paths, colour in ((every, GREY), (kept, GREEN)):
        lines = np.rint((paths + 0.5) * zoom * FINE).astype(np.int32)
        cv2.polylines(canvas, list(lines), False, colour, 1, cv2.LINE_AA, int(np.log2(FINE)))
    for x, y in np.rint((kept[:, -1] + 0.5) * zoom).astype(int):
        cv2.circle(canvas, (int(x), int(y)), 1, RED, -1)
    return canvas


def recent(frames: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:
    """Paths (N, 16, 2) of the tracks that end in the last frames."""
    found = [part.points for part in tracks(frames, parameters) if part.end >= len(frames) - LAST]
    return np.concatenate([np.empty((0, LENGTH + 1, 2), np.float32), *found])


def options(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    videos.options(parser)
    parser.add_argument("out", type=Path, help="the JPEG file to write")
    parser.add_argument("--video", required=True, help="its name in the slice")
    parser.add_argument("--frame", type=int, default=30, help="the frame that is drawn, from 0")
    parser.add_argument("--zoom", type=int, default=2)


def run(a: argparse.Namespace) -> None:
    """See the module's docstring."""
    chosen = videos.parameters(a)
    with JpegStore(a.frames) as store:
        if a.video not in store.videos:
            raise UserError(f"{a.frames} has no video {a.video}: its first is {store.videos[0]}")
        number = store.videos.index(a.video)
        if not 0 <= a.frame < store.count(number):
            raise UserError(f"{a.video} has {store.count(number)} frames but --frame is {a.frame}: choose another")
        begin = max(0, a.frame - LENGTH - LAST)
        drawn = picture(list(videos.grey(store, number, begin, a.frame + 1)), a.frame - begin, chosen, a.zoom)
    with whole_file(a.out) as scratch:
        scratch.write_bytes(simplejpeg.encode_jpeg(drawn, quality=92))
    log.say(f"{a.out}: frame {a.frame} of {a.video}")
