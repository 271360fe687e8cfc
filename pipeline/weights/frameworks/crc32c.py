"""CRC-32C (Castagnoli), with which TensorFlow guards every block and tensor."""

import numba
import numpy as np

POLYNOMIAL = 0x82F63B78  # reflected
MASK = 0xA282EAD8  # added, after a rotation, so that the sum of bytes that hold sums does not degenerate


def _table() -> np.ndarray:
    entries = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        entries = np.where(entries & 1, (entries >> 1) ^ np.uint32(POLYNOMIAL), entries >> 1)
    return entries


TABLE = _table()


@numba.njit(cache=True)
def _run(data, table, register):
    for byte in data:
        register = table[(register ^ byte) & 0xFF] ^ (register >> np.uint32(8))
    return register


def crc32c(data: bytes | memoryview) -> int:
    """The checksum of some bytes."""
    return int(_run(np.frombuffer(data, np.uint8), TABLE, np.uint32(0xFFFFFFFF))) ^ 0xFFFFFFFF


def masked(data: bytes | memoryview) -> int:
    """The form of it that is stored."""
    plain = crc32c(data)
    return ((plain >> 15 | plain << 17) + MASK) & 0xFFFFFFFF
