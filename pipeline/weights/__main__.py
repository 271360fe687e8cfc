"""The commands of `python -m pipeline.weights`: import a file, fetch a network's files, make a release, list all."""

import argparse
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


def _parse_option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        equals = ""
    if not equals:
        raise UserError(f"--option is {text!r}: write it as NAME=VALUE, such as width=0.5 or depth=[1, 1, 1, 1]")
    return name, parsed


def _import(args: argparse.Namespace) -> None:
    options = dict(_parse_option(text) for text in args.option)
    tensors, metadata = import_file(
        args.format, args.file, args.model, args.classes, args.drop_head, options, args.our_pixels
    )
    try:
        weights.save(args.out, tensors, metadata)
    except OSError as error:
        raise UserError(f"{args.out} cannot be written ({error}): name another place with --out") from error
    head = "without its head" if args.drop_head else f"{metadata['num_classes']} classes"
    unnamed = "" if args.drop_head or metadata["classes"] else ", which have no names: give --classes"
    dropped = f"; dropped training state: {convert.join_names(metadata['dropped'])}" if metadata["dropped"] else ""
    log.say(f"{args.out}: {len(tensors)} tensors of {args.model}, {head}{unnamed}{dropped}")


def _fetch(args: argparse.Namespace) -> None:
    for row in releases.model_rows(args.model):
        log.say(str(releases.fetch(row, args.folder)))


def _release(args: argparse.Namespace) -> None:
    tensors, metadata = make_release.make(args.name, args.folder)
    weights.save(args.out or args.folder / f"{args.name}.safetensors", tensors, metadata)


def _list(args: argparse.Namespace) -> None:
    for row in releases.rows():
        print("\t".join(row[column] for column in ("model", "framework", "file", "url")))


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    importing = commands.add_parser("import", help="convert another framework's file to one of this pipeline")
    importing.add_argument("file", type=Path)
    importing.add_argument("--format", required=True, choices=READERS)
    importing.add_argument("--model", required=True, help="the network of this pipeline that the file is for")
    importing.add_argument("--out", required=True, type=Path, help="the .safetensors to write")
    importing.add_argument("--classes", type=Path, help="names of the file's classes, one a line, in its order")
    importing.add_argument("--drop-head", action="store_true", help="leave out the last layer, for transfer learning")
    importing.add_argument(
        "--our-pixels", action="store_true", help="fold the input normalisation into the first layer"
    )
    importing.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of the network")
    importing.set_defaults(run=_import)
    fetching = commands.add_parser("fetch", help="download the files that weights.tsv lists for a network")
    fetching.add_argument("model")
    fetching.add_argument("--folder", type=Path, default=releases.FOLDER)
    fetching.set_defaults(run=_fetch)
    releasing = commands.add_parser("release", help="fetch a release and import it, ready for the recipes")
    releasing.add_argument("name", help="MODEL or MODEL.WORD, such as resnet_50.matconvnet")
    releasing.add_argument("--folder", type=Path, default=releases.FOLDER, help="of the downloaded files")
    releasing.add_argument("--out", type=Path, help="the .safetensors to write; NAME.safetensors in the folder")
    releasing.set_defaults(run=_release)
    commands.add_parser("list", help="print what weights.tsv lists").set_defaults(run=_list)
    args = parser.parse_args(argv)
    args.run(args)


if __name__ == "__main__":
    cli.run(main)
