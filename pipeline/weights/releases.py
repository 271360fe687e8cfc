"""Released weights: weights.tsv, read and checked; where each can be had, and how to help when it cannot."""

import re
from pathlib import Path

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv, sha256
from pipeline.fetch.archives import WEB_PAGE, file_format
from pipeline.fetch.download import RetryPolicy, Transfer, Unavailable, discard, download

TABLE = Path(__file__).with_name("weights.tsv")
FOLDER = Path("data/weights")

# An empty cell is a fact that is not known; the note says which and why.
PATTERNS = {
    "model": r"[a-z0-9_]+",
    "framework": r"torchvision|matconvnet|caffe|tensorflow|pytorch-i3d",
    "file": r"[\w+-][\w.+=-]*(/[\w+-][\w.+=-]*)*",
    "url": r"(https?://\S+)?",
    "sha256": r"([0-9a-f]{64}|[0-9a-f]{8})?",  # whole, or the beginning that the file's name gives
    "preprocessing": r".*",
    "classes": r".*",
    "licence": r".*",
    "score": r".*",
    "checked": r"(\d{4}-\d{2}-\d{2})?",  # when the URL was last seen to give the file
    "note": r".+",
}


def rows(table: Path = TABLE) -> list[dict[str, str]]:
    """Every release; a malformed cell or a file listed twice is a UserError."""
    found = read_tsv(table, tuple(PATTERNS))
    seen: dict[str, int] = {}
    for line, row in enumerate(found, 2):
        for column, pattern in PATTERNS.items():
            if re.fullmatch(pattern, row[column] or "") is None:
                raise UserError(f"{table}, line {line}: {column} is {row[column]!r} but must match {pattern}")
        if row["file"] in seen:
            raise UserError(f"{table}, line {line}: {row['file']} is listed before in line {seen[row['file']]}")
        seen[row["file"]] = line
    return found


def rows_of(model: str, table: Path = TABLE) -> list[dict[str, str]]:
    """The releases of one of our networks; a network without any is a UserError."""
    everything = rows(table)
    found = [row for row in everything if row["model"] == model]
    if not found:
        known = ", ".join(sorted({row["model"] for row in everything}))
        raise UserError(f"{table} lists no weights of {model!r}, only of {known}: train it, or add a row")
    return found


def release(name: str, table: Path = TABLE) -> list[dict[str, str]]:
    """The rows of the files that make up a release, named MODEL or MODEL.WORD.

    It is the network's first one, or the first whose framework or file has the word: resnet_50.matconvnet,
    i3d.flow_imagenet.
    """
    model, _, word = name.partition(".")
    kin = rows_of(model, table)
    found = [row for row in kin if word in ("", row["framework"]) or word in re.split(r"[./]", row["file"])]
    if not found:
        files = ", ".join(row["file"] for row in kin)
        raise UserError(f"no release of {model} is called {word!r}: its files are {files}")
    stem = found[0]["file"].removesuffix(".index")
    return [found[0], *(row for row in kin if row["file"].startswith(f"{stem}.data-"))]


def where(name: str, folder: Path = FOLDER, table: Path = TABLE) -> str:
    """One sentence for who has not got the weights: which file, from where, to put where, and how to go on."""
    first, more = release(name, table)[0], len(rows_of(name.partition(".")[0], table)) - 1
    others = f" ({more} more files in pipeline/weights/weights.tsv)" if more else ""
    return f"released weights of {first['model']} are {_way(first, folder, name)}{others}"


def fetch(row: dict[str, str], folder: Path = FOLDER, patience: RetryPolicy | None = None) -> Path:
    """The file of a row, downloaded unless it is there, and held to its checksum.

    What cannot be had, and what is another file, is a UserError that says where to put the right one.
    """
    path = folder / row["file"]
    if path.is_file():
        _verify(path, row, folder)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    transfer = Transfer(
        row["url"], path.with_name(f"{path.name}.part"), archive=False, retries=patience or RetryPolicy()
    )
    try:
        if not row["url"]:
            raise Unavailable("its address is not known")
        download(transfer)
    except Unavailable as error:
        raise UserError(f"{row['file']} could not be had ({error}): the weights are {_way(row, folder)}") from error
    try:
        _verify(transfer.part, row, folder)
    except UserError:
        discard(transfer)
        raise
    transfer.part.replace(path)
    transfer.remote_path.unlink(missing_ok=True)
    return path


def _verify(path: Path, row: dict[str, str], folder: Path) -> None:
    if file_format(path) == WEB_PAGE:
        raise UserError(f"{path} is a web page, not weights: delete it; they are {_way(row, folder)}")
    digest = sha256(path)
    if not digest.startswith(row["sha256"]):
        wanted = f"{digest} but weights.tsv says {row['sha256']}"
        raise UserError(f"{path} has the sha256 {wanted}: delete it; the weights are {_way(row, folder)}")


def _way(row: dict[str, str], folder: Path, name: str = "") -> str:
    return (
        f"{row['file']} from {row['url'] or 'no address that is known'}: put it at {folder / row['file']}, and"
        f" python -m pipeline.weights release {name or row['model']} makes it ours"
    )
