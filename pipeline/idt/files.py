"""The HDF5 files of this package: named arrays, with the settings that made them as attributes."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.common.errors import UserError, unreadable
from pipeline.common.files import whole_file
from pipeline.formats.hdf5 import open_hdf5
from pipeline.idt.fisher import Mixture, Vocabulary
from pipeline.idt.parameters import DESCRIPTOR_LENGTHS


@contextlib.contextmanager
def create(path: Path | str, attributes: Mapping[str, Any]) -> Iterator[h5py.File]:
    """A new file to fill, written atomically."""
    with whole_file(path) as scratch, open_hdf5(scratch, "w") as file:
        for name, value in attributes.items():
            file.attrs[name] = value
        yield file


@contextlib.contextmanager
def open_file(path: Path | str, stage: str) -> Iterator[h5py.File]:
    """A file that `stage` wrote; any other file is a UserError."""
    try:
        file = open_hdf5(path)
    except OSError as error:
        raise unreadable(path, error, f"is not a whole file of idt {stage}") from error
    with file:
        if (actual := file.attrs.get("stage")) != stage:
            raise UserError(f"{path} is of the stage {actual} but must be a file of {stage}: correct the path")
        yield file


def read_attributes(file: h5py.File) -> dict[str, Any]:
    """The attributes of a file as plain Python values."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in file.attrs.items()}


def check_same_settings(
    first: Path, a: Mapping[str, Any], second: Path, b: Mapping[str, Any], names: tuple[str, ...]
) -> None:
    """Raise a UserError if two files were made with different settings."""
    for name in names:
        if a.get(name) != b.get(name):
            raise UserError(
                f"{first} was made with {name} {a.get(name)} but {second} with {b.get(name)}: make one again"
            )


def dataset_name(split: int, seed: int) -> str:
    """The name of the encodings under the vocabulary of one split and seed."""
    return f"split{split}.seed{seed}"


def write_strings(file: h5py.File, name: str, values: list[str]) -> None:
    """Write a dataset of strings."""
    file.create_dataset(name, data=values, dtype=h5py.string_dtype())


def read_strings(file: h5py.File, name: str) -> list[str]:
    """The values of a dataset of strings."""
    return [value.decode() for value in file[name][:]]


def write_vocabulary(file: h5py.File, vocabulary: Vocabulary) -> None:
    """Write a group for each kind of descriptor."""
    for kind, mixture in vocabulary.items():
        for name, array in mixture._asdict().items():
            file[f"{kind}/{name}"] = array.astype(np.float32)


def read_vocabulary(path: Path | str) -> tuple[Vocabulary, dict[str, Any]]:
    """A vocabulary, and the attributes of its file."""
    with open_file(path, "idt_vocabulary") as file:
        vocabulary = {
            kind: Mixture(**{name: file[f"{kind}/{name}"][:] for name in Mixture._fields})
            for kind in DESCRIPTOR_LENGTHS
        }
        return vocabulary, read_attributes(file)
