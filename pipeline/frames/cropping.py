"""The margins that a container crops: clean aperture (`clap`) in MP4 and MOV, PixelCrop in Matroska."""

import re
import subprocess
from pathlib import Path

import imageio_ffmpeg

from pipeline.frames.cut_off import iso_boxes

MATROSKA_HEAD = 1 << 16  # bytes in which the description of the tracks is
PIXEL_CROP = (b"\x54\xaa", b"\x54\xbb", b"\x54\xcc", b"\x54\xdd")
STREAM = re.compile(r"^ *Stream #0:(\d+)")
CROPPING = re.compile(r"Frame Cropping: (\d+)/(\d+)/(\d+)/(\d+)", re.IGNORECASE)


def margins(path: Path | str, container: str, stream: int) -> tuple[int, int, int, int]:
    """(left, right, top, bottom) in pixels; ffmpeg is asked, but only if the file may have margins."""
    if not _may_crop(path, container):
        return 0, 0, 0, 0
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-i", f"file:{path}"]
    text = subprocess.run(command, capture_output=True, check=False).stderr.decode("utf-8", "replace")
    number = None
    for line in text.splitlines():
        if match := STREAM.match(line):
            number = int(match.group(1))
        elif number == stream and (match := CROPPING.search(line)):
            left, right, top, bottom = map(int, match.groups())
            return left, right, top, bottom
    return 0, 0, 0, 0


def _may_crop(path: Path | str, container: str) -> bool:
    with open(path, "rb") as file:
        if "matroska" in container:
            head = file.read(MATROSKA_HEAD)
            return any(name in head for name in PIXEL_CROP)
        if "mov" not in container.split(","):
            return False
        for start, name, end in iso_boxes(file, 0, Path(path).stat().st_size):
            if name == b"moov":
                file.seek(start)
                return b"clap" in file.read(end - start)
    return False
