"""config.yaml: every mistake is one sentence with the key, the value and the way out."""

from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.common.errors import UserError
from pipeline.config import settings
from pipeline.workflow.checks import check

COMMITTED = settings.load_yaml(Path(__file__).parents[2] / "config.yaml")


def refusal(difference):
    with pytest.raises(UserError) as caught:
        check(settings.merge(COMMITTED, difference))
    return str(caught.value)


def test_the_committed_config_is_valid():
    check(COMMITTED)


def test_archives_of_class_folders_need_no_folder_of_ones_own():
    check(settings.merge(COMMITTED, {"datasets": {"demo": {"layout": "folder"}}}))


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        ({"frame": {}}, ["frame", "not known", "did you mean frames?"]),
        ({"flow": {"bond": 20}}, ["flow.bond", "20", "did you mean bound?"]),
        ({"datasets": {"demo": {"slcies": 4}}}, ["datasets.demo.slcies", "did you mean slices?"]),
        ({"frames": {"size": "big"}}, ["frames.size", "'big'", "[width, height]"]),
        ({"flow": {"bound": -1}}, ["flow.bound", "-1", "above 0"]),
        ({"seed": "a"}, ["seed", "'a'", "integer"]),
        ({"datasets": {"demo": {"slices": 2000}}}, ["datasets.demo.slices", "2000", "at most 1000"]),
        (
            {"datasets": {"mine": {"folder": "/no/such/place"}}},
            ["datasets.mine.folder", "/no/such/place", "correct the path"],
        ),
        ({"datasets": {"mine": {}}}, ["datasets.mine", "no folder", "add folder"]),
        ({"datasets": {"mine": {"folder": __file__}}}, ["datasets.mine.folder", "a file", "name the folder"]),
        ({"datasets": {"ucf102": {"layout": "ucf101"}}}, ["ucf102", "ucf101"]),
        ({"datasets": {"my set": {"folder": "."}}}, ["my set"]),
        ({"datasets": {"ucf101": {"partner": "hmdb"}}}, ["datasets.ucf101.partner is hmdb", "hmdb51", "drop partner"]),
        ({"datasets": {"demo": {"pretraining": "demo"}}}, ["demo.pretraining", "the data set itself", "name one of"]),
        ({"datasets": {"demo": {"partner": ["ucf101"]}}}, ["demo.partner", "the name of another data set"]),
    ],
)
def test_a_mistake_is_one_sentence_with_key_value_and_way_out(difference, words):
    sentence = refusal(difference)
    assert "\n" not in sentence
    assert [word for word in words if word not in sentence] == []


def test_a_missing_key_is_named():
    with pytest.raises(UserError, match="seed is missing: add it"):
        check({key: value for key, value in COMMITTED.items() if key != "seed"})


def test_a_data_set_differs_from_the_stages_only_where_it_says():
    merged = settings.of_dataset(COMMITTED, "demo")
    assert asdict(merged.frames) == {**COMMITTED["frames"], "size": [80, 60]}
    assert asdict(merged.flow) == COMMITTED["flow"]


def test_yaml_that_is_none_names_its_line(tmp_path):
    (tmp_path / "broken.yaml").write_text("a: [1\nb: 2")
    with pytest.raises(UserError, match=r"broken.yaml cannot be read as YAML.*line 2"):
        settings.load_yaml(tmp_path / "broken.yaml")


@pytest.mark.parametrize(("name", "section"), settings.SECTIONS.items())
def test_the_committed_config_says_the_defaults_of_every_section(name, section):
    values = {key: value for key, value in asdict(section()).items() if value is not None}
    assert COMMITTED[name] == values
