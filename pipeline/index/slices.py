"""Which slice of a data set a video belongs to: the unit of work of every data stage."""

import hashlib
import math
from collections.abc import Iterator, Mapping

SLACK = 1.25  # times the mean that every slice may hold; with less, one video that comes pushes others on and on
STEPS = 4  # of the bound to its double: one that followed every video would move others with it


def names(count: int) -> list[str]:
    """`0000`, `0001`, ..."""
    return [f"{number:04d}" for number in range(count)]


def assign(sizes: Mapping[str, int], count: int, seed: int) -> dict[str, str]:
    """Video -> slice, seeded, mixing the classes, balanced by `sizes` (video -> bytes).

    Each video visits slices in an order of its own and takes the first with room (consistent hashing with bounded
    loads), so that a video that is added or changed hardly ever moves another and its slice alone is made again. Where
    it finds none with room, the emptiest takes it.
    """
    slices = names(count)
    limit = _limit(sum(sizes.values()), max(sizes.values(), default=0), count)
    loads = [0] * count
    assigned = {}
    for video in sorted(sizes, key=lambda video: (-_magnitude(sizes[video]), _hash(f"{seed}/{video}"))):
        room = (place for place in _visits(video, count, seed) if loads[place] + sizes[video] <= limit)
        chosen = next(room, None)
        chosen = min(range(count), key=loads.__getitem__) if chosen is None else chosen
        loads[chosen] += sizes[video]
        assigned[video] = slices[chosen]
    return assigned


def _visits(video: str, count: int, seed: int) -> Iterator[int]:
    # Eight places a digest; after four times as many visits as there are slices, hardly one is unseen.
    for attempt in range(count // 2 + 1):
        digest = _hash(f"{seed}/{attempt}/{video}")
        yield from (int.from_bytes(digest[at : at + 8], "little") % count for at in range(0, 64, 8))


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode()).digest()


def _limit(total: int, largest: int, count: int) -> float:
    least = max(total / count * SLACK, largest, 1)
    return 2 ** (math.ceil(math.log2(least) * STEPS) / STEPS)


def _magnitude(size: int) -> int:
    # Large videos first, by powers of two: later, small ones fill the gaps.
    return size.bit_length()
