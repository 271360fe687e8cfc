"""The definitions of container images use the same Python version and lock as the environments, and existing files."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
DOCKER = (ROOT / "envs" / "Dockerfile").read_text()
APPTAINER = (ROOT / "envs" / "apptainer.def").read_text()
NEEDED = {"Snakefile", "config.yaml", "rules", "profiles", "experiments", "envs", "pipeline", "requirements.lock"}


def copied_files(text):
    """The files of the repository that an image contains."""
    if "%files" in text:
        return {line.split()[0] for line in text.split("%files\n")[1].split("\n\n")[0].splitlines()}
    return {name for line in re.findall(r"^COPY (.*)$", text, re.M) for name in line.split()[:-1]}


def test_images_contain_all_files_of_the_workflow_and_name_only_existing_files():
    for text in (DOCKER, APPTAINER):
        assert copied_files(text) >= NEEDED
        assert [name for name in copied_files(text) if not (ROOT / name).exists()] == []


def test_images_use_the_python_version_of_the_conda_environments():
    wanted = {
        part.removeprefix("python=")
        for path in (ROOT / "envs").glob("*.yaml")
        for part in yaml.safe_load(path.read_text())["dependencies"]
        if str(part).startswith("python=")
    }
    bases = re.findall(r"^(?:FROM|From:) python:([\d.]+)-slim", DOCKER + APPTAINER, re.M)
    assert len(bases) == 2
    assert set(bases) == wanted


def test_images_install_the_lock():
    assert all("pip install --no-cache-dir -r requirements.lock" in text for text in (DOCKER, APPTAINER))
