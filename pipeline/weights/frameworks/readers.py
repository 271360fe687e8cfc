"""The readers by format; they need none of the frameworks and run nothing that a file holds."""

import importlib
import struct
from pathlib import Path

import numpy as np

from pipeline.common.errors import UserError
from pipeline.fetch.archives import WEB_PAGE, file_format

# format -> module with a function `read(path)`; imported on demand.
READERS = {
    "torchvision": "pipeline.weights.frameworks.pytorch",
    "matconvnet": "pipeline.weights.frameworks.matconvnet",
    "caffe": "pipeline.weights.frameworks.caffe",
    "tensorflow": "pipeline.weights.frameworks.tensorflow",
    "pytorch-i3d": "pipeline.weights.frameworks.pytorch",
}

PACKED = ("rar", "gzip", "tar")  # torch.save's own files are zip archives


def read(form: str, path: Path | str) -> dict[str, np.ndarray]:
    """Every tensor of a file of the format, under the source's own name and in its own layout.

    A missing, broken or foreign file is a UserError.
    """
    if form not in READERS:
        raise UserError(f"there is no format {form!r}: choose one of {', '.join(READERS)}")
    path = Path(path)
    refuse_others(path)
    try:
        tensors = importlib.import_module(READERS[form]).read(path)
    except (OSError, ValueError, KeyError, IndexError, struct.error) as error:  # Broken is a ValueError
        raise UserError(
            f"{path} cannot be read as {form} weights ({error}): fetch it again, or name its own format"
        ) from error
    if not tensors:
        raise UserError(f"{path} holds 0 tensors where {form} weights are expected: check the file and the format")
    return tensors


def refuse_others(path: Path) -> None:
    """Raise UserError for a web page (which servers send when a file is gone), for an archive and for nothing."""
    if not path.is_file():
        return  # a TensorFlow checkpoint is named by a prefix
    if path.stat().st_size == 0:
        raise UserError(f"{path} has 0 bytes: fetch it again")
    kind = file_format(path)
    if kind in PACKED:
        raise UserError(f"{path} is a {kind} archive, not weights: unpack it and import the file inside")
    if kind == WEB_PAGE:
        raise UserError(f"{path} is a web page, not weights: open its URL in a browser and fetch what it links to")
