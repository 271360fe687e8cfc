"""Lists and tables as people save them: with a byte order mark, CRLF, in Latin-1 or UTF-16, from a spreadsheet."""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.common.errors import UserError

SEPARATORS = "\t;,"
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # how .xlsx and .ods, and .xls, begin


def read_text(path: Path | str) -> str:
    """The text of a file in UTF-8, UTF-16 with a byte order mark, or else Windows' Latin-1, with `\\n` as line ends.

    Raises UserError with the line if the file is in none of them.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): correct its path or give access to it") from error
    if data.startswith(WORKBOOKS):
        raise UserError(f"{path} is a workbook of a spreadsheet and no text: save it as CSV or tab-separated text")
    text = _decode(path, data)
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise UserError(f"{path} line {line} holds a NUL byte, so the file is not UTF-8 text: save it as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: Path | str) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) for every line that is not blank, without the spaces and tabs at its end."""
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if text := line.rstrip(" \t"):
            yield number, text


def read_table(path: Path | str, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, row) of a table with a header line, separated by tabs, semicolons or commas.

    Names of columns are in lower case. Raises UserError if one of `columns` is missing, or a row has other cells.
    """
    text = read_text(path)
    separator, header, skipped = _header(text, columns)
    missing = [name for name in columns if name not in header]
    if missing:
        raise UserError(
            f"{path} has no column {missing[0]}, only {', '.join(map(repr, header))}: correct its header line"
        )
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for number, cells in enumerate(reader):
            if number > skipped and any(cell.strip() for cell in cells):
                yield reader.line_num, _row(path, reader.line_num, header, cells)
    except csv.Error as error:
        raise UserError(f"{path} line {reader.line_num} has quotes that do not pair ({error}): correct it") from error


def has_columns(path: Path | str, columns: Sequence[str]) -> bool:
    """Whether a file is a table whose header line has `columns`."""
    return set(columns) <= set(_header(read_text(path), columns)[1])


def _decode(path: Path | str, data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is not valid UTF-16 ({error.reason}): save it as UTF-8") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path} line {line} has the byte 0x{data[error.start]:02x}, which is neither UTF-8 nor Latin-1: save it as"
            " UTF-8"
        ) from error


def _header(text: str, columns: Sequence[str]) -> tuple[str, list[str], int]:
    """The separator, the names of the columns, and the number of lines before them (a `sep=;` of Excel)."""
    first, _, rest = text.partition("\n")
    skipped = int(first.lower().startswith("sep=") and len(first) == 5)
    line = rest.partition("\n")[0] if skipped else first
    headers = {separator: _cells(line, separator) for separator in (first[4] if skipped else SEPARATORS)}
    separator = max(
        headers, key=lambda separator: (len(set(columns) & set(headers[separator])), len(headers[separator]))
    )
    return separator, headers[separator], skipped


def _cells(line: str, separator: str) -> list[str]:
    try:
        return [cell.strip().lower() for cell in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:  # a line of a file that is no table
        return []


def _row(path: Path | str, line: int, header: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    if any(cells[len(header) :]):
        raise UserError(
            f"{path} line {line} has {len(cells)} cells and the header {len(header)}: quote a value that contains the"
            " separator"
        )
    return dict(zip(header, [*cells, *[""] * (len(header) - len(cells))], strict=False))
