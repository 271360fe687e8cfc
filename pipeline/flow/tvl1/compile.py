"""Compilation of the kernels with numba: they release the GIL, and their machine code is cached on disk."""

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
SOURCES = sorted(Path(__file__).parent.glob("*.py"))
PACKAGE_HASH = hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()


class PackageCache(FunctionCache):
    """numba's cache on disk, but invalidated by a change in any file of this package.

    numba checks only the file of the function itself, although code of other files is inlined into it.
    """

    def _index_key(self, signature: Any, codegen: Any) -> Any:
        return super()._index_key(signature, codegen), PACKAGE_HASH


def kernel(function: Callable[..., Any]) -> Any:
    """Decorator: njit with a cache on disk, or in memory if no folder is writable."""
    compiled = njit(**OPTIONS)(function)
    with contextlib.suppress(RuntimeError):  # numba found no writable folder, so every process compiles
        compiled._cache = PackageCache(function)
    return compiled


def inline(function: Callable[..., Any]) -> Any:
    """Decorator: a function that is inlined into the kernels that call it."""
    return njit(forceinline=True, error_model="numpy")(function)
