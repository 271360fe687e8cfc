"""Merge the quarantine files of a data set's index and slices, and refuse slices with too many bad videos."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pipeline.common import cli, log
from pipeline.formats.manifest import read_manifest
from pipeline.formats.quarantine import read, refuse_many_bad, write


def refuse_bad_slices(files: Sequence[Path], manifest: Path, max_share: float) -> None:
    """Raise UserError for the first slice with a larger share of bad videos; a file is named after its slice."""
    videos, _ = read_manifest(manifest)
    counts = Counter(videos["slice"])
    for path in files:
        if count := counts[path.name.partition(".")[0]]:
            refuse_many_bad(read([path]), count, max_share, path)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="quarantine files of the index and of every slice")
    parser.add_argument("--manifest", type=Path, help="manifest.parquet, for the number of videos in each slice")
    parser.add_argument("--max-bad-share", type=float, default=1.0, help="a larger share of a slice is an error")
    parser.add_argument("--out", required=True, type=Path)
    args = parser.parse_args(argv)
    if args.manifest:
        refuse_bad_slices(args.files, args.manifest, args.max_bad_share)
    rows = read(args.files)
    write(args.out, rows)
    verdicts = sorted(Counter(row.verdict for row in rows).items())
    summary = ", ".join(f"{count} {verdict}" for verdict, count in verdicts)
    log.say(f"{args.out}: {summary or 'no rows'}")


if __name__ == "__main__":
    cli.run(main)
