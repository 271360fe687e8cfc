"""From raw archives and folders to results tables, and the claims of the tables."""

import csv
import shutil

import pandas as pd
import pytest

from pipeline.common import environment
from pipeline.formats import quarantine, scores
from tests.helpers import makevideo
from tests.helpers.accuracy import top1
from tests.helpers.workflow import SHARED, jobs, snakemake

FIGHTS = SHARED / "clips" / "surveillance_fights"
SPATIAL, TEMPORAL = "Spatial stream ConvNet", "Temporal stream ConvNet"
AVERAGE, SVM = "Two-stream model (fusion by averaging)", "Two-stream model (fusion by SVM)"


@pytest.fixture(scope="session")
def table(demo):
    return pd.read_csv(demo / "results" / "tables" / "demo.csv", dtype={"split": str})


def mean(table, method, classes="all"):
    """Accuracy in per cent over the three splits."""
    chosen = table[(table["method"] == method) & (table["split"] == "mean") & (table["classes"] == classes)]
    return chosen["reproduced"].item()


def test_the_demo_has_a_row_per_method_and_split_and_a_mean(table):
    rows = table[table["classes"] == "all"]
    for method in (SPATIAL, TEMPORAL, AVERAGE, SVM):
        assert rows[rows["method"] == method]["split"].tolist() == ["1", "2", "3", "mean"]
    assert set(rows["status"]) == {"measured"}
    assert set(rows[rows["split"] == "mean"]["videos"]) == {"270/270"}


@pytest.mark.parametrize("fusion", [AVERAGE, SVM])
def test_fusion_is_at_least_as_good_as_either_stream(table, fusion):
    assert mean(table, fusion) >= max(mean(table, SPATIAL), mean(table, TEMPORAL))


def test_the_temporal_stream_is_better_on_motion_and_worse_on_appearance(table):
    assert mean(table, TEMPORAL, "motion") > mean(table, SPATIAL, "motion") + 30
    assert mean(table, SPATIAL, "appearance") > mean(table, TEMPORAL, "appearance") + 30


def test_neither_stream_can_tell_the_order_of_events(table):
    assert all(25 <= mean(table, method, "order") <= 75 for method in (SPATIAL, TEMPORAL, AVERAGE, SVM))


def test_the_numbers_in_the_table_are_those_of_the_score_files(demo, table):
    file = demo / "results/runs/demo/split2/seed0/two_stream.temporal/test.parquet"
    row = table[(table["method"] == TEMPORAL) & (table["split"] == "2")]
    assert row["reproduced"].item() == pytest.approx(100 * top1(scores.read(file)), abs=0.05)


def test_a_second_run_plans_no_job(demo):
    assert jobs(demo, "results/tables/demo.csv") == {}


def test_another_flow_bound_reruns_only_flow_and_the_jobs_that_depend_on_it(demo):
    again = jobs(demo, "results/tables/demo.csv", config={"flow": {"bound": 15}})
    assert again == {"flow": 4, "shard": 1, "train": 3, "score": 6, "fuse": 6, "table": 1, "total": 21}


def test_another_shard_size_does_not_rerun_flow(demo):
    again = jobs(demo, "results/tables/demo.csv", config={"shard": {"mib": 5}})
    assert "flow" not in again
    assert "frames" not in again
    assert again["shard"] == 2


def test_every_job_has_a_log_and_a_benchmark(demo):
    logs = {path.relative_to(demo / "logs").with_suffix("") for path in (demo / "logs").rglob("*.log")}
    measured = {
        path.relative_to(demo / "results/benchmarks").with_suffix("") for path in demo.rglob("benchmarks/**/*.tsv")
    }
    assert logs == measured
    assert len(logs) == 41


def test_every_log_names_the_lock_of_its_environment(demo):
    locks = {environment.read_log(path.read_text()).get("lock") for path in (demo / "logs").rglob("*.log")}
    assert locks == {environment.versions()["lock"]}


@pytest.fixture(scope="session")
def own_clips(tmp_path_factory):
    """A user's folder with everything that goes wrong: returns (its folder, the workflow's folder after a run)."""
    clips, folder = tmp_path_factory.mktemp("clips"), tmp_path_factory.mktemp("own")
    for number in range(8):
        makevideo.video(clips / ("left" if number % 2 else "right") / f"clip {number}.mp4", frames=12)
    (clips / "empty").mkdir()
    (clips / "left" / "text.mp4").write_text("this is no video")
    (clips / "left" / "notes.txt").write_text("a note")
    makevideo.truncate(makevideo.video(clips / "right" / "truncated.avi", frames=30), 0.5)
    return clips, folder


def own_config(clips, **more):
    settings = {"folder": str(clips), "slices": 2, "splits": [1], "preset": "demo", "frames": {"size": [80, 60]}}
    return {"datasets": {"own": {**settings, **more}}, "frames": {"max_bad_share": 0.5}}


def test_bad_videos_are_quarantined_with_a_reason_and_the_others_are_packed(own_clips):
    clips, folder = own_clips
    targets = ("data/own/shards/rgb", "data/own/shards/flow", "data/own/quarantine.tsv")
    run = snakemake(folder, *targets, config=own_config(clips))
    assert run.returncode == 0, run.stdout + run.stderr
    rows = {row.video_id: (row.verdict, row.reason) for row in quarantine.read([folder / "data/own/quarantine.tsv"])}
    assert rows["left/text.mp4"][0] == rows["right/truncated.avi"][0] == "bad"
    assert rows["empty/"] == ("missing", "the class folder holds no video")
    assert rows["left/notes.txt"] == ("ignored", ".txt is no video's suffix")
    index = pd.read_parquet(folder / "data/own/shards/rgb/index.parquet")
    assert sorted(index["video_id"]) == sorted(f"{'left' if n % 2 else 'right'}/clip {n}.mp4" for n in range(8))


def test_a_missing_video_in_a_split_file_is_marked_as_absent(own_clips, tmp_path):
    clips, folder = own_clips
    with open(tmp_path / "split.tsv", "w", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["video", "split", "role"])
        writer.writerows(
            [f"{'left' if n % 2 else 'right'}/clip {n}.mp4", 1, "test" if n < 2 else "train"] for n in range(8)
        )
        writer.writerow(["left/lost.mp4", 1, "test"])
    config = own_config(clips, split_file=str(tmp_path / "split.tsv"))
    run = snakemake(folder, "data/own/splits.parquet", config=config)
    assert run.returncode == 0, run.stdout + run.stderr
    splits = pd.read_parquet(folder / "data/own/splits.parquet")
    assert splits.groupby(["role", "present"]).size().to_dict() == {
        ("test", False): 1, ("test", True): 2, ("train", True): 6,
    }  # fmt: skip


def test_a_failing_stage_shows_its_message_without_a_traceback(own_clips):
    clips, folder = own_clips
    config = own_config(clips) | {"frames": {"max_bad_share": 0.0}}
    run = snakemake(folder, "data/own/quarantine.tsv", config=config)
    said = run.stdout + run.stderr
    assert run.returncode == 1
    assert "videos are bad, a larger share than frames.max_bad_share 0.0 allows" in said
    assert "Traceback" not in said


@pytest.mark.skipif(not FIGHTS.exists(), reason="the shared folder with real clips is not beside this checkout")
def test_a_users_own_folder_of_clips_becomes_a_table(tmp_path):
    config = {
        "datasets": {
            "fights": {
                "folder": str(FIGHTS), "slices": 2, "splits": [1], "preset": "demo", "frames": {"size": [80, 60]},
                "tables": {"rows": [f"two_stream.{run}" for run in ("spatial", "temporal", "average", "svm")]},
            }
        }
    }  # fmt: skip
    run = snakemake(tmp_path, "results/tables/fights.csv", config=config)
    assert run.returncode == 0, run.stdout + run.stderr
    made = pd.read_csv(tmp_path / "results/tables/fights.csv", dtype={"split": str})
    assert made["videos"].tolist() == ["18/18"] * 8
    assert made["reproduced"].between(0, 100).all()


@pytest.fixture(scope="session", autouse=True)
def tidy(tmp_path_factory):
    """Frames and shards are large: nothing of them stays when the tests are over."""
    yield
    for path in tmp_path_factory.getbasetemp().glob("demo*"):
        shutil.rmtree(path / "data", ignore_errors=True)
