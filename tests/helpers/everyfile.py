"""One small file of every kind that the stages write, made by their own commands, for the tests of docs/formats."""

import zipfile

import yaml

from pipeline.fetch import __main__ as fetch_command
from pipeline.fetch.sources import COLUMNS
from pipeline.flow import __main__ as flow_command
from pipeline.frames import __main__ as frames_command
from pipeline.frames import quarantine as quarantine_command
from pipeline.fuse import __main__ as fuse_command
from pipeline.idt.__main__ import main as idt
from pipeline.index import __main__ as index_command
from pipeline.index import build as index
from pipeline.models.builders import build
from pipeline.score import __main__ as score_command
from pipeline.shard import __main__ as shard_command
from pipeline.tables import __main__ as tables_command
from pipeline.tables import architectures
from pipeline.train import __main__ as train_command
from pipeline.train import kmeans
from pipeline.weights import __main__ as weights_command
from tests.helpers import makevideo
from tests.helpers.tinyruns import interrupted

LISTS = {
    "classInd.txt": "1 Left\n2 Right\n",
    "trainlist01.txt": "".join(
        f"{name}/v_{name}_{n}.avi {label}\n" for label, name in ((1, "Left"), (2, "Right")) for n in (1, 2, 3)
    ),
    "testlist01.txt": "Left/v_Left_4.avi\nRight/v_Right_4.avi\nRight/v_Right_lost.avi\n",
}
RUN = "results/runs/demo/split1/seed0"
SMALL = ["--patch", "16", "--camera", "-1"]
EXPERIMENT = {
    "paper": "A test (2026)",
    "common": {
        "net": "cnn_m_2048", "options": {"width": 0.03}, "stack": {"rgb": 1},
        "short_side": 48, "crop": 48, "batch": 2, "lr": 0.01, "steps": 3, "protocol": "2 frames x centre",
        "train_protocol": "1 frame x centre", "threads": 1,
    },
    "runs": {
        "spatial": {"options": {"stride2": 1}, "plateau": {"every": 1, "patience": 2, "hold_out": 0.3}},
        "vgg": {"net": "vgg_16", "options": {"width": 0.05}},
    },
    "rows": [{"method": "Spatial", "run": "spatial"}],
    "presets": {"demo": {}},
}  # fmt: skip


def call(main, text, *more):
    """A command with the words of `text`, and more that hold spaces."""
    main([*text.split(), *more])


def make(folder, monkeypatch):
    """Everything below `folder`, at the workflow's own paths; commands run in it."""
    monkeypatch.chdir(folder)
    archives(folder)
    data()
    trajectories()
    trained(folder, monkeypatch)
    scored_and_shown(folder, monkeypatch)


def archives(folder):
    """Two zip archives as UCF-101 has them, with a video that is torn and one that is listed and not there."""
    (folder / "archives").mkdir()
    for name in ("Left", "Right"):
        for number in (1, 2, 3, 4):
            makevideo.video(folder / "clips" / name / f"v_{name}_{number}.avi", frames=20)
    makevideo.truncate(folder / "clips" / "Left" / "v_Left_3.avi", 0.4)
    with zipfile.ZipFile("archives/videos.zip", "w") as file:
        for path in sorted((folder / "clips").rglob("*.avi")):
            file.write(path, path.relative_to(folder / "clips"))
    with zipfile.ZipFile("archives/lists.zip", "w") as file:
        for name, text in LISTS.items():
            file.writestr(name, text)
    columns = list(COLUMNS)
    rows = [["demo", "videos.zip", "archive", "videos"], ["demo", "lists.zip", "archive", "lists"]]
    rows[0] += ["", "", "http://localhost/videos.zip"]
    lines = ["\t".join(row + [""] * (len(columns) - len(row))) for row in [columns, *rows]]
    (folder / "sources.tsv").write_text("\n".join(lines) + "\n")


def data():
    """From archives to shards."""
    call(fetch_command.main, "--dataset demo --out data/raw/demo --archives archives --sources sources.tsv")
    for part in index.PARTS:
        call(
            index_command.main,
            f"{part} --dataset demo --videos data/raw/demo/videos --layout ucf101 --lists data/raw/demo/lists"
            " --slices 1 --out data/demo",
        )
    call(
        frames_command.main,
        "data/demo/manifest.parquet data/demo/frames/0000.h5 --folder data/raw/demo/videos --slice 0000 --size 64x48"
        " --max-bad-share 1 --quarantine data/demo/frames/0000.quarantine.tsv",
    )
    call(flow_command.main, "data/demo/frames/0000.h5 data/demo/flow/0000.h5")
    call(flow_command.main, "data/demo/frames/0000.h5 data/demo/backward/0000.h5 --direction backward")
    parts = "data/demo/index.quarantine.tsv data/demo/frames/0000.quarantine.tsv"
    call(quarantine_command.main, f"{parts} --out data/demo/quarantine.tsv")
    for modality, of in (("rgb", "frames"), ("flow", "flow"), ("backward", "backward")):
        call(
            shard_command.main,
            f"pack data/demo/{of}/0000.h5 --manifest data/demo/manifest.parquet --quarantine"
            f" data/demo/frames/0000.quarantine.tsv --modality {modality} --out data/demo/shards/{modality}",
        )


def trajectories():
    """Improved trajectories, their vocabulary, encodings and scores, and raw tracks."""
    slices, folder = ["data/demo/frames/0000.h5"], "data/demo/idt"
    idt(["sample", *slices, f"{folder}/samples/0000.h5", *SMALL, "--count", "60"])
    call(
        idt,
        f"vocabulary --samples {folder}/samples/0000.h5 --splits data/demo/splits.parquet --split 1 --clusters 4"
        f" --out {folder}/vocabularies/split1.seed0.h5",
    )
    vocabulary = ["--vocabularies", f"{folder}/vocabularies/split1.seed0.h5"]
    idt(["encode", *slices, f"{folder}/encodings/0000.h5", *SMALL, *vocabulary])
    idt(["keep", *slices, f"{folder}/tracks/0000.h5", *SMALL])
    call(
        idt,
        f"classify --encodings {folder}/encodings/0000.h5 --manifest data/demo/manifest.parquet"
        f" --splits data/demo/splits.parquet --split 1 --out {RUN}/idt.idt",
    )


def trained(folder, monkeypatch):
    """Two runs, a checkpoint of a third that was interrupted, centres, and weights from elsewhere."""
    import torch

    (folder / "tiny.yaml").write_text(yaml.safe_dump(EXPERIMENT))
    common = (
        "--experiment tiny.yaml --preset demo --shards data/demo/shards/rgb --splits data/demo/splits.parquet"
        " --device cpu --save-seconds 0"
    )
    call(train_command.main, f"{common} --run spatial --out {RUN}/two_stream.spatial")
    call(train_command.main, f"{common} --run vgg --out {RUN}/action_vlad.base")
    with interrupted(monkeypatch, steps=2):
        call(train_command.main, f"{common} --run spatial --out {RUN}/two_stream.temporal")
    call(
        kmeans.main,
        f"--weights {RUN}/action_vlad.base/weights.safetensors --shards data/demo/shards/rgb --splits"
        f" data/demo/splits.parquet --clusters 4 --device cpu --out"
        f" {RUN}/action_vlad.base/centres.conv5_3.4.safetensors",
    )
    torch.save(build("resnet_50", num_classes=2, width=0.125, depth=(1, 1, 1, 1)).state_dict(), "release.pth")
    (folder / "classes.txt").write_text("Left\nRight\n")
    call(
        weights_command.main,
        "import release.pth --format torchvision --model resnet_50 --out data/weights/resnet_50.safetensors"
        " --classes classes.txt --option width=0.125",
        "--option",
        "depth=[1, 1, 1, 1]",
    )


def scored_and_shown(folder, monkeypatch):
    """Score files of every origin, and tables."""
    run = f"{RUN}/two_stream.spatial"
    call(
        score_command.main,
        f"run --weights {run}/weights.safetensors --shards data/demo/shards/rgb --splits data/demo/splits.parquet"
        f" --device cpu --out {run}/test.parquet",
    )
    call(
        score_command.main,
        f"select-views --scores {run}/test.parquet --places centre --out {RUN}/of_views.subset/test.parquet",
    )
    (folder / "theirs.csv").write_text("1,2\n3,4\n")
    (folder / "theirs.txt").write_text("Left/v_Left_4.avi 0\nRight/v_Right_4.avi 1\n")
    call(
        score_command.main,
        "import --logits theirs.csv --videos theirs.txt --classes classes.txt"
        f" --out {RUN}/of_others.theirs/test.parquet",
    )
    fused = f"{RUN}/two_stream.average"
    call(
        fuse_command.main,
        f"--scores {run}/test.parquet {RUN}/idt.idt/test.parquet --input l2 --out {fused}/test.parquet",
    )
    call(tables_command.main, "dataset demo --out results/tables/demo.csv")
    call(tables_command.main, "paper twostream_table4 --out results/tables/twostream_table4.csv")
    name = "Two-Stream"
    monkeypatch.setattr(architectures, "ARCHITECTURES", {name: architectures.ARCHITECTURES[name]})
    monkeypatch.setattr(architectures, "PUBLISHED", folder / "none.tsv")
    (folder / "none.tsv").write_text("\t".join(architectures.PUBLISHED_COLUMNS) + "\n")
    architectures.main(["--out", "results/tables/architectures.csv"])
