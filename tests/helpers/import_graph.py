"""The modules of the package and what they import, read from their sources."""

import ast
from pathlib import Path

from pipeline.common.code_hash import imports

ROOT = Path(__file__).parents[2]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (ROOT / "pipeline").rglob("*.py")
}


def imported(name):
    """The modules of the package that a module imports, or names in a string to import on demand; no package above."""
    names = {other for other in imports(ast.parse(MODULES[name].read_text()), name) if other in MODULES}
    packages = {other for other in names if any(longer.startswith(f"{other}.") for longer in names)}
    return {other for other in names - packages if other != name and not name.startswith(f"{other}.")} - {"pipeline"}


def closure(*names):
    """The modules that importing `names` imports, themselves and their packages included."""
    reached, queue = set(), [*names]
    while queue:
        name = queue.pop()
        if name not in reached:
            reached.add(name)
            queue += [*imported(name), *([name.rpartition(".")[0]] if "." in name else [])]
    return reached


def command(module):
    """The module that `python -m module` runs."""
    return f"{module}.__main__" if f"{module}.__main__" in MODULES else module
