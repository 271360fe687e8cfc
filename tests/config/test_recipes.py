"""experiments/*.yaml: recipes as data."""

from pathlib import Path

import pytest
import yaml

from pipeline.common.errors import UserError
from pipeline.config import recipes
from pipeline.inputs import protocols
from pipeline.tables import entries

FILES = sorted((Path(__file__).parents[2] / "experiments").glob("*.yaml"))
TWO_STREAM = FILES[0].parent / "two_stream.yaml"


def presets(path):
    return yaml.safe_load(path.read_text())["presets"]


@pytest.mark.parametrize(("path", "preset"), [(path, preset) for path in FILES for preset in presets(path)])
def test_every_recipe_of_every_preset_is_whole(path, preset):
    for recipe in recipes.load(path, preset).runs.values():
        protocols.named(recipe["protocol"])
        protocols.named(recipe["train_protocol"])
        assert recipe["steps"] > max(recipe["drops"], default=0)
        assert recipe["cost"]


@pytest.mark.parametrize("path", FILES)
def test_every_row_points_at_a_published_value_or_says_why_it_has_none(path):
    assert [row.method for row in entries.load(path) if not row.cells and not row.note] == []


def test_the_demo_is_the_papers_recipe_but_for_its_differences():
    paper, demo = (recipes.load(TWO_STREAM, preset).run("temporal") for preset in ("paper", "demo"))
    assert demo["options"]["norm2"] is False
    assert {key for key in paper if paper[key] != demo[key]} == {
        "options", "short_side", "crop", "batch", "drops", "steps", "protocol", "train_protocol", "threads", "cost",
        "deviations",
    }  # fmt: skip


def test_a_runs_stack_replaces_the_common_one_whole():
    assert recipes.load(FILES[0].parent / "two_stream.yaml", "paper").run("spatial")["stack"] == {"rgb": 1}


def test_prose_and_threads_do_not_change_the_hash_but_the_rate_does():
    recipe = recipes.load(FILES[0].parent / "two_stream.yaml", "demo").run("spatial")
    assert recipes.recipe_hash({**recipe, "cost": "more", "threads": 7}) == recipes.recipe_hash(recipe)
    assert recipes.recipe_hash({**recipe, "rate": 0.5}) != recipes.recipe_hash(recipe)


def spoiled(tmp_path, **changes):
    document = yaml.safe_load(TWO_STREAM.read_text())
    path = tmp_path / "spoiled.yaml"
    path.write_text(yaml.safe_dump({**document, **changes}))
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"runs": {"a": {"sampling": "all"}}}, "runs.a.sampling is 'all' but must be one of balanced, epoch"),
        ({"runs": {"a": {"strid": 1}}}, "strid .*did you mean stride"),
        (
            {"fusions": {"f": {"scores": ["spatial", "idt"], "method": "average", "of": "logits"}}},
            "idt, which is not a run",
        ),
        ({"rows": [{"method": "m", "run": "nobody"}]}, "'nobody', which is no run"),
        ({"fusions": {"spatial": {"scores": ["spatial", "temporal"], "method": "max", "of": "logits"}}}, "both a run"),
    ],
)
def test_a_mistake_in_an_experiment_is_one_sentence(tmp_path, changes, words):
    with pytest.raises(UserError, match=words):
        recipes.load(spoiled(tmp_path, **changes), "paper")


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="no preset 'fast'.*paper, quick, demo"):
        recipes.load(TWO_STREAM, "fast")


def test_the_readme_tells_every_key():
    text = (TWO_STREAM.parent / "README.md").read_text()
    assert [key for key in (*recipes.REQUIRED, *recipes.DEFAULTS) if f"`{key}`" not in text] == []
