"""A new fusion method is an entry of the table, a function, and the fusion of an experiment that uses it."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from pipeline.config.fusion_methods import FUSION_METHODS
from pipeline.formats import scores
from pipeline.fuse.methods import METHODS
from tests.fuse.test_fuse import A, B, write
from tests.helpers.workflow import ROOT

ENTRY = '    "rank_average": FusionMethod(output="decisions"),\n'
FUNCTION = '''

@register("rank_average")
def rank_average(stack: Stack) -> np.ndarray:
    """The mean over the runs of each class' rank among the scores of a video, 0 for the lowest."""
    return stack.argsort(2).argsort(2).mean(0)
'''
FUSION = "fusions:\n  ranks: {scores: [spatial, temporal], method: rank_average, input: logits}\n"
EXPERIMENT = "experiments/two_stream.yaml"
LOAD = f"from pipeline.config import recipes; print(recipes.load('{EXPERIMENT}', 'paper').fusions['ranks'])"


def run(folder, *command):
    made = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return made.stdout


@pytest.fixture
def checkout(tmp_path):
    """A copy of the package and of the experiments with one method more."""
    for name in ("pipeline", "experiments"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    table = tmp_path / "pipeline/config/fusion_methods.py"
    table.write_text(table.read_text().removesuffix("}\n") + ENTRY + "}\n")
    functions = tmp_path / "pipeline/fuse/methods.py"
    functions.write_text(functions.read_text() + FUNCTION)
    experiment = tmp_path / EXPERIMENT
    experiment.write_text(experiment.read_text().replace("fusions:\n", FUSION, 1))
    return tmp_path


def test_every_method_has_a_function():
    assert list(METHODS) == list(FUSION_METHODS)


def test_an_added_method_is_in_the_schema_and_in_the_command_after_edits_to_three_files(checkout):
    changed = [
        path.relative_to(checkout).as_posix()
        for path in checkout.rglob("*")
        if path.is_file() and path.read_bytes() != (ROOT / path.relative_to(checkout)).read_bytes()
    ]
    assert sorted(changed) == [
        EXPERIMENT, "pipeline/config/fusion_methods.py", "pipeline/fuse/methods.py"
    ]  # fmt: skip
    assert "rank_average" in run(checkout, "-c", LOAD)
    files = [write(checkout / f"{name}_test.parquet", x, videos=list("vwxy")) for name, x in (("a", A), ("b", B))]
    fused = ("--method", "rank_average", "--input", "logits", "--out", "fused.parquet")
    run(checkout, "-m", "pipeline.fuse", "--scores", *map(str, files), *fused)
    found = scores.read(checkout / "fused.parquet")
    assert found.kind == "decisions"
    assert np.allclose(found.values, (A.argsort(1).argsort(1) + B.argsort(1).argsort(1)) / 2)
