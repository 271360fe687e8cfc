"""Which slice of a data set a video belongs to: the unit of work of every data stage."""

import hashlib
import math
from collections.abc import Mapping, Sequence

SLACK = 1.05  # a slice may hold this many times the mean; less slack moves more videos when one changes


def names(count: int) -> list[str]:
    """`0000`, `0001`, ..."""
    return [f"{number:04d}" for number in range(count)]


def assign(sizes: Mapping[str, int], count: int, seed: int) -> dict[str, str]:
    """Video -> slice, seeded, mixing the classes, balanced by `sizes` (video -> bytes).

    Each video ranks the slices by a hash of its own and takes the first with room (consistent hashing with bounded
    loads), so that a video that is added or changed moves few others and few slices have to be made again. Where none
    has room, the emptiest takes it.
    """
    slices = names(count)
    limit = _limit(sum(sizes.values()), max(sizes.values(), default=0), count)
    loads = dict.fromkeys(slices, 0)
    assigned = {}
    for video in sorted(sizes, key=lambda video: (-_magnitude(sizes[video]), _hash(seed, video))):
        room = (name for name in _preference(video, slices, seed) if loads[name] + sizes[video] <= limit)
        chosen = next(room, None) or min(slices, key=lambda name: loads[name])
        loads[chosen] += sizes[video]
        assigned[video] = chosen
    return assigned


def _preference(video: str, slices: Sequence[str], seed: int) -> list[str]:
    return sorted(slices, key=lambda name: _hash(seed, f"{name}/{video}"))


def _hash(seed: int, text: str) -> bytes:
    return hashlib.blake2b(f"{seed}/{text}".encode(), digest_size=8).digest()


def _limit(total: int, largest: int, count: int) -> float:
    # Rounded up to three digits, so that one changed video seldom changes the limit and with it everyone's place.
    mean = max(total / count * SLACK, largest)
    digit = 10 ** max(math.floor(math.log10(max(mean, 1))) - 2, 0)
    return math.ceil(mean / digit) * digit


def _magnitude(size: int) -> int:
    # Large videos first, by powers of two: later, small ones fill the gaps.
    return size.bit_length()
