"""A hash of the code that decides a stage's result, so that Snakemake re-runs the stage when that code changes.

The hash leaves out what cannot change a result: comments, docstrings and layout; the text of errors (`UserError`), of
log messages (`log.say`, `log.progress`) and of --help; and the modules of UNHASHED. The text of a BadVideo is hashed,
because it is written to quarantine.tsv. A `__main__` module is hashed, so that the defaults of its options count, but
its imports are not followed, so that the other commands of the same package do not.
"""

import ast
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from pipeline.common.files import short_hash

PACKAGE = "pipeline"
# Stage -> the modules, below the package, whose text and imports decide its result.
STAGES: dict[str, tuple[str, ...]] = {
    "demo": ("demo.__main__", "demo.archives"),
    "fetch": ("fetch.__main__", "fetch.dataset"),
    "index": ("index.__main__", "index.build"),
    "frames": ("frames.__main__", "frames.frame_slices"),
    "quarantine": ("frames.quarantine",),
    "flow": ("flow.__main__", "flow.flow_slices"),
    "shard": ("shard.pack",),
    "release": ("weights.make_release",),
    "train": ("train.__main__", "train.fit", "models.device"),
    "kmeans": ("train.kmeans",),
    "score": ("score.score_videos",),
    "select_views": ("score.select_views",),
    "idt_sample": ("idt.sample",),
    "idt_vocabulary": ("idt.vocabulary",),
    "idt_encode": ("idt.encode",),
    "idt_classify": ("idt.classify",),
    "fuse": ("fuse.__main__", "fuse.fuse_scores"),
    "tables": ("tables.__main__", "tables.dataset_table", "tables.paper_table", "formats.class_counts"),
    "architectures": ("tables.architectures",),
    "figure_compared": ("report.compared", "formats.class_counts"),
    "figure_scored": ("report.scored", "formats.class_counts"),
    "figure_curves": ("report.curves",),
    "figure_samples": ("report.samples",),
    "figure_coverage": ("report.coverage",),
    "figure_origins": ("report.origins",),
    "figure_summary": ("report.summary", "formats.class_counts"),
    "figure_saliency": ("report.papers.saliency",),
    "figure_embedding": ("report.papers.embedding",),
    "figure_filters": ("report.papers.filters",),
    "figure_words": ("report.papers.words",),
    "figure_tracks": ("report.papers.tracks",),
}
STAGES |= {"splits": STAGES["index"], "coverage": STAGES["index"]}
# Modules, below the package, that are hashed only for the stages that name them above. The stages that write scores
# also write the class counts, but a change to the counts must not make everything be scored again.
UNHASHED = (
    "", "common.cli", "common.code_hash", "common.environment", "common.errors", "common.log", "common.paths",
    "train.tensorboard", "formats.class_counts",
)  # fmt: skip
USER_ERRORS = ("UserError", "DiskFull", "Damaged")  # exceptions whose arguments are messages for the user
LOG_CALLS = ("say", "say_once")  # functions of `log` whose arguments are messages
HELP = ("help", "description", "metavar")  # keywords of argparse that change only --help


def stage_hash(stage: str, *modules: str) -> str:
    """The hash of a stage of STAGES and of additional `modules` (full names), such as that of a network."""
    return code_hash(*(f"{PACKAGE}.{name}" for name in STAGES[stage]), *modules)


@functools.cache
def code_hash(*modules: str) -> str:
    """Twelve hex digits over `modules` and every module of this package that they import, directly or indirectly.

    The bytes of a CUDA source that a module names are included.
    """
    return short_hash(b"".join(_hashed_bytes(name) for name in sorted(reachable(*modules))))


def cuda_sources(name: str) -> list[Path]:
    """The CUDA sources in a module's folder whose file names the module contains as strings."""
    path = _path(name)
    sources = sorted(path.parent.glob("*.cu")) if path else []
    if not sources:  # as in most folders: their modules need not be parsed for this
        return []
    strings = {node.value for node in ast.walk(ast.parse(_source(name))) if isinstance(node, ast.Constant)}
    return [source for source in sources if source.name in strings]


def reachable(*modules: str) -> set[str]:
    """`modules` and the hashed modules of this package that importing them runs."""
    unhashed = {f"{PACKAGE}.{name}".rstrip(".") for name in UNHASHED}
    reached: set[str] = set()
    queue = [*modules]
    while queue:
        name = queue.pop()
        if name in reached or (name in unhashed and name not in modules) or not _path(name):
            continue
        reached.add(name)
        queue += _parents(name)
        if not name.endswith(".__main__"):
            queue += _imported(name)
    return reached


def hashed_source(source: str) -> str:
    """The part of a module's source that its hash covers (see the module's docstring), without its layout."""
    tree = _RemoveMessages().visit(ast.parse(source))
    _drop_unused_helpers(tree)
    return ast.unparse(tree)


def imports(tree: ast.Module, module: str) -> Iterator[str]:
    """The dotted names that `tree` may import from this package; some are attributes and not modules.

    A string that is the name of a module is included, because tables of backends name the modules that they import on
    demand.
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


class _RemoveMessages(ast.NodeTransformer):
    """Removes docstrings and messages for users from a syntax tree."""

    def __init__(self) -> None:
        self.super_is_error = False

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self._drop_docstring(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._drop_docstring(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._drop_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        outer, self.super_is_error = self.super_is_error, any(_name(base) in USER_ERRORS for base in node.bases)
        visited = self._drop_docstring(node)
        self.super_is_error = outer
        return visited

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = _name(node.func)
        if name in (*USER_ERRORS, *LOG_CALLS) or (self.super_is_error and _is_super_init(node.func)):
            return ast.Call(node.func, [], [])
        if name == "progress":
            node.args = node.args[:1]
        if name in ("add_argument", "add_argument_group", "add_parser", "parser"):
            # The names of an option and of a sub-command count; the titles of a group and of a parser are only help.
            node.args = node.args if name in ("add_argument", "add_parser") else []
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in HELP]
        return self.generic_visit(node)

    def _drop_docstring(self, node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)


def _drop_unused_helpers(tree: ast.Module) -> None:
    """Remove private functions that nothing calls after the messages were removed: they only built a message."""
    while True:
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        kept = [node for node in tree.body if not (_is_private_function(node) and node.name not in used)]  # type: ignore
        if len(kept) == len(tree.body):
            return
        tree.body = kept


def _is_private_function(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name.startswith("_")


def _is_super_init(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and function.attr == "__init__"
        and isinstance(function.value, ast.Call)
        and _name(function.value.func) == "super"
    )


def _name(expression: ast.expr) -> str:
    """The last part of a dotted name, or an empty string."""
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""


@functools.cache
def _hashed_bytes(name: str) -> bytes:
    kernels = b"".join(path.read_bytes() for path in cuda_sources(name))
    return f"{name}\n{hashed_source(_source(name))}\n".encode() + kernels


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
