"""Released weights made ours in one go: fetched, unpacked where they come packed, imported without their classes."""

import re
import tempfile
from pathlib import Path
from typing import Any

import torch

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.fetch.archives import ARCHIVE_FORMATS, file_format, unpack
from pipeline.fetch.download import RetryPolicy
from pipeline.weights import releases
from pipeline.weights.frameworks import convert
from pipeline.weights.import_file import import_file


def make(
    name: str, folder: Path, patience: RetryPolicy | None = None, table: Path = releases.TABLE
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """(state dict, facts) of a release, its files fetched into `folder` unless they are there.

    What cannot be had is a UserError that says where to put the file.
    """
    first, *others = releases.release(name, table)
    paths = [releases.fetch(row, folder, patience) for row in (first, *others)]
    our_pixels = "pixels" in convert.find(first["framework"], first["model"])
    if not our_pixels:
        log.say(f"{first['file']}: its pixels are not known for certain; the first layer stays as it was released")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        path = _unpacked(paths[0], Path(scratch))
        tensors, facts = import_file(first["framework"], path, first["model"], drop_head=True, our_pixels=our_pixels)
    return tensors, facts | {"release": name}


def _unpacked(path: Path, scratch: Path) -> Path:
    """The file itself, or the one checkpoint in an archive."""
    if file_format(path) not in ARCHIVE_FORMATS or path.suffix in (".pth", ".pt"):  # torch's own files are zip archives
        return path
    unpack(path, scratch)
    found = sorted(file for file in scratch.rglob("*") if file.is_file() and re.search(r"\.ckpt(\.index)?$", file.name))
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise UserError(f"{path} should hold one checkpoint but holds {names}: unpack it and import the file inside")
    return found[0]
