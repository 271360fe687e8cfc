"""The report: every row's run has its figures, pages say what the tables hold, and a browser shows them all."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.common import files
from pipeline.common.errors import UserError
from pipeline.formats import scores
from pipeline.report import compared, origins, pages, summary
from pipeline.tables.result_rows import COLUMNS, method_rows, read_results, row_title
from pipeline.workflow import figure_targets
from tests.helpers import browsing
from tests.helpers.accuracy import top1
from tests.helpers.workflow import ROOT, jobs, snakemake

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
RULES = (ROOT / "rules" / "report.smk").read_text()
ROW = dict.fromkeys(COLUMNS, "") | {"paper": "P", "method": "M", "split": "mean", "classes": "all", "metric": "top1"}
DONE = {"reproduced": "80.0", "low": "78.0", "high": "82.0", "videos": "90/90", "status": "reproduced"}


def row(method="M", **cells):
    return ROW | {"method": method} | cells


def whole_demo():
    tables = {"tables": {"rows": "all"}}
    return CONFIG | {"datasets": CONFIG["datasets"] | {"demo": CONFIG["datasets"]["demo"] | tables}}


# Which figures there are.


def test_every_planned_run_has_its_figures_and_only_trained_ones_have_curves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    planned = figure_targets.figures(whole_demo(), "demo")
    assert len(planned) == len(set(planned))
    for run in figure_targets.shown_runs(whole_demo(), "demo"):
        mine = {Path(path).name for path in planned if f"/runs/{run}/" in path}
        assert mine >= {"confusion.svg", "classes.svg", "pairs.svg"}
        assert ("curves.svg" in mine) == bool(figure_targets.metrics(whole_demo(), "demo", run))
    assert "results/figures/demo/runs/two_stream.spatial/curves.svg" in planned
    assert "results/figures/demo/runs/two_stream.svm/curves.svg" not in planned
    assert "results/figures/demo/runs/idt.idt/curves.svg" not in planned


def test_imported_scores_plan_no_training_and_no_videos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for run, split, seed in figure_targets.planned_scores(CONFIG, "demo"):
        path = Path(f"results/runs/demo/split{split}/seed{seed}/{run}/test.parquet")
        path.parent.mkdir(parents=True)
        path.touch()
    planned = figure_targets.figures(CONFIG, "demo")
    assert not [path for path in planned if path.endswith(("curves.svg", "samples.png", "coverage.svg"))]
    assert len([path for path in planned if path.endswith("confusion.svg")]) == 4


def test_every_figure_of_the_report_has_a_caption_that_is_there():
    captions = re.findall(r'=figure\(\s*"\S+", "([a-z_]+\.rst)"', RULES)
    assert len(captions) == RULES.count("=figure(")
    assert set(captions) | {"workflow.rst"} == {path.name for path in (ROOT / "rules" / "report").glob("*.rst")}


# What pages say.


def test_texts_of_a_page_are_escaped():
    assert "<script>" not in pages.table(["a"], [["<script>"]])


def test_a_method_is_shown_by_its_mean_and_by_the_splits_that_a_paper_prints():
    rows = [row(split="1"), row(split="2", published="80.0"), row()]
    assert [row_title(one) for one in method_rows(rows)] == ["M, split 2", "M"]


def test_the_table_numbers_its_notes_and_leaves_out_columns_that_are_empty():
    made = " ".join(compared.body([row("A", note="small"), row("B", note="small"), row("C", note="none")]))
    assert "<ol><li>small</li><li>none</li></ol>" in made
    assert ">published<" not in made
    assert ">reproduced<" in made


def test_the_summary_says_how_far_off_and_how_much_is_missing():
    inside = row("A", **DONE, published="81.0", difference="-1.0")
    outside = row("B", **DONE, published="90.0", difference="-10.0") | {"videos": "80/90"}
    said = " ".join(
        [*summary.coverage_sentences([inside, outside, row("C")]), *summary.difference_sentences([inside, outside])]
    )
    assert "3 rows, of which 2 have been measured here, 1 not" in said
    assert "1 row lacks test videos, most B, which has 80/90" in said
    assert "2 published values stand measured ones; 1 of them" in said
    assert "from -10.0 to -1.0 points" in said


def test_the_summary_names_small_presets_and_why_rows_are_missing():
    rows = [row("A", **DONE, note="preset demo; TV-L1"), row("B", status="needs kinetics", note="trains first")]
    assert "1 row comes from the preset demo" in " ".join(summary.preset_sentences(rows))
    assert summary.reasons(rows) == ["1 row: needs kinetics (trains first)"]


def test_a_file_without_the_columns_is_refused(tmp_path):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="has no column paper, so it is not the results table of a data set"):
        read_results(tmp_path / "other.csv")


def test_a_missing_picture_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="cannot be read .*: draw it first"):
        pages.picture(tmp_path / "none.svg", "nothing")


def test_scores_of_another_workflow_are_refused(tmp_path):
    with pytest.raises(UserError, match="give that table's own scores"):
        origins.relative_path(tmp_path / "here", tmp_path / "there" / "test.parquet")


# The whole report, of the demo.


@pytest.fixture(scope="module")
def reported(demo, tmp_path_factory):
    """The demo's folder again, with its figures and results/report.html."""
    folder = tmp_path_factory.mktemp("demo_report") / "run"
    shutil.copytree(demo, folder)
    page, style = "results/figures/demo/summary.html", str(ROOT / "rules" / "report" / "report.css")
    for command in ([page], ["--report", "results/report.html", "--report-stylesheet", style, "--", page]):
        run = snakemake(folder, *command)
        assert run.returncode == 0, run.stdout + run.stderr
    yield folder
    shutil.rmtree(folder)


def test_the_demos_figures_are_made_and_no_job_is_left(reported):
    assert [path for path in figure_targets.figures(CONFIG, "demo") if not (reported / path).is_file()] == []
    assert jobs(reported, "results/figures/demo/summary.html") == {}


def test_the_summarys_numbers_are_the_score_files(reported):
    page = (reported / "results/figures/demo/summary.html").read_text()
    found = sorted(reported.glob("results/runs/demo/split*/seed0/two_stream.svm/test.parquet"))
    accuracy = np.mean([100 * top1(scores.read(path)) for path in found])
    assert f"{accuracy:.1f}" in page
    assert "270 of 270 videos" in page


def test_the_origins_name_every_score_file_by_its_hash(reported):
    page = (reported / "results/figures/demo/origins.html").read_text()
    assert page.count("two_stream.svm</td>") == 3
    digest = files.sha256(reported / "results/runs/demo/split1/seed0/two_stream.svm/test.parquet")
    assert digest[:12] in page
    assert "train" in (reported / "results/figures/demo/stages.svg").read_text()


def test_a_browser_shows_every_page_and_figure_without_network_requests(reported):
    with browsing.browser() as driver:
        driver.get((reported / "results" / "report.html").as_uri())
        browsing.wait(driver, "return typeof app !== 'undefined' && document.body.innerText.includes('Summary')")
        assert browsing.ink(driver) > browsing.INK
        categories = driver.execute_script("return categories")
        shown = [path for subs in categories.values() for paths in subs.values() for path in paths]
        assert {*shown} == {*figure_targets.figures(CONFIG, "demo"), "results/figures/demo/summary.html"}
        for category, subs in categories.items():
            for subcategory, paths in subs.items():
                browsing.open_list(driver, category, subcategory)
                browsing.look_at_each(driver, len(paths))
        assert browsing.requests(driver) == []
        assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []
