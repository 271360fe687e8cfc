"""experiments/*.yaml: recipes as data."""

from dataclasses import FrozenInstanceError, asdict, replace
from pathlib import Path

import pytest
import yaml

from pipeline.common.errors import UserError
from pipeline.config import recipes
from pipeline.config.__main__ import PAGES, documented
from pipeline.config.recipe import RENAMED, from_mapping, recipe_hash
from pipeline.inputs import protocols
from pipeline.tables import entries
from tests.helpers.tinydata import RECIPE

FILES = sorted((Path(__file__).parents[2] / "experiments").glob("*.yaml"))
TWO_STREAM = FILES[0].parent / "two_stream.yaml"


def presets(path):
    return yaml.safe_load(path.read_text())["presets"]


@pytest.mark.parametrize(("path", "preset"), [(path, preset) for path in FILES for preset in presets(path)])
def test_every_recipe_of_every_preset_is_whole(path, preset):
    for recipe in recipes.load(path, preset).runs.values():
        protocols.parse(recipe.protocol)
        protocols.parse(recipe.train_protocol)
        assert recipe.steps > max(recipe.milestones, default=0)
        assert recipe.cost


@pytest.mark.parametrize("path", FILES)
def test_every_row_points_at_a_published_value_or_says_why_it_has_none(path):
    assert [row.method for row in entries.load(path) if not row.cells and not row.note] == []


def test_the_demo_is_the_papers_recipe_but_for_its_differences():
    paper, demo = (recipes.load(TWO_STREAM, preset).run("temporal") for preset in ("paper", "demo"))
    assert demo.options["norm2"] is False
    assert {key for key in asdict(paper) if getattr(paper, key) != getattr(demo, key)} == {
        "options", "short_side", "crop", "batch", "milestones", "steps", "protocol", "train_protocol", "threads",
        "cost",
        "deviations",
    }  # fmt: skip


def test_a_runs_stack_replaces_the_common_one_whole():
    assert recipes.load(FILES[0].parent / "two_stream.yaml", "paper").run("spatial").stack == {"rgb": 1}


def test_prose_and_threads_do_not_change_the_hash_but_the_rate_does():
    recipe = recipes.load(FILES[0].parent / "two_stream.yaml", "demo").run("spatial")
    assert recipe_hash(replace(recipe, cost="more", threads=7)) == recipe_hash(recipe)
    assert recipe_hash(replace(recipe, lr=0.5)) != recipe_hash(recipe)


def spoiled(tmp_path, **changes):
    document = yaml.safe_load(TWO_STREAM.read_text())
    path = tmp_path / "spoiled.yaml"
    path.write_text(yaml.safe_dump({**document, **changes}))
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"runs": {"a": {"sampler": "all"}}}, "runs.a.sampler is 'all' but must be one of balanced, epoch"),
        ({"runs": {"a": {"strid": 1}}}, "strid .*did you mean stride"),
        (
            {"fusions": {"f": {"scores": ["spatial", "idt"], "method": "average", "input": "logits"}}},
            "idt, which is not a run",
        ),
        ({"rows": [{"method": "m", "run": "nobody"}]}, "'nobody', which is no run"),
        (
            {"fusions": {"spatial": {"scores": ["spatial", "temporal"], "method": "max", "input": "logits"}}},
            "both a run",
        ),
    ],
)
def test_a_mistake_in_an_experiment_is_one_sentence(tmp_path, changes, words):
    with pytest.raises(UserError, match=words):
        recipes.load(spoiled(tmp_path, **changes), "paper")


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="no preset 'fast'.*paper, quick, demo"):
        recipes.load(TWO_STREAM, "fast")


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_the_tables_of_keys_are_as_the_dataclasses_are(page):
    assert documented(page.read_text()) == page.read_text()
    assert "<!-- keys: " in page.read_text()


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_key_is_refused_with_its_new_name(tmp_path, old, new):
    with pytest.raises(UserError, match=f"the key common.{old} .value 1. is called {new} now: rename it"):
        recipes.load(spoiled(tmp_path, common={old: 1}), "paper")
    with pytest.raises(UserError, match=f"w.safetensors has the key {old}, which is called {new} now: train it again"):
        from_mapping({**asdict(RECIPE), old: 1}, "w.safetensors")


def test_the_old_key_of_a_fusion_is_refused_with_its_new_name(tmp_path):
    fusion = {"scores": ["spatial", "temporal"], "method": "average", "of": "logits"}
    with pytest.raises(UserError, match="fusions.f.of .* is called input now"):
        recipes.load(spoiled(tmp_path, fusions={"f": fusion}), "paper")


def test_a_recipe_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        RECIPE.lr = 1
