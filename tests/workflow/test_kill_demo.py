"""The workflow, killed with its children during several stages, gives the results of an undisturbed run."""

import shutil

import pytest
import yaml

from tests.helpers import killchecks, makevideo
from tests.helpers.killdemo import trial
from tests.helpers.killing import ROOT

KILLS = 5
ROWS = [f"two_stream.{run}" for run in ("spatial", "temporal", "average")]
SHORT = {"steps": 120, "milestones": [100], "batch": 8, "protocol": "2 frames x centre"}


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A few clips of one's own to their table, killed on the way: the folder, a row a kill, what was wrong."""
    folder = tmp_path_factory.mktemp("killed")
    for number in range(10):
        makevideo.video(folder / "clips" / ("left" if number % 2 else "right") / f"{number}.mp4", frames=16)
    own = {"folder": str(folder / "clips"), "slices": 2, "preset": "demo", "frames": {"size": [80, 60]}}
    config = folder / "mine.yaml"
    config.write_text(yaml.safe_dump({"datasets": {"own": {**own, "tables": {"rows": ROWS}}}}))
    table, wrong = trial(
        folder, KILLS, 0, target="results/tables/own.csv", source=short_trainings(folder / "source"), configs=[config]
    )
    return folder, table, wrong


def short_trainings(folder):
    """The project with the two-stream recipes' demo cut short."""
    for name in ("pipeline", "rules", "experiments", "profiles", "envs"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, folder / name)
    recipes = folder / "experiments" / "two_stream.yaml"
    document = yaml.safe_load(recipes.read_text())
    for run in ("spatial", "temporal"):
        document["presets"]["demo"][run] |= SHORT
    recipes.write_text(yaml.safe_dump(document, sort_keys=False))
    return folder


def test_results_equal_those_of_an_undisturbed_run(killed):
    _, table, wrong = killed
    assert wrong == []
    assert len(table) == KILLS


def test_kills_hit_several_stages_and_a_training_with_a_checkpoint(killed):
    _, table, _ = killed
    assert len({job.split("/")[0] for _, jobs, *_ in table for job in jobs.split(", ")}) >= 2
    assert any(steps != "none" for *_, steps in table)


def test_the_checks_detect_a_damaged_file_a_lost_checkpoint_and_a_leftover_file(killed):
    folder, _, _ = killed
    whole, broken = folder / "undisturbed", folder / "killed"
    torn = next(broken.glob("data/own/flow/*.h5"))
    torn.write_bytes(torn.read_bytes()[:-1])
    (torn.parent / ".0000.h5.partial-x").touch()
    wrong = " ".join(killchecks.unlike(whole, broken))
    assert f"{torn.name} is not what the undisturbed run made" in wrong
    assert ".0000.h5.partial-x is left over" in wrong
    run = "results/runs/own/split1/seed0/two_stream.spatial"
    shutil.rmtree(broken / run)
    assert "now has one of step 0" in killchecks.restarted(broken, {run: 40}, set())[0]
