"""Encode clips as UCF-101's are: AVI files with MPEG-4 part 2 at 25 frames per second."""

import subprocess
import tempfile
from pathlib import Path

import ffmpeg
import imageio_ffmpeg
import numpy as np

FPS = 25
QUALITY = 3  # ffmpeg's qscale, from 1 (best) to 31


def encode_avi(frames: np.ndarray, folder: Path) -> bytes:
    """(T, H, W, 3) uint8 BGR -> the bytes of an AVI file, the same for the same frames and the same ffmpeg.

    `folder` holds a temporary file meanwhile.
    """
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        path = Path(scratch) / "clip.avi"  # not a pipe: the muxer seeks back to write lengths and the index
        command = encoder_command(frames.shape[2], frames.shape[1], str(path))
        process = subprocess.run(command, input=frames.tobytes(), capture_output=True)
        if process.returncode:
            raise RuntimeError(f"ffmpeg could not write a clip: {process.stderr.decode(errors='replace').strip()}")
        return path.read_bytes()


def encoder_command(width: int, height: int, path: str) -> list[str]:
    """The ffmpeg command that reads raw BGR frames from standard input and writes `path`."""
    raw = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="bgr24", s=f"{width}x{height}", r=FPS)
    output = raw.output(
        path,
        vcodec="mpeg4",
        vtag="XVID",
        pix_fmt="yuv420p",
        qscale=QUALITY,
        g=12,
        threads=1,
        flags="+bitexact",
        fflags="+bitexact",
        sws_flags="bicubic+accurate_rnd+bitexact",
    )
    arguments = output.global_args("-loglevel", "error").overwrite_output()
    return arguments.compile(cmd=imageio_ffmpeg.get_ffmpeg_exe())
