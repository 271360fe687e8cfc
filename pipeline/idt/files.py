"""The HDF5 files of this package: arrays by name, and in the attributes what made them."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.common.errors import UserError
from pipeline.common.files import whole_file
from pipeline.idt.fisher import Mixture, Vocabulary
from pipeline.idt.parameters import KINDS


@contextlib.contextmanager
def created(path: Path | str, attributes: Mapping[str, Any]) -> Iterator[h5py.File]:
    """A file to fill, written whole."""
    with whole_file(path) as scratch, h5py.File(scratch, "w") as file:
        for name, value in attributes.items():
            file.attrs[name] = value
        yield file


@contextlib.contextmanager
def opened(path: Path | str, stage: str) -> Iterator[h5py.File]:
    """A file that `stage` wrote; any other is the user's error."""
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise UserError(f"{path} is not a whole file of idt {stage} ({error}): delete it and run again") from error
    with file:
        if (found := file.attrs.get("stage")) != stage:
            raise UserError(f"{path} is of the stage {found} but idt {stage}'s file is asked for: mend the path")
        yield file


def attributes(file: h5py.File) -> dict[str, Any]:
    """What made a file, as plain Python values."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in file.attrs.items()}


def same_settings(first: Path, one: Mapping[str, Any], second: Path, two: Mapping[str, Any], names: tuple) -> None:
    """Raise where two files were made with different settings."""
    for name in names:
        if one.get(name) != two.get(name):
            raise UserError(
                f"{first} was made with {name} {one.get(name)} but {second} with {two.get(name)}: make one again"
            )


def table_of(split: int, seed: int) -> str:
    """The name of the encodings under the vocabulary of one split and seed."""
    return f"split{split}.seed{seed}"


def write_strings(file: h5py.File, name: str, values: list[str]) -> None:
    """A table of names."""
    file.create_dataset(name, data=values, dtype=h5py.string_dtype())


def strings(file: h5py.File, name: str) -> list[str]:
    """Such a table again."""
    return [value.decode() for value in file[name][:]]


def write_vocabulary(file: h5py.File, vocabulary: Vocabulary) -> None:
    """One group a kind."""
    for kind, mixture in vocabulary.items():
        for name, array in mixture._asdict().items():
            file[f"{kind}/{name}"] = array.astype(np.float32)


def read_vocabulary(path: Path | str) -> tuple[Vocabulary, dict[str, Any]]:
    """(vocabulary, what made it)"""
    with opened(path, "idt_vocabulary") as file:
        mixtures = {kind: Mixture(**{name: file[f"{kind}/{name}"][:] for name in Mixture._fields}) for kind in KINDS}
        return mixtures, attributes(file)
