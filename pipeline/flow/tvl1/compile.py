"""How the kernels are compiled: without the interpreter's lock, and once a machine, not once a run."""

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
PACKAGE_HASH = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
).hexdigest()


class PackageCache(FunctionCache):
    """numba's cache, but a change in any file of this package counts.

    numba looks at the file of the function alone, and would go on using kernels that were compiled into it from others.
    """

    def _index_key(self, signature: Any, codegen: Any) -> Any:
        return super()._index_key(signature, codegen), PACKAGE_HASH


def kernel(function: Callable[..., Any]) -> Any:
    """Decorator: njit with its machine code kept on disk, or in memory where no folder can be written."""
    compiled = njit(**OPTIONS)(function)
    with contextlib.suppress(RuntimeError):  # numba found no place for it: compiled anew in every run
        compiled._cache = PackageCache(function)
    return compiled


def inline(function: Callable[..., Any]) -> Any:
    """Decorator: a part of kernels, always expanded where it is called."""
    return njit(forceinline=True, error_model="numpy")(function)
