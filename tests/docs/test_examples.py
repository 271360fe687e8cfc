"""docs/add_*.md: every command of the worked examples, run in a copy of the repository as a stranger would."""

import os
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from tests.helpers import makevideo
from tests.helpers.workflow import ROOT

LEFT_OUT = shutil.ignore_patterns(".*", "data", "results", "logs", "tests", "benchmarks", "__pycache__")
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.M | re.S)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the repository with eight clips in it."""
    folder = tmp_path_factory.mktemp("stranger") / "actionbench"
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    for number in range(8):
        makevideo.video(folder / "clips" / ("quiet" if number % 2 else "fight") / f"{number // 2 + 1}.mp4")
    return folder


def run(folder, *command):
    """What a command prints; a failure is the test's."""
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    made = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return made.stdout + made.stderr


def walk(folder, page):
    """Do what a page says, from its top to its end: write its files, run its commands; what each command printed."""
    said = []
    for language, path, text in BLOCK.findall((ROOT / "docs" / page).read_text("utf-8")):
        if path:
            (folder / path).write_text(text)
        elif language == "sh":
            said.append(run(folder, "bash", "-euo", "pipefail", "-c", text))
        elif language == "python":
            said.append(run(folder, sys.executable, "-c", text))
    return said


@pytest.fixture(scope="module")
def data_set(copy):
    return walk(copy, "add_a_data_set.md")


@pytest.fixture(scope="module")
def architecture(copy, data_set):
    return walk(copy, "add_an_architecture.md")


@pytest.fixture(scope="module")
def table(copy, architecture):
    return walk(copy, "add_a_table.md")


def planned(said):
    """Rules that a run or a dry run lists."""
    listed = re.search(r"^job +count\n[- ]+\n(.*?)\n\n", said, re.S | re.M)
    return {line.split()[0] for line in listed[1].splitlines()} if listed else set()


def test_a_folder_of_ones_own_is_prepared_and_its_table_planned(copy, data_set):
    assert len(pd.read_parquet(copy / "data/fights/shards/rgb/index.parquet")) == 8
    assert {"flow", "train", "score", "fuse", "table"} <= planned(data_set[1])


def test_another_split_file_makes_no_shards_anew(copy, data_set):
    splits = pd.read_parquet(copy / "data/fights/splits.parquet")
    assert splits[splits["role"] == "test"]["video_id"].str.endswith(("3.mp4", "4.mp4")).all()
    again = run(copy, "snakemake", "-n", "--configfile", "mine.yaml", "--", "data/fights/shards/rgb")
    assert planned(again) == set()


def test_official_lists_say_who_tests(copy, data_set):
    splits = pd.read_parquet(copy / "data/listed/splits.parquet")
    assert splits[splits["role"] == "test"]["video_id"].tolist() == ["fight/4.mp4", "quiet/4.mp4"]


def test_an_archive_of_class_folders_is_fetched_and_indexed(copy, data_set):
    manifest = pd.read_parquet(copy / "data/corridor/manifest.parquet")
    assert [(copy / "data/raw/corridor/videos" / path).is_file() for path in manifest["path"]] == [True] * 8


def test_a_new_network_has_its_row_in_the_table(copy, architecture):
    made = pd.read_csv(copy / "results/tables/fights.csv")
    assert set(made["method"]) == {"Late mean, RGB"}
    assert set(made["videos"]) == {"4/4"}
    assert "Late mean, RGB" in architecture[-1]


def test_a_new_table_stands_beside_what_the_run_made_and_trains_nothing(copy, table):
    made = pd.read_csv(copy / "results/tables/report_table1.csv").set_index(["row", "column"])
    assert made.loc[("Late mean", "RGB"), "status"] == "reproduced"
    assert made.loc[("Late mean", "RGB"), "run"] == "late_mean.rgb"
    assert set(made["status"]) == {"reproduced", "published only"}
    assert planned(table[-1]) == {"table", "paper_table", "architectures", "total"}
    assert 75.0 in pd.read_csv(copy / "results/tables/fights.csv")["published"].tolist()
