"""Slices: the parts of a data set that the jobs of every data stage process."""

import hashlib
import math
from collections.abc import Iterator, Mapping

SLACK = 1.25  # capacity of a slice relative to the mean; with less, one added video would displace many others
LIMITS_PER_OCTAVE = 4  # the capacity is rounded up to quarter octaves, so that one added video rarely changes it


def names(count: int) -> list[str]:
    """`0000`, `0001`, ..."""
    return [f"{number:04d}" for number in range(count)]


def assign(sizes: Mapping[str, int], count: int, seed: int) -> dict[str, str]:
    """Video -> slice: random by `seed`, mixing the classes, and balanced by `sizes` (video -> bytes).

    Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam 2018): each video tries the slices in a
    pseudo-random order and takes the first with enough capacity, or the emptiest if there is none. An added or changed
    video therefore rarely moves other videos, and only its own slice is made again.
    """
    slices = names(count)
    capacity = _capacity(sum(sizes.values()), max(sizes.values(), default=0), count)
    loads = [0] * count
    assigned = {}
    for video in sorted(sizes, key=lambda video: (-_magnitude(sizes[video]), _hash(f"{seed}/{video}"))):
        candidates = _candidates(video, count, seed)
        chosen = next((number for number in candidates if loads[number] + sizes[video] <= capacity), None)
        chosen = min(range(count), key=loads.__getitem__) if chosen is None else chosen
        loads[chosen] += sizes[video]
        assigned[video] = slices[chosen]
    return assigned


def _candidates(video: str, count: int, seed: int) -> Iterator[int]:
    # Eight numbers per digest; four candidates per slice leave hardly any slice out.
    for attempt in range(count // 2 + 1):
        digest = _hash(f"{seed}/{attempt}/{video}")
        yield from (int.from_bytes(digest[at : at + 8], "little") % count for at in range(0, 64, 8))


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode()).digest()


def _capacity(total: int, largest: int, count: int) -> float:
    minimum = max(total / count * SLACK, largest, 1)
    return 2 ** (math.ceil(math.log2(minimum) * LIMITS_PER_OCTAVE) / LIMITS_PER_OCTAVE)


def _magnitude(size: int) -> int:
    # Large videos first, by powers of two, so that small ones fill the gaps.
    return size.bit_length()
