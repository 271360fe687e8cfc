"""Exact re-runs: each change plans just the jobs that depend on it, compared as a whole list."""

import shutil
from contextlib import contextmanager

import pandas as pd
import pytest
import yaml

from pipeline.formats import manifest
from pipeline.jobs import dry_run
from pipeline.why import explain
from tests.helpers import makevideo
from tests.helpers.workflow import ROOT, snakemake

NOT_COPIED = (".*", "__pycache__", "tests", "benchmarks", "data", "results", "logs")
TARGET = "results/tables/own.csv"
ROWS = [*(f"two_stream.{run}" for run in ("spatial", "temporal", "average", "svm")), "action_vlad.two_stream_rgb"]
SLICES = ["0000", "0001", "0002", "0003"]
SPLITS = {1: 0, 2: 1}  # in split s, of every class the clip number SPLITS[s] tests


class Workflow:
    """A copy of the workflow's sources, a user's clips and split file, and a folder where all of it has run once."""

    def __init__(self, folder):
        self.sources, self.clips, self.folder = (folder / name for name in ("sources", "clips", "made"))
        self.split_file = folder / "split.tsv"
        shutil.copytree(ROOT, self.sources, ignore=shutil.ignore_patterns(*NOT_COPIED))
        for number in range(12):
            makevideo.video(self.clips / "abc"[number % 3] / f"{number // 3}.mp4", 12 + number)
        self.split_file.write_text(splits(SPLITS))

    def run(self, *arguments, targets=(TARGET,), **settings):
        own = {
            "folder": str(self.clips), "split_file": str(self.split_file), "slices": 4, "splits": [1], "preset": "demo",
            "frames": {"size": [80, 60]}, "tables": {"rows": ROWS},
        }  # fmt: skip
        config = {"datasets": {"own": {**own, **settings}}}
        run = snakemake(self.folder, *arguments, "--", *targets, config=config, sources=self.sources)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout + run.stderr

    def jobs(self, **settings):
        return dry_run.parse_jobs(self.run("-n", **settings))

    def planned(self, **settings):
        """What a dry run lists."""
        return sorted(map(label, self.jobs(**settings)))

    def slices(self):
        """Slice -> its videos and their sizes, by the index."""
        table, _ = manifest.read_manifest(self.folder / "data/own/manifest.parquet")
        parts = table.groupby("slice")
        return {name: set(zip(part["video_id"], part["bytes"], strict=True)) for name, part in parts}

    def packed(self, modality):
        """Video -> pictures in the shards."""
        index = pd.read_parquet(self.folder / "data/own/shards" / modality / "index.parquet")
        return dict(zip(index["video_id"], index["pictures"], strict=True))

    @contextmanager
    def edited(self, path, old, new):
        """A file of the copy, or the split file, with some text replaced, within the block."""
        file = self.sources / path
        before = file.read_text()
        assert old in before
        file.write_text(before.replace(old, new, 1))
        try:
            yield
        finally:
            file.write_text(before)


def splits(tested):
    """The text of a split file; `tested` is split -> number of the clip of each class that tests."""
    rows = [
        f"{name}/{number}.mp4\t{split}\t{'test' if number == test else 'train'}"
        for split, test in tested.items()
        for name in "abc"
        for number in range(4)
    ]
    return "\n".join(["video\tsplit\trole", *rows, ""])


def label(job):
    """A job's rule and what distinguishes it from the rule's others."""
    return " ".join([job.rule, *(v for name, v in job.wildcards.items() if name not in ("dataset", "seed"))])


def expected(*parts):
    return sorted(line for part in parts for line in ([part] if isinstance(part, str) else part))


def slices(rule, names=SLICES):
    return [f"flow flow {name}" if rule == "flow" else f"{rule} {name}" for name in names]


def net(run, *subsets, split=1):
    return [f"train {split} {run}", *(f"score {split} {run} {subset}" for subset in subsets)]


def fusions(split=1):
    return [f"fuse {split} two_stream.average", f"fuse {split} two_stream.svm"]


def nets(split=1):
    streams = [net(f"two_stream.{stream}", "test", "train", split=split) for stream in ("spatial", "temporal")]
    return [*streams[0], *streams[1], *net("action_vlad.two_stream_rgb", "test", split=split), *fusions(split)]


FLOW = expected(slices("flow"), "shard flow", net("two_stream.temporal", "test", "train"), fusions(), "table")
DATA = [f"data/own/shards/{modality}" for modality in ("rgb", "flow")]
SHARDS = ["shard rgb", "shard flow"]
LISTED = ["coverage", "quarantine"]  # what was left out, which lies beside tables
INDEX = ["index", "splits", *LISTED]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The workflow run once, by the demo's recipes cut down to two steps."""
    workflow = Workflow(tmp_path_factory.mktemp("reruns"))
    for name, runs in (("two_stream", ("spatial", "temporal")), ("action_vlad", ("two_stream_rgb",))):
        path = workflow.sources / "experiments" / f"{name}.yaml"
        recipes = yaml.safe_load(path.read_text())
        for run in runs:
            recipes["presets"]["demo"].setdefault(run, {}).update(steps=2, milestones=[1], batch=4)
        if name == "two_stream":
            recipes["fusions"]["average"] |= {"method": "weighted", "weights": [1, 1]}
        path.write_text(yaml.safe_dump(recipes, sort_keys=False))
    workflow.run()
    return workflow


def test_a_comment_a_docstring_and_an_unrelated_module_plan_nothing(made):
    comment = made.edited("pipeline/formats/flow_levels.py", '"""\n\n', '"""\n\n# A comment.\n')
    docstring = made.edited("pipeline/flow/flow_slices.py", '"""', '"""Other words. ')
    unrelated = made.edited("pipeline/provenance/tree.py", "MAX_SINGLE = 3", "MAX_SINGLE = 4")
    with comment, docstring, unrelated:
        assert made.planned() == []


def test_another_flow_bound_plans_the_flow_and_what_is_made_of_it(made):
    assert made.planned(flow={"bound": 15}) == FLOW


def test_changed_code_of_a_stage_plans_that_stage_and_what_follows(made):
    with made.edited("pipeline/flow/flow_slices.py", "MAX_PAIRS = 256", "MAX_PAIRS = 128"):
        assert made.planned() == FLOW


def test_another_crop_plans_the_run_that_has_it(made):
    with made.edited("experiments/action_vlad.yaml", "crop: 48", "crop: 44"):
        assert made.planned() == expected(net("action_vlad.two_stream_rgb", "test"), "table")


def test_another_learning_rate_plans_the_run_that_has_it_and_its_fusions(made):
    with made.edited("experiments/two_stream.yaml", "steps: 2\n", "steps: 2\n      lr: 0.02\n"):
        assert made.planned() == expected(net("two_stream.spatial", "test", "train"), fusions(), "table")


def test_another_weight_of_a_fusion_plans_that_fusion(made):
    with made.edited("experiments/two_stream.yaml", "weights:\n    - 1\n", "weights:\n    - 2\n"):
        assert made.planned() == ["fuse 1 two_stream.average", "table"]


def test_one_published_number_plans_the_tables_that_show_it_and_not_ones_own_clips(made):
    with made.edited("pipeline/tables/published.tsv", "\t85.9", "\t85.8"):
        assert made.planned() == []


def test_one_more_split_plans_its_own_nets_and_nothing_anew(made):
    assert made.planned(splits=[1, 2]) == expected(nets(2), "table")


def test_another_split_file_plans_the_nets_and_no_data(made):
    with made.edited(made.split_file, splits(SPLITS), splits({1: 2, 2: 1})):
        assert made.planned() == expected("splits", LISTED, nets(), "table")


def test_a_note_in_the_folder_plans_the_list_of_what_was_left_out(made):
    note = made.clips / "a" / "notes.txt"
    note.write_text("The second clip is blurred.")
    jobs = made.jobs()
    note.unlink()
    assert sorted(map(label, jobs)) == expected(LISTED, "table")
    assert "coverage, 1 job: files that are no listed videos changed" in "\n".join(explain.explain(jobs, made.folder))


def changed(before, after):
    """Slices that hold other videos than before, and the jobs that make them; never all of them."""
    names = [name for name in SLICES if before.get(name) != after.get(name)]
    assert 0 < len(names) < len(SLICES)
    return slices("frames", names) + slices("flow", names)


def test_a_reworded_error_and_a_line_of_a_log_or_of_tensorboard_plan_nothing(made):
    error = made.edited("pipeline/train/sampler.py", "correct the recipe", "mend the recipe")
    log = made.edited("pipeline/train/dataset.py", "training on {", "trained on are {")
    curve = made.edited("pipeline/train/tensorboard.py", "add_scalar(name,", "add_scalar(f'train/{name}',")
    help_text = made.edited("pipeline/flow/__main__.py", "motion in pixels", "pixels of motion")
    progress = made.edited("pipeline/common/log.py", "LOG_SECONDS = 10.0", "LOG_SECONDS = 20.0")
    with error, log, curve, help_text, progress:
        assert made.planned() == []


def test_another_reason_of_a_bad_video_plans_the_frames(made):
    with made.edited("pipeline/frames/extract.py", "and flow takes two", "and flow takes 2"):
        assert set(slices("frames")) <= set(made.planned())


def test_another_cuda_kernel_plans_the_flow_and_no_net_of_frames_alone(made):
    with made.edited("pipeline/flow/tvl1/tvl1.cu", "\n", "\n// Another kernel.\n"):
        assert made.planned() == FLOW


def test_another_allowed_share_of_bad_videos_plans_the_list_of_what_was_left_out(made):
    assert made.planned(frames={"size": [80, 60], "max_bad_share": 0.5}) == ["quarantine", "table"]


def test_clips_in_a_renamed_folder_plan_nothing(made):
    renamed = made.clips.with_name("renamed")
    made.clips.rename(renamed)
    try:
        assert made.planned(folder=str(renamed)) == []
    finally:
        renamed.rename(made.clips)


def test_a_project_in_another_folder_plans_nothing(made):
    folders = [made.sources, made.folder]
    elsewhere = [folder.parent / "elsewhere" / folder.name for folder in folders]
    elsewhere[0].parent.mkdir()
    for old, new in zip(folders, elsewhere, strict=True):
        old.rename(new)
    made.sources, made.folder = elsewhere
    try:
        assert made.planned() == []
    finally:
        made.sources, made.folder = folders
        for old, new in zip(folders, elsewhere, strict=True):
            new.rename(old)


def test_a_changed_video_makes_its_slice_anew_and_says_why(made):
    before = made.slices()
    makevideo.video(made.clips / "a" / "1.mp4", 20)
    jobs = made.jobs()
    told = "\n".join(explain.explain(jobs, made.folder))
    made.run(targets=DATA)
    assert sorted(map(label, jobs)) == expected(INDEX, SHARDS, changed(before, made.slices()), nets(), "table")
    assert (made.packed("rgb")["a/1.mp4"], made.packed("flow")["a/1.mp4"]) == (20, 19)
    assert made.planned(targets=DATA) == []
    assert "frames, 1 job: videos of the slice changed\n" in told
    assert "index, 1 job: videos of the folder or its lists changed\n" in told


def test_one_more_class_folder_makes_the_slices_that_take_its_videos(made):
    before = made.slices()
    makevideo.video(made.clips / "d" / "0.mp4", 24)
    planned = made.planned()
    made.run(targets=DATA)
    assert planned == expected(INDEX, SHARDS, changed(before, made.slices()), nets(), "table")
    assert made.packed("rgb")["d/0.mp4"] == 24
    assert made.planned(targets=DATA) == []


def test_one_more_split_of_archives_fetches_decodes_and_packs_nothing_anew(tmp_path):
    """Placeholders, which Snakemake is told to take for made."""
    files = ["data/demo/shards/flow", "data/demo/splits.parquet", "data/demo/idt/samples/0000.h5"]

    def planned(*splits):
        run = snakemake(tmp_path, "-n", *files, config={"datasets": {"demo": {"splits": list(splits)}}})
        assert run.returncode == 0, run.stdout + run.stderr
        return dry_run.parse_jobs(run.stdout)

    first = planned(1)
    assert {job.rule for job in first} >= {"fetch", "index", "splits", "frames", "flow", "shard", "idt_sample"}
    for path in (tmp_path / output for job in first for output in job.outputs):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if path.parent.name == "shards" else path.write_text("placeholder")
    run = snakemake(tmp_path, "--touch", *files, config={"datasets": {"demo": {"splits": [1]}}})
    assert run.returncode == 0, run.stdout + run.stderr
    assert planned(1, 2) == []
