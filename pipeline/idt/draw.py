"""Draw a video's tracks over a frame: kept tracks in green, those of the camera's motion in grey, ends in red."""

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
from pipeline.idt.parameters import TRACK_LENGTH, Parameters
from pipeline.idt.tracks import follow_tracks

GREEN, GREY, RED = (60, 230, 60), (190, 190, 190), (240, 40, 40)
LAST = 5  # frames, up to the drawn one, in which the drawn tracks ended
SUBPIXELS = 16  # of a pixel, in which OpenCV draws


def draw_tracks(frames: Sequence[np.ndarray], end: int, parameters: Parameters, zoom: int = 2) -> np.ndarray:
    """Frame `end` with the tracks that ended in it or just before, RGB uint8 (zoom H, zoom W, 3)."""
    grey = cv2.resize(frames[end], None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LINEAR)
    canvas = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    window = list(frames[max(0, end - TRACK_LENGTH - LAST + 1) : end + 1])
    all_tracks = recent_tracks(window, parameters._replace(camera=-1.0))
    kept = recent_tracks(window, parameters)
    for points, colour in ((all_tracks, GREY), (kept, GREEN)):
        lines = np.rint((points + 0.5) * zoom * SUBPIXELS).astype(np.int32)
        cv2.polylines(canvas, list(lines), False, colour, 1, cv2.LINE_AA, int(np.log2(SUBPIXELS)))
    for x, y in np.rint((kept[:, -1] + 0.5) * zoom).astype(int):
        cv2.circle(canvas, (int(x), int(y)), 1, RED, -1)
    return canvas


def recent_tracks(frames: Sequence[np.ndarray], parameters: Parameters) -> np.ndarray:
    """The points (N, 16, 2) of the tracks that end in the last LAST frames."""
    points = [part.points for part in follow_tracks(frames, parameters) if part.end >= len(frames) - LAST]
    return np.concatenate([np.empty((0, TRACK_LENGTH + 1, 2), np.float32), *points])


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    videos.add_options(parser)
    parser.add_argument("out", type=Path, help="the JPEG file to write")
    parser.add_argument("--video", required=True, help="its name in the slice")
    parser.add_argument("--frame", type=int, default=30, help="the frame that is drawn, from 0")
    parser.add_argument("--zoom", type=int, default=2)


def run(args: argparse.Namespace) -> None:
    """See the module's docstring."""
    parameters = videos.parameters_from_args(args)
    with JpegStore(args.frames) as store:
        if args.video not in store.videos:
            raise UserError(f"{args.frames} has no video {args.video}: its first is {store.videos[0]}")
        number = store.videos.index(args.video)
        if not 0 <= args.frame < store.count(number):
            raise UserError(
                f"{args.video} has {store.count(number)} frames but --frame is {args.frame}: choose another"
            )
        begin = max(0, args.frame - TRACK_LENGTH - LAST)
        frames = list(videos.grey_frames(store, number, begin, args.frame + 1))
    drawn = draw_tracks(frames, args.frame - begin, parameters, args.zoom)
    with whole_file(args.out) as scratch:
        scratch.write_bytes(simplejpeg.encode_jpeg(drawn, quality=92))
    log.say(f"{args.out}: frame {args.frame} of {args.video}")
