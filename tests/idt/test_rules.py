"""Improved trajectories in the workflow: their files, options and table entries."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.common.errors import UserError
from pipeline.config import recipes, settings
from pipeline.idt.parameters import Parameters
from pipeline.tables import entries
from pipeline.workflow import runs, stage_settings, table_targets, targets, train_inputs
from pipeline.workflow.checks import check
from tests.helpers.workflow import ROOT

COMMITTED = settings.load_yaml(ROOT / "config.yaml")


def changed(**idt):
    return settings.merge(COMMITTED, {"idt": idt})


def test_config_yaml_has_the_authors_values():
    defaults = Parameters()._asdict()
    written = {name: value for name, value in COMMITTED["idt"].items() if name in defaults}
    assert written == {name: defaults[name] for name in written}
    assert set(stage_settings.TRACK_KEYS) == set(defaults)


def test_every_split_and_seed_has_a_vocabulary():
    both = settings.merge(COMMITTED, {"tables": {"seeds": [0, 1]}})
    assert len(targets.vocabularies(both, "ucf101")) == 6
    assert targets.vocabularies(COMMITTED, "demo")[2] == "data/demo/idt/vocabularies/split3.seed0.h5"


def test_a_data_set_may_override_track_parameters():
    options = targets.track_options(COMMITTED, "demo").split()
    assert "--patch=16" in options
    assert "--patch=32" in targets.track_options(COMMITTED, "ucf101").split()


@pytest.mark.parametrize(
    ("change", "again"),
    [({"c": 10}, {"classify"}), ({"clusters": 64}, {"vocabulary"}), ({"window": 60}, {"sample"}),
     ({"patch": 24}, {"sample", "encode"})],
)  # fmt: skip
def test_a_setting_reruns_only_the_stages_that_use_it(change, again):
    stages = ("sample", "vocabulary", "encode", "classify")
    one, two = (
        {s: stage_settings.stage_settings(c, f"idt_{s}", "ucf101") for s in stages}
        for c in (COMMITTED, changed(**change))
    )
    assert {stage for stage in stages if one[stage] != two[stage]} == again


def test_the_entries_that_add_idt_are_fusions_with_it():
    named = {row.run: row for row in entries.load(ROOT / "experiments/idt.yaml")}
    assert set(named) == {"idt.idt", "idt.star_idt", "idt.star_hmdb51_idt", "idt.action_vlad_idt"}
    assert train_inputs.blocking_reason(COMMITTED, "demo", "idt.star_idt") == ""
    parts = runs.fuse_inputs(COMMITTED, "demo", 1, 0, "idt.action_vlad_idt", "test")
    assert parts == [f"results/runs/demo/split1/seed0/{run}/test.parquet" for run in ("action_vlad.late", "idt.idt")]
    assert runs.fuse_options(COMMITTED, "demo", 1, 0, "idt.action_vlad_idt") == (
        "--method weighted --input l2 --weights 1 0.25"
    )


def test_the_demo_has_the_three_entries_on_request():
    every = settings.merge(COMMITTED, {"experiments": ["idt"], "datasets": {"demo": {"tables": {"rows": "all"}}}})
    planned = {run for run, _, _ in table_targets.dataset_scores(every, "demo")}
    assert planned == {"idt.idt", "idt.star_idt", "idt.action_vlad_idt"}


@pytest.mark.parametrize(
    ("without", "commands"),
    [
        (("cv2", "numba", "av"), ("vocabulary", "classify")),
        (("sklearn", "torch"), ("sample", "encode", "keep", "draw")),
    ],
)
def test_fitting_and_tracking_do_not_need_each_others_environments(without, commands):
    lines = [f"sys.modules[{name!r}] = None" for name in without] + [f"import pipeline.idt.{name}" for name in commands]
    run = subprocess.run([sys.executable, "-c", "\n".join(["import sys", *lines])], cwd=ROOT, capture_output=True)
    assert run.returncode == 0, run.stderr.decode()


def test_a_name_of_both_a_system_and_a_fusion_is_refused(tmp_path):
    text = (ROOT / "experiments/idt.yaml").read_text().replace("systems: [idt]", "systems: [idt, star_idt]")
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(UserError, match="star_idt is both"):
        recipes.load(Path(tmp_path / "x.yaml"), "paper")


@pytest.mark.parametrize(
    ("idt", "said"),
    [({"patch": 15}, "idt.patch is 15 but must be an even number of pixels"),
     ({"window": 9}, "idt.window is 9 but must be a number of frames that is at least 16"),
     ({"featres": "orb"}, "did you mean features")],
)  # fmt: skip
def test_a_mistake_in_the_settings_is_one_sentence(idt, said):
    with pytest.raises(UserError, match=said):
        check(changed(**idt))
