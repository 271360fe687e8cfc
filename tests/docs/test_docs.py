"""README.md, docs/ and the pages beside the data: what they name is there."""

import ast
import importlib.util
import re

import pytest
import yaml

import pipeline
from pipeline.common.errors import UserError
from pipeline.config import recipe
from pipeline.config.recipe import Recipe
from pipeline.config.settings import SECTIONS, DatasetSettings, check_schema, config_schema, load_yaml, merge
from pipeline.report import printed
from pipeline.tables import __main__ as tables_command
from pipeline.tables import published
from tests.helpers.workflow import ROOT

RENAMED_PAGE = ROOT / "docs/renamed.md"  # it names what is no longer there
PAGES = [ROOT / "README.md", ROOT / "experiments/README.md", ROOT / "results/README.md"]
PAGES += sorted({*ROOT.glob("docs/**/*.md")} - {RENAMED_PAGE})
FOLDERS = "benchmarks|docs|envs|experiments|pipeline|profiles|report|rules|tests"
EXAMPLES = {"fights", "report_table1", "architectures"}  # tables of the worked examples, and of no paper
CONFIG = load_yaml(ROOT / "config.yaml")
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def code(page):
    """What stands in backticks or in fences."""
    text = page.read_text("utf-8")
    fences = re.findall(r"^```.*?\n(.*?)^```", text, re.M | re.S)
    return "\n".join(
        [*fences, *re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))]
    )


def made_by_the_examples():
    """Files that the worked examples write."""
    text = "".join(page.read_text("utf-8") for page in ROOT.glob("docs/add_*.md"))
    return set(re.findall(r"^```\w+ (\S+)$", text, re.M)) | {"experiments/mine.yaml"}


def anchors(page):
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads}


def test_the_page_of_renamed_things_names_every_old_name():
    text = RENAMED_PAGE.read_text("utf-8")
    assert [name for name in pipeline.RENAMED if f"pipeline.{name}" not in text] == []
    assert [pair for pair in recipe.RENAMED.items() if not all(f"`{key}`" in text for key in pair)] == []


@every_page
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        if not target.startswith("http"):
            linked = (page.parent / path).resolve() if path else page
            assert linked.exists(), target
            assert not anchor or anchor in anchors(linked), target


@every_page
def test_files_of_the_repository_that_are_named_are_there(page):
    named = set(re.findall(rf"(?<![\w/.<>*-])(?:{FOLDERS})/[\w./-]*\w", code(page))) - made_by_the_examples()
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@every_page
def test_modules_and_options_that_are_named_are_there(page):
    text = code(page).replace("\\\n", " ")
    for module, rest in re.findall(r"python -m ((?:pipeline|benchmarks)[\w.]*)([^\n`;|)]*)", text):
        assert importlib.util.find_spec(module), module
        folder = ROOT.joinpath(*module.split(".")[:1])
        sources = "".join(path.read_text("utf-8") for path in folder.rglob("*.py"))
        options = set(re.findall(r"(?<=\s)--[a-z][a-z-]*", rest)) - {"--help"}
        assert [option for option in options if f'"{option}"' not in sources] == [], module


@every_page
def test_targets_of_make_and_rules_that_are_named_are_there(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    assert set(re.findall(r"\bmake ([a-z-]+)", code(page))) <= targets
    text = "".join(path.read_text("utf-8") for path in [ROOT / "Snakefile", *ROOT.glob("rules/*.smk")])
    rules = set(re.findall(r"^rule (\w+):", text, re.M))
    assert set(re.findall(r"^snakemake ([a-z_]+)$", code(page), re.M)) <= rules


@every_page
def test_tables_that_are_named_are_made(page):
    tables = {*published.tables(), *CONFIG["datasets"], *EXAMPLES}
    assert set(re.findall(r"results/tables/(\w+)\.csv", page.read_text("utf-8"))) <= tables


@every_page
def test_keys_of_the_config_that_are_named_are_known(page):
    for text in re.findall(r"^```yaml[^\n]*\n(.*?)^```", page.read_text("utf-8"), re.M | re.S):
        document = yaml.safe_load(text)
        if "datasets" in document:
            check_schema(merge(CONFIG, document), config_schema(), page.name)
    known = {*CONFIG, *Recipe.__dataclass_fields__, "every", "patience", "hold_out"}
    known |= {key for cls in (DatasetSettings, *SECTIONS.values()) for key in cls.__dataclass_fields__}
    words = {word for words in re.findall(r"`((?:[a-z_]+: ?)+)`", page.read_text("utf-8")) for word in words.split(":")}
    assert {word.strip() for word in words} - {""} <= known


def test_every_stage_is_in_the_readmes_table_and_has_a_page_of_formats():
    stages = {path.stem for path in ROOT.glob("rules/*.smk")} - {"common"}
    readme = (ROOT / "README.md").read_text("utf-8")
    formats = "".join(path.read_text("utf-8") for path in ROOT.glob("docs/formats/*.md"))
    assert [stage for stage in stages if not re.search(rf"^\| {stage} \|", readme, re.M) and stage != "weights"] == []
    assert [stage for stage in stages if not re.search(rf"^# .*\b{stage}", formats, re.M)] == []


def test_every_figure_of_the_report_is_listed_and_no_other():
    listed = set(re.findall(r"^\| `(\S+)` \|", (ROOT / "docs/formats/report.md").read_text("utf-8"), re.M))
    planned = re.findall(r'=figure\(\s*"(\S+)"', (ROOT / "rules/report.smk").read_text("utf-8"))
    paths = {f"results/figures/<dataset>/{path}" for path in planned}
    assert listed == {path.replace("{", "<").replace("}", ">") for path in paths}


def test_a_papers_table_is_drawn_cell_by_cell_and_the_same_twice(tmp_path):
    table = tmp_path / "table.csv"
    tables_command.main(["paper", "twostream_table4", "--runs", str(tmp_path), "--out", str(table)])
    for name in ("a", "b"):
        printed.main([str(table), "--out", str(tmp_path / f"{name}.svg")])
    drawn = (tmp_path / "a.svg").read_text("utf-8")
    assert drawn == (tmp_path / "b.svg").read_text("utf-8")
    assert "Temporal stream ConvNet: UCF-101 83.7 / –" in drawn
    with pytest.raises(UserError, match="nets.tsv has no column table, so it is not a table of a paper"):
        printed.main([str(ROOT / "pipeline/models/nets.tsv"), "--out", str(tmp_path / "c.svg")])


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 200


def test_examples_in_python_compile():
    for page in PAGES:
        for text in re.findall(r"^```python[^\n]*\n(.*?)^```", page.read_text("utf-8"), re.M | re.S):
            ast.parse(text)
