"""Decode one slice's videos, once, to resized JPEG frames in one HDF5 file.

The frame count is what was decoded. A video that does not decode whole is a row in the quarantine file with the reason.
"""

import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

from pipeline import cli, manifest, quarantine, video
from pipeline.codehash import code_hash
from pipeline.errors import UserError
from pipeline.files import whole_file
from pipeline.quarantine import Row
from pipeline.store import StoreWriter

Item = TypeVar("Item")
Result = TypeVar("Result")

SPOOL = 16 << 20  # bytes of one video's JPEGs kept in memory; longer videos wait on the disk


class Pictures(NamedTuple):
    """One video's JPEGs end to end, rewound, and their lengths; `note` is the quarantine row that it earned, if any."""

    data: IO[bytes]
    lengths: list[int]
    fps: float
    note: Row | None


def extract(video_id: str, path: str, size: video.Size, quality: int, decoder: str, max_missing: int) -> Pictures:
    """Decode, resize and encode one video; a bad one comes back without pictures and with the reason."""
    data: IO[bytes] = tempfile.SpooledTemporaryFile(SPOOL)  # noqa: SIM115 (its reader closes it)
    lengths: list[int] = []
    try:
        header = video.read_header(path)
        for planes in video.DECODERS[decoder](path, header, size):
            lengths.append(data.write(video.encode(planes, quality)))
        missing = video.shortfall(header, len(lengths))
        if missing > max_missing:
            raise video.BadVideo(f"the header promises {len(lengths) + missing} frames but {len(lengths)} decode")
        if len(lengths) < 2:  # left out for every stream alike, so that streams can be fused
            raise video.BadVideo(f"{len(lengths)} frame decodes, and flow takes two")
    except video.BadVideo as error:
        data.close()
        return Pictures(data, [], 0.0, Row(video_id, "frames", "bad", str(error)))
    data.seek(0)
    doubt = f"the header says {header.frames} frames and {len(lengths)} decode" if missing else ""
    return Pictures(data, lengths, header.fps, Row(video_id, "frames", "kept", doubt) if doubt else None)


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int, ahead: int = 2
) -> Iterator[tuple[Item, Result]]:
    """Each item with its result, in the items' order, by `threads` at a time; at most `ahead` a thread are waiting."""
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) >= threads * ahead:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()


def write_slice(
    videos: Sequence[tuple[str, str]],
    work: Callable[[tuple[str, str]], Pictures],
    out: Path,
    settings: dict[str, Any],
    threads: int,
) -> list[Row]:
    """Write the slice's file; returns the quarantine rows."""
    rows = []
    with whole_file(out) as scratch:
        writer = StoreWriter(scratch, settings)
        done = in_order(work, videos, threads)
        for (video_id, _), pictures in cli.progress(done, len(videos), f"frames {out.stem}"):
            if pictures.note:
                rows.append(pictures.note)
            if pictures.lengths:
                with pictures.data as data:
                    writer.add(video_id, pictures.lengths, data, pictures.fps)
        writer.close()
    return rows


def refuse_many_bad(rows: Sequence[Row], videos: int, max_share: float, out: Path) -> None:
    """Raise where more than `max_share` of a slice's videos are bad: then something else is wrong."""
    bad = [row for row in rows if row.verdict == "bad"]
    if len(bad) > max_share * videos:
        raise UserError(
            f"{out}: {len(bad)} of {videos} videos are bad, a larger share than frames.max_bad_share {max_share} allows"
            f" (first: {bad[0].video_id}, {bad[0].reason}): mend them or raise it"
        )


def members(path: Path, name: str) -> list[tuple[str, str]]:
    """(video_id, path) of a slice's videos."""
    table, _ = manifest.read_manifest(path)
    chosen = table[table["slice"] == name]
    return list(zip(chosen["video_id"], chosen["path"], strict=True))


def parse_size(text: str) -> video.Size:
    """`340x256` -> (340, 256); `256` -> 256, the short side."""
    parts = text.split("x")
    if not all(part.isdigit() for part in parts) or len(parts) > 2:
        raise UserError(
            f"--size is {text!r}: write WIDTHxHEIGHT, such as 340x256, or the short side alone, such as 256"
        )
    numbers = [int(part) for part in parts]
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("manifest", type=Path, help="manifest.parquet of the index")
    parser.add_argument("out", type=Path, help="the HDF5 file to write")
    parser.add_argument("--slice", required=True, help="which slice, such as 0000")
    parser.add_argument("--quarantine", required=True, type=Path, help="table of the videos left out or in doubt")
    parser.add_argument("--size", default="340x256", help="WIDTHxHEIGHT, or the short side, in pixels")
    parser.add_argument("--quality", type=int, default=90, help="JPEG quality")
    parser.add_argument("--decoder", choices=sorted(video.DECODERS), default="pyav")
    parser.add_argument("--max-missing", type=int, default=2, help="frames that the header may promise too many")
    parser.add_argument("--max-bad-share", type=float, default=0.2, help="a larger share of bad videos is an error")
    parser.add_argument("--threads", type=int, default=1)
    a = parser.parse_args(argv)
    size, videos = parse_size(a.size), members(a.manifest, a.slice)
    settings = {"stage": "frames", "code": code_hash("pipeline.frames"), "size": a.size, "quality": a.quality}

    def work(video: tuple[str, str]) -> Pictures:
        return extract(*video, size, a.quality, a.decoder, a.max_missing)

    rows = write_slice(videos, work, a.out, {**settings, "decoder": a.decoder}, a.threads)
    quarantine.write(a.quarantine, rows)
    refuse_many_bad(rows, len(videos), a.max_bad_share, a.out)


if __name__ == "__main__":
    cli.run(main)
