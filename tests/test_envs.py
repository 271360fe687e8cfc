"""One set of versions: the conda environments, the lock file and pyproject.toml agree."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
ENVS = sorted((ROOT / "envs").glob("*.yaml"))
IMPORT_NAMES = {
    "yaml": "pyyaml", "cv2": "opencv-contrib-python-headless", "sklearn": "scikit-learn", "ffmpeg": "ffmpeg-python",
    "unrar": "unrar2-cffi", "imageio_ffmpeg": "imageio-ffmpeg",
}  # fmt: skip


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines):
    found = (re.fullmatch(r"([\w.-]+)==(\S+)", line.strip()) for line in lines)
    return {canonical(match[1]): match[2] for match in found if match}


LOCK = pins((ROOT / "requirements.lock").read_text().splitlines())


@pytest.mark.parametrize("path", ENVS, ids=lambda path: path.stem)
def test_a_conda_environment_has_the_locks_versions(path):
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
