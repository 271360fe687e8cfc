"""Scores in the files of other tools: a dataset of an HDF5 file, or CSV; checked against a list and classes."""

import contextlib
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from pipeline.common.errors import UserError

HDF5 = (".h5", ".hdf5", ".hdf", ".mat")
MOST = 1 << 31  # scores in one file: 8 GiB


def read_scores(source: str, videos: int, listed: Path | str, classes: Sequence[str], named: Path | str) -> np.ndarray:
    """float32 (videos, views, classes) of FILE.h5:DATASET or FILE.csv, shapes checked before anything large is read."""
    path, colon, dataset = source.rpartition(":")
    if colon and Path(path).suffix.lower() in HDF5:
        return _hdf5(Path(path), dataset, videos, listed, classes, named)
    if Path(source).suffix.lower() in HDF5:
        raise UserError(f"{source} lacks its dataset: write {source}:NAME, one of {_names(Path(source))}")
    return _csv(Path(source), videos, listed, classes, named)


def _hdf5(
    path: Path, name: str, videos: int, listed: Path | str, classes: Sequence[str], named: Path | str
) -> np.ndarray:
    with _opened(path) as file:
        there = _datasets(file)
        if name.strip("/") not in there:
            raise UserError(f"{path} has no dataset {name!r}: choose one of {', '.join(there) or 'none, it is empty'}")
        dataset = file[name]
        if dataset.is_virtual or dataset.external:
            raise UserError(f"{path}:{name} keeps its numbers in other files: copy them into this one")
        if dataset.ndim not in (2, 3) or dataset.dtype.kind not in "fiu":
            raise UserError(
                f"{path}:{name} is {dataset.dtype} of the shape {dataset.shape}: give numbers (videos, classes) or"
                " (videos, views, classes)"
            )
        _refuse_shape(f"{path}:{name}", dataset.shape[0], dataset.shape[-1], videos, listed, classes, named)
        if not 0 < dataset.size <= MOST:
            raise UserError(f"{path}:{name} has {dataset.size:,} scores: give 1 to {MOST:,}, in parts if need be")
        return _single(dataset[()]).reshape(videos, -1, len(classes))


def _single(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # what overflows is infinite, which is refused with its video
        return values.astype(np.float32)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError) as error:  # h5py raises any of them for torn files
        raise UserError(f"{path} cannot be read as HDF5: {error}") from error


def _names(path: Path) -> str:
    with _opened(path) as file:
        return ", ".join(_datasets(file)) or "none, it is empty"


def _datasets(file: h5py.File) -> list[str]:
    """Names of the datasets in the file itself; what a link fetches from another file is not among them."""
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return found


def _csv(path: Path, videos: int, listed: Path | str, classes: Sequence[str], named: Path | str) -> np.ndarray:
    """Rows of numbers, one a video; a first line of the classes' names, or of 0, 1, 2 ..., is a header."""
    lines = _rows(path)
    number, first = next(lines, (0, []))
    if not first:
        raise UserError(f"{path} is empty: give it a line of scores for every video")
    header = _is_header(path, first, classes)
    rows = [] if header else [_numbers(path, number, first, len(first))]
    count = len(rows)
    for number, cells in lines:
        count += 1
        if count <= videos:  # the rest is only counted, for the refusal
            rows.append(_numbers(path, number, cells, len(first)))
    _refuse_shape(str(path), count, len(first), videos, listed, classes, named)
    return np.stack(rows)[:, None]


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every line that is not blank."""
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
        wrong = next(pair for pair in zip(names, classes, strict=True) if pair[0] != pair[1])
        raise UserError(
            f"{path} has the column {wrong[0]} where the class list has {wrong[1]}: put the list in its order"
        )
    return names == [str(n) for n in range(len(names))] or not any(_is_number(name) for name in names)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(path: Path, line: int, cells: Sequence[str], width: int) -> np.ndarray:
    if len(cells) != width:
        raise UserError(f"{path} has {len(cells)} columns in line {line} and {width} in the first: mend the line")
    if wrong := [n for n, cell in enumerate(cells) if not _is_number(cell)]:
        raise UserError(
            f"{path} has {cells[wrong[0]]!r} in line {line}, column {wrong[0] + 1}, where a number belongs: leave only"
            " scores in it"
        )
    return _single(np.array([float(cell) for cell in cells]))


def _refuse_shape(
    source: str, rows: int, columns: int, videos: int, listed: Path | str, classes: Sequence[str], named: Path | str
) -> None:
    if rows != videos:
        raise UserError(f"{source} has {rows} rows but {listed} lists {videos} videos: give a row of scores for each")
    if columns != len(classes):
        raise UserError(
            f"{source} has {columns} columns but {named} names {len(classes)} classes: give a column for each"
        )
