"""The reader of each framework's weight files; none needs the framework or runs code that a file holds."""

import importlib
import struct
from pathlib import Path

import numpy as np

from pipeline.common.errors import UserError
from pipeline.fetch.archives import WEB_PAGE, file_format

# Framework -> module with a function `read(path)`, imported on demand.
READERS = {
    "torchvision": "pipeline.weights.frameworks.pytorch",
    "matconvnet": "pipeline.weights.frameworks.matconvnet",
    "caffe": "pipeline.weights.frameworks.caffe",
    "tensorflow": "pipeline.weights.frameworks.tensorflow",
    "pytorch-i3d": "pipeline.weights.frameworks.pytorch",
}

ARCHIVES = ("rar", "gzip", "tar")  # not zip, because torch.save writes zip archives


def read(framework: str, path: Path | str) -> dict[str, np.ndarray]:
    """Every tensor of a weight file under the framework's own name and in its own layout.

    A missing file, a broken one or one of another format is a UserError.
    """
    if framework not in READERS:
        raise UserError(f"there is no format {framework!r}: choose one of {', '.join(READERS)}")
    path = Path(path)
    refuse_other_files(path)
    try:
        tensors = importlib.import_module(READERS[framework]).read(path)
    except (OSError, ValueError, KeyError, IndexError, struct.error) as error:  # a FormatError is a ValueError
        raise UserError(
            f"{path} cannot be read as {framework} weights ({error}): fetch it again, or give its own format"
        ) from error
    if not tensors:
        raise UserError(f"{path} holds 0 tensors where {framework} weights are expected: check the file and the format")
    return tensors


def refuse_other_files(path: Path) -> None:
    """Raise UserError for an empty file, an archive, or a web page (which servers send when a file is gone)."""
    if not path.is_file():
        return  # it may be the prefix of a TensorFlow checkpoint; the reader answers for a missing file
    if path.stat().st_size == 0:
        raise UserError(f"{path} has 0 bytes: fetch it again")
    kind = file_format(path)
    if kind in ARCHIVES:
        raise UserError(f"{path} is a {kind} archive, not weights: unpack it and import the file inside")
    if kind == WEB_PAGE:
        raise UserError(f"{path} is a web page, not weights: open its URL in a browser and fetch what it links to")
