"""Gather the quarantine files of a data set's index and slices into one, and refuse a slice of too many bad videos."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pipeline.common import cli, log
from pipeline.formats.manifest import read_manifest
from pipeline.formats.quarantine import read, refuse_many_bad, write


def refuse_bad_slices(files: Sequence[Path], manifest: Path, max_share: float) -> None:
    """Raise for the first slice of which more than `max_share` is bad; a slice's file is named after it."""
    videos, _ = read_manifest(manifest)
    counts = Counter(videos["slice"])
    for path in files:
        if count := counts[path.name.partition(".")[0]]:
            refuse_many_bad(read([path]), count, max_share, path)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="quarantine files of the index and of every slice")
    parser.add_argument("--manifest", type=Path, help="manifest.parquet, to count the videos of each slice by")
    parser.add_argument("--max-bad-share", type=float, default=1.0, help="a larger share of a slice is an error")
    parser.add_argument("--out", required=True, type=Path)
    args = parser.parse_args(argv)
    if args.manifest:
        refuse_bad_slices(args.files, args.manifest, args.max_bad_share)
    rows = read(args.files)
    write(args.out, rows)
    verdicts = sorted(Counter(row.verdict for row in rows).items())
    counted = ", ".join(f"{count} {verdict}" for verdict, count in verdicts)
    log.say(f"{args.out}: {counted or 'nothing left out'}")


if __name__ == "__main__":
    cli.run(main)
