"""Small videos for tests, sound and broken."""

from pathlib import Path

import ffmpeg
import imageio_ffmpeg
import numpy as np

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


def pictures(count, width, height):
    """Frames of a texture that moves: (T, H, W, 3), uint8; each differs from the next."""
    y, x = np.mgrid[:height, :width]
    shades = [128 + 60 * np.sin((x + 3 * t) / 7) + 60 * np.cos((y - 2 * t) / 9) for t in range(count)]
    return np.stack([np.stack([shade, shade[::-1], 255 - shade], 2).astype(np.uint8) for shade in shades])


def video(path, frames=12, size=(64, 48), fps=25, **options):
    """`options` are ffmpeg's for the output, such as vcodec="mpeg4" or {"display_rotation": 90}."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    source = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{width}x{height}", framerate=fps)
    run(source.output(str(path), **{"pix_fmt": "yuv420p", "qscale": 3, **options}), pictures(frames, *size).tobytes())
    return path


def sound(path, seconds=0.5):
    """A file with a tone and no picture."""
    run(ffmpeg.input(f"sine=duration={seconds}", format="lavfi").output(str(path)))
    return Path(path)


def copy(source, target, before=None, **options):
    """`source` without re-encoding, with ffmpeg's options for the input (`before`) and for the output."""
    run(ffmpeg.input(str(source), **(before or {})).output(str(target), c="copy", **options))
    return Path(target)


def promise(path, frames):
    """Make an AVI's header promise another number of frames."""
    data = bytearray(Path(path).read_bytes())
    for place in (data.index(b"avih") + 8 + 16, data.index(b"strh") + 8 + 32):
        data[place : place + 4] = frames.to_bytes(4, "little")
    Path(path).write_bytes(data)
    return Path(path)


def run(stream, data=None):
    """Run ffmpeg without a word."""
    stream.global_args("-v", "error", "-y").run(cmd=FFMPEG, input=data, capture_stderr=True)


def truncate(path, share):
    """Keep the first `share` of a file's bytes."""
    data = Path(path).read_bytes()
    Path(path).write_bytes(data[: int(len(data) * share)])
    return Path(path)
