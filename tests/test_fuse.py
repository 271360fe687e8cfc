"""Fusion: each rule by hand, and nothing fused that does not belong together."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from pipeline import fuse, scores
from pipeline.errors import UserError

LABELS = [0, 1, 2, 0]
A = np.array([[3, 0, 0], [0, 2, 1], [1, 0, 2], [1, 0, 1.5]])
B = np.array([[2, 1, 0], [1, 0, 0.5], [0, 0, 3], [4, 0, 0.0]])


def write(path, values, labels=LABELS, videos=None, **facts):
    count = len(values)
    columns = {name: [0] * count for name in scores.SCHEMA.names} | {"flip": [False] * count}
    columns |= {"video_id": videos or [f"{path.stem[-1]}{n}" for n in range(count)], "label": labels}
    about = {
        "kind": "logits", "average": "logits", "classes": ["a", "b", "c"], "videos": count, "run": f"e.{path.stem}",
        "split": 1, "subset": "test", "fingerprint": "f",
    }  # fmt: skip
    scores.write(path, {**columns, "scores": list(values)}, {**about, **facts})
    return path


@pytest.fixture
def two(tmp_path):
    return [write(tmp_path / "a_test.parquet", A), write(tmp_path / "b_test.parquet", B)]


def fused(two, out, *options):
    fuse.main(["--scores", *map(str, two), "--out", str(out), *options])
    return scores.read(out)


def test_average_of_probabilities_is_the_mean_softmax(two, tmp_path):
    result = fused(two, tmp_path / "f.parquet", "--method", "average", "--on", "probabilities")
    assert result.values == pytest.approx((softmax(A, 1) + softmax(B, 1)) / 2, abs=1e-6)


def test_average_of_logits_is_not_squashed(two, tmp_path):
    assert fused(two, tmp_path / "f.parquet", "--on", "logits").values == pytest.approx((A + B) / 2, abs=1e-6)


def test_weights_are_shares(two, tmp_path):
    result = fused(two, tmp_path / "f.parquet", "--method", "weighted", "--on", "logits", "--weights", "1", "2")
    assert result.values == pytest.approx((A + 2 * B) / 3, abs=1e-6)


def test_max_takes_the_surer_stream(two, tmp_path):
    result = fused(two, tmp_path / "f.parquet", "--method", "max")
    assert result.values == pytest.approx(np.maximum(softmax(A, 1), softmax(B, 1)), abs=1e-6)


def test_product_is_the_geometric_mean(two, tmp_path):
    result = fused(two, tmp_path / "f.parquet", "--method", "product")
    assert np.log(result.values) == pytest.approx((log_softmax(A, 1) + log_softmax(B, 1)) / 2, abs=1e-4)


@pytest.mark.parametrize("method", ["svm", "logistic"])
def test_a_fitted_fusion_learns_whom_to_trust(tmp_path, method):
    """One stream knows the class, the other is noise: the classifier hears the first alone."""
    random = np.random.default_rng(0)
    paths = {}
    for subset in ("train", "test"):
        labels = random.integers(0, 3, 60).tolist()
        names = [f"{subset}{n}" for n in range(60)]
        knows, noise = np.eye(3)[labels] * 2, random.normal(0, 4, (60, 3))
        paths[subset] = [
            write(tmp_path / f"{name}_{subset}.parquet", values, labels, names, subset=subset)
            for name, values in (("knows", knows), ("noise", noise))
        ]
    trained = ["--train-scores", *map(str, paths["train"])]
    result = fused(paths["test"], tmp_path / "f.parquet", "--method", method, "--on", "l2", *trained)
    plain = fused(paths["test"], tmp_path / "p.parquet", "--method", "average")
    assert scores.top1(result) == 1.0 > scores.top1(plain)
    assert result.kind == "decisions"


def test_two_classes_have_two_decisions(tmp_path):
    train = np.array([[[2, 0], [0, 2], [3, 0], [0, 3]]] * 2, float)
    decisions = fuse.fitted("svm", train, np.array([0, 1, 0, 1]), train, seed=0)
    assert decisions.argmax(1).tolist() == [0, 1, 0, 1]


def test_the_fused_file_says_what_it_was_made_of(two, tmp_path):
    facts = fused(two, tmp_path / "f.parquet").facts
    assert facts["fusion"]["of"] == ["e.a_test", "e.b_test"]
    assert (facts["classes"], facts["videos"]) == (["a", "b", "c"], 4)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"classes": ["a", "c", "b"]}, "classes are b and c at number 2"),
        ({"split": 2}, "split are 1 and 2"),
        ({"fingerprint": "g"}, "fingerprint are f and g"),
    ],
)
def test_scores_of_other_classes_splits_or_data_do_not_fuse(tmp_path, facts, words):
    pair = [write(tmp_path / "a_test.parquet", A), write(tmp_path / "b_test.parquet", B, **facts)]
    with pytest.raises(UserError, match=f"do not fuse: their {words}"):
        fuse.read_all(pair, "logits")


def test_scores_of_other_videos_do_not_fuse(tmp_path):
    names = [["v0", "v1", "v2", "v3"], ["v0", "v1", "x", "v3"]]
    pair = [write(tmp_path / f"{n}.parquet", A, videos=v) for n, v in zip("ab", names, strict=True)]
    with pytest.raises(UserError, match="their videos are v2 and x at number 3"):
        fuse.read_all(pair, "logits")


def test_a_fit_on_the_videos_that_are_judged_is_refused(two, tmp_path):
    with pytest.raises(UserError, match="is in the training scores and in the test scores"):
        fuse.fuse(two, two, "svm", "l2", [], 0)


def test_missing_weights_and_training_scores_are_one_sentence(two):
    with pytest.raises(UserError, match="takes 2 --train-scores, one a score file, but got 0"):
        fuse.fuse(two, [], "svm", "l2", [], 0)
    with pytest.raises(UserError, match="--weights are .* for 2 score files"):
        fuse.fuse(two, [], "weighted", "logits", [1.0], 0)
