"""What `python -m pipeline.weights` does: import a release's file, fetch one, list them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.common import cli, log
from pipeline.common.errors import UserError
from pipeline.formats import weights
from pipeline.weights import make_release, releases
from pipeline.weights.frameworks import convert
from pipeline.weights.frameworks.readers import READERS
from pipeline.weights.import_file import import_file


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    try:
        number = yaml.safe_load(value)
    except yaml.YAMLError:
        equals = ""
    if not equals:
        raise UserError(f"--option is {text!r}: write it as NAME=VALUE, such as width=0.5 or depth=[1, 1, 1, 1]")
    return name, number


def _import(a: Any) -> None:
    options = dict(_option(text) for text in a.option)
    tensors, facts = import_file(a.format, a.file, a.model, a.classes, a.drop_head, options, a.our_pixels)
    try:
        weights.save(a.out, tensors, facts)
    except OSError as error:
        raise UserError(f"{a.out} cannot be written ({error}): name another place with --out") from error
    head = "without its head" if a.drop_head else f"{facts['num_classes']} classes"
    unnamed = "" if a.drop_head or facts["classes"] else ", which have no names: give --classes"
    dropped = f"; left out as training's own: {convert.listed(facts['dropped'])}" if facts["dropped"] else ""
    log.say(f"{a.out}: {len(tensors)} tensors of {a.model}, {head}{unnamed}{dropped}")


def _fetch(a: Any) -> None:
    for row in releases.rows_of(a.model):
        log.say(str(releases.fetch(row, a.folder)))


def _release(a: Any) -> None:
    tensors, facts = make_release.make(a.name, a.folder)
    weights.save(a.out or a.folder / f"{a.name}.safetensors", tensors, facts)


def _list(a: Any) -> None:
    lines = ["\t".join(row[column] for column in ("model", "framework", "file", "url")) for row in releases.rows()]
    print("\n".join(lines))


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(weights.__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    importing = commands.add_parser("import", help="another framework's file as one of ours")
    importing.add_argument("file", type=Path)
    importing.add_argument("--format", required=True, choices=READERS)
    importing.add_argument("--model", required=True, help="which of our networks it is")
    importing.add_argument("--out", required=True, type=Path, help="the .safetensors to write")
    importing.add_argument("--classes", type=Path, help="names of the file's classes, one a line, in its order")
    importing.add_argument("--drop-head", action="store_true", help="leave the classes out, for transfer")
    importing.add_argument("--our-pixels", action="store_true", help="turn the first layer to this pipeline's pixels")
    importing.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of the network")
    importing.set_defaults(run=_import)
    fetching = commands.add_parser("fetch", help="download what weights.tsv lists for a network")
    fetching.add_argument("model")
    fetching.add_argument("--folder", type=Path, default=releases.FOLDER)
    fetching.set_defaults(run=_fetch)
    releasing = commands.add_parser("release", help="fetch a release and import it, ready for the recipes")
    releasing.add_argument("name", help="MODEL or MODEL.WORD, such as resnet_50.matconvnet")
    releasing.add_argument("--folder", type=Path, default=releases.FOLDER, help="where its files lie, or go")
    releasing.add_argument("--out", type=Path, help="the .safetensors to write; NAME.safetensors in the folder")
    releasing.set_defaults(run=_release)
    commands.add_parser("list", help="print what weights.tsv lists").set_defaults(run=_list)
    a = parser.parse_args(argv)
    a.run(a)


if __name__ == "__main__":
    cli.run(main)
