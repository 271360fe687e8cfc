"""The papers' data sets as if everything had been made: empty files, Snakemake's records, score files of full size."""

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pipeline.config import settings
from pipeline.formats import class_counts, scores
from pipeline.jobs.dry_run import Job
from pipeline.workflow import runs, table_targets

ROOT = Path(__file__).parents[1]
KINETICS = {"layout": "kinetics", "splits": [1, 2], "preset": "paper", "frames": {"size": 256, "fps": 25}}
SLICES = {"ucf101": 64, "hmdb51": 24, "kinetics400": 800}
# data set -> videos of a test split, views of each, classes
SHAPES = {"ucf101": (3783, 250, 101), "hmdb51": (1530, 250, 51), "kinetics400": (19881, 1, 400)}


def begin(folder: Path, share: float) -> tuple[Path, list[str]]:
    """The config that has all of the papers' data sets, and every table of theirs; released weights are made up."""
    path = folder / "mine.yaml"
    own = {"ucf101": {"pretraining": "kinetics400"}, "hmdb51": {"pretraining": "kinetics400"}, "kinetics400": KINETICS}
    cut = {"datasets": {name: {**own[name], "slices": max(1, round(SLICES[name] * share))} for name in own}}
    path.write_text(yaml.safe_dump(cut))
    merged = settings.merge(settings.load_yaml(ROOT / "config.yaml"), cut)
    (folder / "data" / "weights").mkdir(parents=True)
    for release in runs.releases(merged):
        (folder / "data" / "weights" / f"{release}.safetensors").touch()
    return path, [table for table in table_targets.table_files(merged) if not table.endswith("/demo.csv")]


def make(folder: Path, jobs: Sequence[Job]) -> None:
    """Every output of the jobs, empty, and all of one moment, so that none is older than what it is made of."""
    now = time.time()
    for job in jobs:
        for path in (folder / path for path in job.outputs):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(exist_ok=True) if job.rule == "shard" else path.touch()
            os.utime(path, (now, now))


def score_files(folder: Path, jobs: Sequence[Job]) -> list[Path]:
    """Those of the outputs that hold scores."""
    paths = (folder / path for job in jobs if job.rule in ("score", "fuse", "idt_classify") for path in job.outputs)
    return [path for path in paths if path.suffix == ".parquet"]


def fill(folder: Path, paths: Sequence[Path], share: float) -> dict[str, dict[str, Any]]:
    """Random logits in every score file: one file a data set under all their names, and so its hits."""
    made = {}
    for dataset, shape in SHAPES.items():
        mine = [path for path in paths if path.relative_to(folder).parts[2] == dataset]
        source = folder / f"{dataset}.parquet"
        write(source, max(1, round(shape[0] * share)), *shape[1:])
        class_counts.write_counts(source)
        for path in mine:
            path.unlink()
            os.link(source, path)
            shutil.copy(source.with_suffix(".hits.json"), path.with_suffix(".hits.json"))
        made[dataset] = {"score_files": len(mine), "mib_each": round(source.stat().st_size / 2**20, 1)}
    return made


def write(path: Path, videos: int, views: int, classes: int) -> None:
    """A score file of the shape given; every video's own class is as likely as any to score highest."""
    random = np.random.default_rng(0)
    rows = videos * views
    columns: Mapping[str, Any] = {
        "video_id": np.repeat([f"video{number}" for number in range(videos)], views),
        "label": np.repeat(random.integers(0, classes, videos), views), "clip": np.tile(np.arange(views), videos),
        "crop": np.zeros(rows, int), "place": ["centre"] * rows, "flip": np.zeros(rows, bool),
        "start": np.zeros(rows, int), "scores": random.standard_normal((rows, classes), np.float32),
    }  # fmt: skip
    facts = {
        "kind": "logits", "average": "probabilities", "classes": [f"class{number}" for number in range(classes)],
        "videos": videos, "seed": 0, "preset": "paper", "protocol": "made up", "deviations": "random scores",
    }  # fmt: skip
    scores.write(path, columns, facts)
