"""CRC-32C (Castagnoli), the checksum of TensorFlow's blocks and tensors."""

import numba
import numpy as np

POLYNOMIAL = 0x82F63B78  # reflected
MASK_DELTA = 0xA282EAD8  # LevelDB's: a checksum over bytes that contain checksums would be weak without the mask


def _make_table() -> np.ndarray:
    entries = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        entries = np.where(entries & 1, (entries >> 1) ^ np.uint32(POLYNOMIAL), entries >> 1)
    return entries


TABLE = _make_table()


@numba.njit(cache=True)
def _update(register, data, table):
    for byte in data:
        register = table[(register ^ byte) & 0xFF] ^ (register >> np.uint32(8))
    return register


def crc32c(data: bytes | memoryview) -> int:
    """The plain checksum."""
    return int(_update(np.uint32(0xFFFFFFFF), np.frombuffer(data, np.uint8), TABLE)) ^ 0xFFFFFFFF


def masked_crc32c(data: bytes | memoryview) -> int:
    """The checksum as LevelDB and TensorFlow store it: rotated, plus a constant."""
    plain = crc32c(data)
    return ((plain >> 15 | plain << 17) + MASK_DELTA) & 0xFFFFFFFF
