"""Read scores from files of other programs: a dataset of an HDF5 file, or a CSV file."""

import contextlib
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from pipeline.common.errors import UserError, unreadable
from pipeline.formats.hdf5 import open_hdf5

HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf", ".mat")
MAX_SCORES = 1 << 31  # in one file: 8 GiB


class Layout(NamedTuple):
    """The expected shape of a file of scores, and the lists that it follows from."""

    num_videos: int
    list_path: Path | str
    classes: Sequence[str]
    classes_path: Path | str


def read_scores(source: str, layout: Layout) -> np.ndarray:
    """The scores in FILE.h5:DATASET or FILE.csv, float32 (videos, views, classes).

    Raises UserError if the shape differs from `layout`; that is checked before the scores are read.
    """
    path, colon, dataset = source.rpartition(":")
    if colon and Path(path).suffix.lower() in HDF5_SUFFIXES:
        return _read_hdf5(Path(path), dataset, layout)
    if Path(source).suffix.lower() in HDF5_SUFFIXES:
        with _open_hdf5(Path(source)) as file:
            raise UserError(f"{source} lacks its dataset: write {source}:NAME, one of {_list_datasets(file)}")
    return _read_csv(Path(source), layout)


def _read_hdf5(path: Path, name: str, layout: Layout) -> np.ndarray:
    with _open_hdf5(path) as file:
        if name.strip("/") not in _dataset_names(file):
            raise UserError(f"{path} has no dataset {name!r}: choose one of {_list_datasets(file)}")
        dataset = file[name]
        if dataset.is_virtual or dataset.external:
            raise UserError(f"{path}:{name} keeps its numbers in other files: copy them into this one")
        if dataset.ndim not in (2, 3) or dataset.dtype.kind not in "fiu":
            raise UserError(
                f"{path}:{name} is {dataset.dtype} of the shape {dataset.shape}: write numbers of shape (videos,"
                " classes) or (videos, views, classes)"
            )
        _check_shape(f"{path}:{name}", dataset.shape[0], dataset.shape[-1], layout)
        if not 0 < dataset.size <= MAX_SCORES:
            raise UserError(f"{path}:{name} has {dataset.size:,} scores, not 1 to {MAX_SCORES:,}: import it in parts")
        return _to_float32(dataset[()]).reshape(layout.num_videos, -1, len(layout.classes))


def _to_float32(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # a number that overflows becomes infinite, which the import refuses
        return values.astype(np.float32)


@contextlib.contextmanager
def _open_hdf5(path: Path) -> Iterator[h5py.File]:
    try:
        with open_hdf5(path) as file:
            yield file
    except OSError as error:
        if error.errno is not None:  # missing, locked or not accessible
            raise unreadable(path, error, "cannot be read as HDF5") from error
        raise UserError(f"{path} cannot be read as HDF5: {error}") from error
    except (RuntimeError, KeyError, ValueError) as error:  # h5py raises each of them for damaged files
        raise UserError(f"{path} cannot be read as HDF5: {error}") from error


def _dataset_names(file: h5py.File) -> list[str]:
    """The names of the datasets in the file itself, without those that links find in other files."""
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return names


def _list_datasets(file: h5py.File) -> str:
    return ", ".join(_dataset_names(file)) or "none, it is empty"


def _read_csv(path: Path, layout: Layout) -> np.ndarray:
    """Rows of numbers, one per video; a first line with the names of the classes, or with 0, 1, 2 ..., is a header."""
    lines = _csv_lines(path)
    number, first = next(lines, (0, []))
    if not first:
        raise UserError(f"{path} is empty: write a line of scores for every video")
    rows = [] if _is_header(path, first, layout.classes) else [_parse_row(path, number, first, len(first))]
    count = len(rows)
    for number, cells in lines:
        count += 1
        if count <= layout.num_videos:  # further lines are only counted, for the error message
            rows.append(_parse_row(path, number, cells, len(first)))
    _check_shape(str(path), count, len(first), layout)
    return np.stack(rows)[:, None]


def _csv_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The number and the cells of every line that is not blank."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, cells
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as CSV: {error}") from error


def _is_header(path: Path, cells: Sequence[str], classes: Sequence[str]) -> bool:
    names = [cell.strip() for cell in cells]
    if sorted(names) == sorted(classes) and names != list(classes):
        column, expected = next(pair for pair in zip(names, classes, strict=True) if pair[0] != pair[1])
        raise UserError(
            f"{path} has the column {column} where the class list has {expected}: put the list in the file's order"
        )
    return names == [str(index) for index in range(len(names))] or not any(_is_number(name) for name in names)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parse_row(path: Path, line: int, cells: Sequence[str], width: int) -> np.ndarray:
    if len(cells) != width:
        raise UserError(f"{path} has {len(cells)} columns in line {line} and {width} in the first: correct the line")
    for column, cell in enumerate(cells, 1):
        if not _is_number(cell):
            raise UserError(
                f"{path} has {cell!r} in line {line}, column {column}, where a number belongs: leave only scores in it"
            )
    return _to_float32(np.array([float(cell) for cell in cells]))


def _check_shape(source: str, rows: int, columns: int, layout: Layout) -> None:
    if rows != layout.num_videos:
        raise UserError(
            f"{source} has {rows} rows but {layout.list_path} lists {layout.num_videos} videos: write a row of scores"
            " for each video"
        )
    if columns != len(layout.classes):
        raise UserError(
            f"{source} has {columns} columns but {layout.classes_path} names {len(layout.classes)} classes: write a"
            " column for each class"
        )
