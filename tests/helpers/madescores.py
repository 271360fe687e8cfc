"""Rows of experiments and score files to make tables of."""

import numpy as np

from pipeline.formats import scores
from pipeline.tables import entries

CLASSES = ["a", "b", "c", "d", "e", "f"]
ENTRIES = [
    {
        "method": "Temporal", "run": "temporal",
        "published": {"table": "twostream_table4", "row": "Temporal stream ConvNet"},
    },
    {
        "method": "Scratch", "run": "temporal", "splits": [1], "datasets": ["ucf101"], "demo": False,
        "published": {"table": "twostream_table1a", "row": "From scratch", "column": "dropout 0.9"},
    },
]  # fmt: skip
I3D = {
    "method": "I3D", "run": "flow", "needs": "kinetics",
    "published": [
        {"table": "i3d_table5", "row": "Flow-I3D, Kinetics pre-training"},
        {"table": "i3d_table3", "row": "(e) Two-Stream I3D", "column": "Kinetics Flow"},
        {"table": "i3d_table3_top5", "row": "(e) Two-Stream I3D", "column": "Kinetics Flow"},
    ],
}  # fmt: skip


def known(*given, experiment="two_stream", paper="Two-Stream ConvNets (2014)"):
    return [entries.parse_entry(experiment, paper, entry) for entry in given or ENTRIES]


def write_scores(root, split, places, dataset="ucf101", run="two_stream.temporal", seed=0, listed=None, **facts):
    """A score file of one video a place: how many classes score above its own, of classes a, b, a, b and so on."""
    labels = np.arange(len(places)) % 2
    values = np.array([scored(label, place) for label, place in zip(labels, places, strict=True)])
    about = {
        "kind": "logits", "average": "logits", "classes": CLASSES, "videos": listed or len(places), "seed": seed,
        "preset": "paper", "protocol": "25 frames x 10 crops", "deviations": "", **facts,
    }  # fmt: skip
    names = [f"v{number}" for number in range(len(places))]
    path = scores.score_file(root / dataset, split, seed, run)
    scores.write_videos(path, scores.VideoScores(names, labels, values, "logits", about), "centre")
    return path


def scored(label, place):
    """Scores of six classes with `place` of them above the label's."""
    others = [number for number in range(len(CLASSES)) if number != label]
    order = [*others[:place], label, *others[place:]]
    return [-float(order.index(number)) for number in range(len(CLASSES))]


def share(right, of=10):
    """Places of `of` videos, the first `right` of them recognised and the others second."""
    return [0] * right + [1] * (of - right)
