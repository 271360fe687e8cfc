"""A hash of the code that a stage runs, so that Snakemake re-runs what a change of code touches and nothing else."""

import ast
import functools
import hashlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "pipeline"
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@functools.cache
def code_hash(*modules: str) -> str:
    """Twelve hex digits over `modules` and every module of this package that they import, directly or not.

    Comments, docstrings and layout do not count; CUDA sources that a module names count as they are.
    """
    return hashlib.sha256(b"".join(_decisive(name) for name in sorted(reachable(*modules)))).hexdigest()[:12]


def kernels(name: str) -> list[Path]:
    """CUDA sources beside a module that it names in a string."""
    strings = {node.value for node in ast.walk(ast.parse(_source(name))) if isinstance(node, ast.Constant)}
    folder = _path(name)
    return sorted(path for path in folder.parent.glob("*.cu") if path.name in strings) if folder else []


def reachable(*modules: str) -> set[str]:
    """Names of this package's modules that importing `modules` runs, themselves included."""
    found: set[str] = set()
    waiting = [*modules]
    while waiting:
        name = waiting.pop()
        if name not in found and _path(name):
            found.add(name)
            waiting += [*_imported(name), *_parents(name)]
    return found


def essence(source: str) -> str:
    """Source text without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _has_docstring(
            node
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def imports(tree: ast.Module, module: str) -> Iterator[str]:
    """Dotted names that `tree` may import from this package; some are attributes, not modules.

    A string that is a module's name counts: that is how tables of backends name what is imported on demand.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and str(node.value).startswith(f"{PACKAGE}."):
            yield str(node.value)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


@functools.cache
def _decisive(name: str) -> bytes:
    kernel_code = b"".join(path.read_bytes() for path in kernels(name))
    return f"{name}\n{essence(_source(name))}\n".encode() + kernel_code


@functools.cache
def _imported(name: str) -> tuple[str, ...]:
    return tuple(imports(ast.parse(_source(name)), name))


def _absolute(node: ast.ImportFrom, module: str) -> str:
    if not node.level:
        return node.module or ""
    is_package = (path := _path(module)) is not None and path.name == "__init__.py"
    parts = module.split(".")
    base = parts[: len(parts) - node.level + is_package]
    return ".".join([*base, *([node.module] if node.module else [])])


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def _source(name: str) -> str:
    path = _path(name)
    return path.read_text("utf-8") if path else ""


@functools.cache
def _path(name: str) -> Path | None:
    root = Path(str(importlib.util.find_spec(PACKAGE).origin)).parent.parent  # type: ignore[union-attr]
    if name.split(".")[0] != PACKAGE:
        return None
    stem = root.joinpath(*name.split("."))
    for path in (stem / "__init__.py", stem.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _has_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return bool(node.body) and isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant)
