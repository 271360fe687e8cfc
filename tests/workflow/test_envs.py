"""One set of versions: the conda environments, the lock file and pyproject.toml agree."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.helpers import import_graph

ROOT = Path(__file__).parents[2]
ENVS = sorted((ROOT / "envs").glob("*.yaml"))
# Import name -> package, where it is called otherwise or another package brings it along.
PACKAGES = {
    "yaml": "pyyaml", "ffmpeg": "ffmpeg-python", "unrar": "unrar2-cffi",
    "cv2": "opencv-contrib-python-headless", "sklearn": "scikit-learn",
    "imageio_ffmpeg": "imageio-ffmpeg", "llvmlite": "numba", "urllib3": "requests",
}  # fmt: skip
COMMAND = re.compile(r"python -m (pipeline[\w.]*)(?: (\w+))?")
RULES = [
    (rule.split(":")[0], re.search(r"envs/(\w+)\.yaml", rule)[1], COMMAND.findall(rule))
    for path in sorted((ROOT / "rules").glob("*.smk"))
    for rule in re.split(r"^rule ", path.read_text(), flags=re.M)[1:]
    if "envs/" in rule
]


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines):
    found = (re.fullmatch(r"([\w.-]+)==(\S+)", line.strip()) for line in lines)
    return {canonical(match[1]): match[2] for match in found if match}


LOCK = pins((ROOT / "requirements.lock").read_text().splitlines())


@pytest.mark.parametrize("path", ENVS, ids=lambda path: path.stem)
def test_a_conda_environment_has_the_versions_of_the_lock(path):
    pip = next(part["pip"] for part in yaml.safe_load(path.read_text())["dependencies"] if isinstance(part, dict))
    assert len(pins(pip)) == len(pip)
    assert {name: LOCK.get(name) for name in pins(pip)} == pins(pip)


def test_the_lock_has_every_dependency_and_no_build_of_torch():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    assert [name for name in wanted if canonical(re.match(r"[\w.-]+", name)[0]) not in LOCK] == []
    assert LOCK["torch"] == "2.13.0"


def test_only_the_headless_opencv_is_installed():
    assert "opencv-contrib-python-headless" in LOCK
    assert "opencv-contrib-python" not in LOCK


def test_every_rule_names_an_environment_that_exists():
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    assert {f"{path.stem}.yaml" for path in ENVS} == set(re.findall(r'"\.\./envs/(\S+)"', text))


def imported(module):
    """Packages of others that importing a module of ours imports at once."""
    found = set()
    for name in import_graph.closure(import_graph.command(module)):
        for node in ast.parse(import_graph.MODULES[name].read_text()).body:
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module.split(".")[0])
    return {PACKAGES.get(name, name) for name in found - {"pipeline"} - sys.stdlib_module_names}


@pytest.mark.parametrize(("rule", "env", "commands"), RULES, ids=[rule[0] for rule in RULES])
def test_the_environment_of_a_rule_has_the_imports_of_its_commands(rule, env, commands):
    pip = next(part["pip"] for part in yaml.safe_load((ROOT / f"envs/{env}.yaml").read_text())["dependencies"]
               if isinstance(part, dict))  # fmt: skip
    parts = [f"{module}.{word}" for module, word in commands if module == "pipeline.idt"]
    needed = set().union(*map(imported, [module for module, _ in commands] + parts))
    assert commands
    assert needed - set(pins(pip)) == set()
