"""A release made ready for recipes: files downloaded, an archive unpacked, tensors imported without the head."""

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
    name: str, folder: Path, retries: RetryPolicy | None = None, table: Path = releases.TABLE
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """(state dict, metadata) of a release; files that are not in `folder` are downloaded to it.

    A file that cannot be downloaded is a UserError that says where to put it.
    """
    first, *others = releases.release_rows(name, table)
    paths = [releases.fetch(row, folder, retries) for row in (first, *others)]
    framework, model = first["framework"], first["model"]
    our_pixels = "pixels" in convert.find_map(framework, model)
    if not our_pixels:
        log.say(f"{first['file']}: its pixels are not known for certain; the first layer stays as it was released")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        path = _checkpoint(paths[0], Path(scratch))
        tensors, metadata = import_file(framework, path, model, drop_head=True, our_pixels=our_pixels)
    return tensors, metadata | {"release": name}


def _checkpoint(path: Path, scratch: Path) -> Path:
    """The file itself, or if it is an archive the one checkpoint inside, unpacked into `scratch`."""
    if file_format(path) not in ARCHIVE_FORMATS or path.suffix in (".pth", ".pt"):  # torch's own files are zip archives
        return path
    unpack(path, scratch)
    checkpoints = sorted(
        file for file in scratch.rglob("*") if file.is_file() and re.search(r"\.ckpt(\.index)?$", file.name)
    )
    if len(checkpoints) != 1:
        names = ", ".join(file.name for file in checkpoints) or "none"
        raise UserError(f"{path} should hold one checkpoint but holds {names}: unpack it and import the file inside")
    return checkpoints[0]
