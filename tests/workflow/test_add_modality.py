"""A new modality needs a row, a stage that makes its slices and a recipe, and is then trained and shown in a table."""

import shutil

import pandas as pd
import pytest

from pipeline.formats import weights
from pipeline.formats.shards import ShardReader
from tests.helpers import makevideo
from tests.helpers.workflow import ROOT, snakemake

NOT_COPIED = (".*", "__pycache__", "tests", "benchmarks", "data", "results", "logs")
ROW = '    "depth": Modality("depth", {"stage": "depth"}, ("depth",)),\n'
STAGE = '''"""Made-up depth of one slice of frames: dark is far away."""

import io
import sys

import simplejpeg

from pipeline.common import cli
from pipeline.formats.jpeg_store import JpegStore, JpegStoreWriter


def main(argv):
    with JpegStore(argv[0]) as frames:
        writer = JpegStoreWriter(argv[1], {"stage": "depth", "size": frames.attributes["size"]})
        for number, video in enumerate(frames.videos):
            grey = [simplejpeg.decode_jpeg(jpeg, colorspace="GRAY") for jpeg in frames.pictures(number)]
            depth = [simplejpeg.encode_jpeg(255 - picture, quality=90, colorspace="GRAY") for picture in grey]
            writer.add_blocks(video, map(len, depth), depth, float(frames.fps[number]))
        writer.close()


if __name__ == "__main__":
    cli.run(main)
'''
RULE = """rule depth:
    input:
        frames="data/{dataset}/frames/{slice}.h5",
    output:
        depth="data/{dataset}/depth/{slice}.h5",
    params:
        stage=stage_params("depth"),
    shell:
        "python -m pipeline.depth {input.frames} {output.depth}"
"""
EXPERIMENT = """paper: two_stream
runs:
  spatial:
    {net: cnn_m_2048, options: {width: 0.03, stride2: 1}, stack: {depth: 1}, short_side: 60, crop: 56, batch: 4,
     lr: 0.01, steps: 3, protocol: 2 frames x centre, threads: 1, cost: seconds}
presets: {demo: {}}
rows:
  - {method: Depth stream, run: spatial, note: no paper has it}
"""


def insert(path, before, text):
    source = path.read_text()
    assert before in source
    path.write_text(source.replace(before, text + before, 1))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A copy of the sources with the modality added, and the folder that its table was made in."""
    folder = tmp_path_factory.mktemp("depth")
    sources = folder / "sources"
    shutil.copytree(ROOT, sources, ignore=shutil.ignore_patterns(*NOT_COPIED))
    insert(sources / "pipeline/formats/modalities.py", '}\nFRAMES = "rgb"', ROW)
    insert(sources / "pipeline/common/code_hash.py", '    "flow": (', '    "depth": ("depth.__main__",),\n')
    insert(sources / "Snakefile", 'include: "rules/shard.smk"', 'include: "rules/depth.smk"\n')
    (sources / "pipeline/depth").mkdir()
    (sources / "pipeline/depth/__main__.py").write_text(STAGE)
    (sources / "rules/depth.smk").write_text(RULE)
    (sources / "experiments/depth.yaml").write_text(EXPERIMENT)
    for number in range(8):
        makevideo.video(folder / "clips" / "ab"[number % 2] / f"{number // 2}.mp4", 12 + number)
    own = {"folder": str(folder / "clips"), "slices": 2, "preset": "demo", "experiments": ["depth"]}
    config = {"datasets": {"own": {**own, "frames": {"size": [80, 60]}}}}
    run = snakemake(folder / "made", "results/tables/own.csv", config=config, sources=sources)
    assert run.returncode == 0, run.stdout + run.stderr
    return sources, folder / "made"


def test_at_most_six_files_are_touched(made):
    sources, _ = made
    files = [path.relative_to(sources) for path in sources.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    changed = [
        path
        for path in files
        if not (ROOT / path).exists() or (ROOT / path).read_bytes() != (sources / path).read_bytes()
    ]
    assert len([path for path in changed if not path.suffix.startswith(".nb")]) <= 6


def test_a_network_is_trained_on_depth_and_shown_in_a_table(made):
    _, folder = made
    index = pd.read_parquet(folder / "data/own/shards/depth/index.parquet")
    assert sorted(index["pictures"]) == list(range(12, 20))
    run = folder / "results/runs/own/split1/seed0/depth.spatial"
    tensors, metadata = weights.load(run / "weights.safetensors")
    assert tensors["features.0.0.weight"].shape[1] == 1
    assert list(metadata["recipe"]["stack"]) == ["depth"]
    table = pd.read_csv(folder / "results/tables/own.csv")
    assert set(table["method"]) == {"Depth stream"}
    assert (table["status"] == "measured").any()
    assert not (folder / "data/own/shards/rgb").exists()


def test_a_greyscale_picture_is_read_as_one_channel(made, monkeypatch):
    _, folder = made
    from pipeline.formats import modalities

    row = modalities.Modality("depth", {"stage": "depth"}, ("depth",))
    monkeypatch.setitem(modalities.MODALITIES, "depth", row)
    reader = ShardReader(folder / "data/own/shards/depth")
    assert reader.channels(reader.videos[0], [0, 3]).shape == (2, 1, 60, 80)
