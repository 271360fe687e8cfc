"""The released weights that weights.tsv lists: the checked table, a release's files, and their download."""

import re
from pathlib import Path

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv, sha256
from pipeline.fetch.archives import WEB_PAGE, file_format
from pipeline.fetch.download import RetryPolicy, Transfer, Unavailable, discard, download

TABLE = Path(__file__).with_name("weights.tsv")
FOLDER = Path("data/weights")

# Column -> pattern of its cells. An empty cell is a value that is not known; the note says which and why.
PATTERNS = {
    "model": r"[a-z0-9_]+",
    "framework": r"torchvision|matconvnet|caffe|tensorflow|pytorch-i3d",
    "file": r"[\w+-][\w.+=-]*(/[\w+-][\w.+=-]*)*",
    "url": r"(https?://\S+)?",
    "sha256": r"([0-9a-f]{64}|[0-9a-f]{8})?",  # all of it, or the beginning that the file's name states
    "preprocessing": r".*",
    "classes": r".*",
    "licence": r".*",
    "score": r".*",
    "checked": r"(\d{4}-\d{2}-\d{2})?",  # the last date at which the URL gave the file
    "note": r".+",
}
Row = dict[str, str]


def rows(table: Path = TABLE) -> list[Row]:
    """The rows of weights.tsv; a malformed cell, or a file with two rows, is a UserError."""
    listed = read_tsv(table, tuple(PATTERNS))
    lines: dict[str, int] = {}
    for line, row in enumerate(listed, 2):
        for column, pattern in PATTERNS.items():
            if re.fullmatch(pattern, row[column] or "") is None:
                raise UserError(f"{table}, line {line}: {column} is {row[column]!r} but must match {pattern}")
        if row["file"] in lines:
            raise UserError(f"{table}, line {line}: {row['file']} is listed before in line {lines[row['file']]}")
        lines[row["file"]] = line
    return listed


def model_rows(model: str, table: Path = TABLE) -> list[Row]:
    """The rows of a network's releases; a network without any is a UserError."""
    listed = rows(table)
    matching = [row for row in listed if row["model"] == model]
    if not matching:
        models = ", ".join(sorted({row["model"] for row in listed}))
        raise UserError(f"{table} lists no weights of {model!r}, only of {models}: train it, or add a row")
    return matching


def release_rows(name: str, table: Path = TABLE) -> list[Row]:
    """The rows of a release's files; its name is MODEL or MODEL.WORD.

    MODEL is the network's first row, and MODEL.WORD its first row whose framework or part of the file name is the
    word: resnet_50.matconvnet, i3d.flow_imagenet. A checkpoint's index comes with its data files.
    """
    model, _, word = name.partition(".")
    candidates = model_rows(model, table)
    matching = [row for row in candidates if word in ("", row["framework"]) or word in re.split(r"[./]", row["file"])]
    if not matching:
        files = ", ".join(row["file"] for row in candidates)
        raise UserError(f"no release of {model} is called {word!r}: its files are {files}")
    stem = matching[0]["file"].removesuffix(".index")
    return [matching[0], *(row for row in candidates if row["file"].startswith(f"{stem}.data-"))]


def instructions(name: str, folder: Path = FOLDER, table: Path = TABLE) -> str:
    """One sentence for a user without the weights: the file, its URL, the path to put it at, and the next command."""
    first = release_rows(name, table)[0]
    more = len(model_rows(first["model"], table)) - 1
    others = f" ({more} more files in pipeline/weights/weights.tsv)" if more else ""
    return f"released weights of {first['model']} are {_source(first, folder, name)}{others}"


def fetch(row: Row, folder: Path = FOLDER, retries: RetryPolicy | None = None) -> Path:
    """The path of a row's file, which is downloaded if it is missing; its checksum is verified either way.

    A file that cannot be downloaded, or has another checksum, is a UserError that says where to put the right one.
    """
    path = folder / row["file"]
    if path.is_file():
        _verify(path, row, folder)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    transfer = Transfer(
        row["url"], path.with_name(f"{path.name}.part"), archive=False, retries=retries or RetryPolicy()
    )
    try:
        if not row["url"]:
            raise Unavailable("its address is not known")
        download(transfer)
    except Unavailable as error:
        source = _source(row, folder)
        raise UserError(f"{row['file']} could not be downloaded ({error}): the weights are {source}") from error
    try:
        _verify(transfer.part, row, folder)
    except UserError:
        discard(transfer)
        raise
    transfer.part.replace(path)
    transfer.remote_path.unlink(missing_ok=True)
    return path


def _verify(path: Path, row: Row, folder: Path) -> None:
    if file_format(path) == WEB_PAGE:
        raise UserError(f"{path} is a web page, not weights; they are {_source(row, folder)}")
    digest = sha256(path)
    if not digest.startswith(row["sha256"]):
        difference = f"{digest} but weights.tsv says {row['sha256']}"
        raise UserError(f"{path} has the sha256 {difference}: move it away; the weights are {_source(row, folder)}")


def _source(row: Row, folder: Path, name: str = "") -> str:
    return (
        f"{row['file']} from {row['url'] or 'an unknown address'}: put it at {folder / row['file']} and run"
        f" python -m pipeline.weights release {name or row['model']}"
    )
