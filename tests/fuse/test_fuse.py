"""Fusion: each method against a calculation by hand, and refusal of scores that do not belong together."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from pipeline.common.errors import UserError
from pipeline.formats import scores
from pipeline.fuse import __main__ as fuse_command
from pipeline.fuse import compatible, fuse_scores, methods
from tests.helpers.accuracy import top1

LABELS = [0, 1, 2, 0]
A = np.array([[3, 0, 0], [0, 2, 1], [1, 0, 2], [1, 0, 1.5]])
B = np.array([[2, 1, 0], [1, 0, 0.5], [0, 0, 3], [4, 0, 0.0]])


def write(path, values, labels=LABELS, videos=None, **facts):
    count = len(values)
    columns = {name: [0] * count for name in scores.SCHEMA.names} | {"flip": [False] * count}
    columns |= {"video_id": videos or [f"{path.stem[-1]}{n}" for n in range(count)], "label": labels}
    columns |= {"place": ["centre"] * count}
    about = {
        "kind": "logits", "average": "logits", "classes": ["a", "b", "c"], "videos": count, "run": f"e.{path.stem[0]}",
        "split": 1, "subset": "test", "fingerprint": "f",
    }  # fmt: skip
    scores.write(path, {**columns, "scores": list(values)}, {**about, **facts})
    return path


@pytest.fixture
def two(tmp_path):
    return [write(tmp_path / "a_test.parquet", A), write(tmp_path / "b_test.parquet", B)]


def fused(two, out, *options):
    fuse_command.main(["--scores", *map(str, two), "--out", str(out), *options])
    return scores.read(out)


def test_average_of_probabilities_is_the_mean_softmax(two, tmp_path):
    result = fused(two, tmp_path / "f.parquet", "--method", "average", "--input", "probabilities")
    assert result.values == pytest.approx((softmax(A, 1) + softmax(B, 1)) / 2, abs=1e-6)


def test_average_of_logits_is_their_mean(two, tmp_path):
    assert fused(two, tmp_path / "f.parquet", "--input", "logits").values == pytest.approx((A + B) / 2, abs=1e-6)


def test_weights_are_normalised(two, tmp_path):
    result = fused(two, tmp_path / "f.parquet", "--method", "weighted", "--input", "logits", "--weights", "1", "2")
    assert result.values == pytest.approx((A + 2 * B) / 3, abs=1e-6)


def test_max_takes_the_largest_score_of_the_streams(two, tmp_path):
    result = fused(two, tmp_path / "f.parquet", "--method", "max")
    assert result.values == pytest.approx(np.maximum(softmax(A, 1), softmax(B, 1)), abs=1e-6)


def test_product_is_the_geometric_mean(two, tmp_path):
    result = fused(two, tmp_path / "f.parquet", "--method", "product")
    assert np.log(result.values) == pytest.approx((log_softmax(A, 1) + log_softmax(B, 1)) / 2, abs=1e-4)


@pytest.mark.parametrize("method", ["svm", "logistic"])
def test_a_fitted_fusion_learns_which_stream_is_informative(tmp_path, method):
    """One stream knows the class and the other is noise: the classifier weighs the first."""
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
    result = fused(paths["test"], tmp_path / "f.parquet", "--method", method, "--input", "l2", *trained)
    plain = fused(paths["test"], tmp_path / "p.parquet", "--method", "average")
    assert top1(result) == 1.0 > top1(plain)
    assert result.kind == "decisions"


def test_two_classes_have_two_decisions(tmp_path):
    train = np.array([[[2, 0], [0, 2], [3, 0], [0, 3]]] * 2, float)
    decisions = methods.svm(train, np.array([0, 1, 0, 1]), train, seed=0)
    assert decisions.argmax(1).tolist() == [0, 1, 0, 1]


def test_the_fused_file_names_its_runs_classes_and_videos(two, tmp_path):
    facts = fused(two, tmp_path / "f.parquet").metadata
    assert facts["fusion"]["of"] == ["e.a", "e.b"]
    assert (facts["classes"], facts["videos"]) == (["a", "b", "c"], 4)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"classes": ["a", "c", "b"]}, "classes are b and c at number 2"),
        ({"split": 2}, "split are 1 and 2"),
        ({"subset": "train"}, "subset are test and train"),
        ({"fingerprint": "g"}, "fingerprint are f and g"),
    ],
)
def test_scores_of_different_classes_splits_or_data_sets_do_not_fuse(tmp_path, facts, words):
    pair = [write(tmp_path / "a_test.parquet", A), write(tmp_path / "b_test.parquet", B, **facts)]
    with pytest.raises(UserError, match=f"do not fuse: their {words}"):
        fuse_scores.read_runs(pair, "logits")


def test_scores_of_different_videos_do_not_fuse(tmp_path):
    names = [["v0", "v1", "v2", "v3"], ["v0", "v1", "x", "v3"]]
    pair = [write(tmp_path / f"{n}.parquet", A, videos=v) for n, v in zip("ab", names, strict=True)]
    with pytest.raises(UserError, match="their videos are v2 and x at number 3"):
        fuse_scores.read_runs(pair, "logits")


def test_a_fit_on_the_test_videos_is_refused(two, tmp_path):
    with pytest.raises(UserError, match="is in the training scores and in the test scores"):
        fuse_scores.fuse(two, two, "svm", "l2", [], 0)


def test_missing_weights_and_training_scores_are_one_sentence(two):
    with pytest.raises(UserError, match="takes 2 --train-scores, one a score file, but got 0"):
        fuse_scores.fuse(two, [], "svm", "l2", [], 0)
    with pytest.raises(UserError, match="--weights are .* for 2 score files"):
        fuse_scores.fuse(two, [], "weighted", "logits", [1.0], 0)


def test_runs_of_different_seeds_fuse_and_the_fused_file_has_no_seed(tmp_path):
    pair = [write(tmp_path / f"{n}_test.parquet", A, videos=list("vwxy"), seed=n) for n in (0, 1)]
    assert "seed" not in fused(pair, tmp_path / "f.parquet").metadata


def test_videos_in_another_order_are_aligned_with_the_first_file(tmp_path):
    first = write(tmp_path / "a.parquet", A, videos=list("vwxy"))
    turned = write(tmp_path / "b.parquet", A[::-1], LABELS[::-1], list("yxwv"))
    result = fused([first, turned], tmp_path / "f.parquet", "--input", "logits")
    assert result.videos == list("vwxy")
    assert result.values == pytest.approx(A, abs=1e-6)


def test_names_without_folders_and_suffixes_are_matched_where_they_are_unambiguous(tmp_path):
    ours = write(tmp_path / "a.parquet", A, videos=[f"Run/{v}.avi" for v in "vwxy"])
    theirs = write(tmp_path / "b.parquet", A, videos=list("vwxy"), split=None, fingerprint=None)
    result = fused([theirs, ours], tmp_path / "f.parquet")
    assert (result.metadata["split"], result.metadata["fingerprint"]) == (1, "f")
    ambiguous = write(tmp_path / "c.parquet", A, videos=["Run/v", "Walk/v", "Run/w", "Run/x"])
    with pytest.raises(UserError, match="videos are v and Run/v at number 1"):
        fuse_scores.read_runs([theirs, ambiguous], "logits")


def test_a_video_of_two_classes_is_refused(tmp_path):
    first = write(tmp_path / "a.parquet", A, videos=list("vwxy"))
    other = write(tmp_path / "b.parquet", A, [0, 1, 1, 0], list("vwxy"))
    with pytest.raises(UserError, match="x is of class 2 in the one and 1 in the other"):
        fuse_scores.read_runs([first, other], "logits")


def test_fused_scores_fuse_again_with_an_svms_decisions(two, tmp_path):
    """ST-ResNet with IDT: the mean of both streams' logits, then the mean of L2-normalised scores."""
    fused(two, tmp_path / "nets.parquet", "--input", "logits")
    videos = scores.read(two[0]).videos
    idt = write(tmp_path / "idt.parquet", 5 * B - 7, videos=videos, kind="decisions", average="decisions", run="idt")
    result = fused([tmp_path / "nets.parquet", idt], tmp_path / "f.parquet", "--input", "l2")
    nets, svm = softmax((A + B) / 2, 1), 5 * B - 7
    expected = nets / np.linalg.norm(nets, axis=1, keepdims=True) + svm / np.linalg.norm(svm, axis=1, keepdims=True)
    assert result.values == pytest.approx(expected / 2, abs=1e-6)
    assert result.metadata["run"] == "average(average(e.a, e.b), idt)"


def test_idt_with_weight_a_quarter_is_actionvlads_fusion(two, tmp_path):
    weighted = ["--method", "weighted", "--weights", "1", "0.25", "--input", "l2"]
    result = fused(two, tmp_path / "f.parquet", *weighted)
    expected = (methods.l2_normalise(softmax(A, 1)) + 0.25 * methods.l2_normalise(softmax(B, 1))) / 1.25
    assert result.values == pytest.approx(expected, abs=1e-6)
    assert result.kind == "decisions"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("average", "logits", [1, 2]), "average takes none"),
        (("product", "logits", []), "product takes scores that are never negative, but --input is logits"),
        (("sci", "l2", []), "sci fuses the probabilities of views, but --input is l2"),
        (("weighted", "logits", [1, float("nan")]), "give one each, with a positive sum"),
    ],
)
def test_options_that_a_method_does_not_take_are_refused(two, options, words):
    method, on, weights = options
    with pytest.raises(UserError, match=words):
        fuse_scores.fuse(two, [], method, on, weights, 0)
    with pytest.raises(UserError, match="average is not fitted"):
        fuse_scores.fuse(two, two, "average", on, [], 0)


def test_training_scores_must_be_of_the_same_runs_in_the_same_order(two, tmp_path):
    train = [write(tmp_path / f"{n}_train.parquet", A, videos=list("vwxy"), subset="train", run=f"e.{n}") for n in "ba"]
    with pytest.raises(UserError, match="their run are e.b and e.a"):
        fuse_scores.fuse(two, train, "svm", "l2", [], 0)


def test_training_videos_of_one_class_are_refused(two, tmp_path):
    train = [
        write(tmp_path / f"{n}_train.parquet", A, [1] * 4, list("vwxy"), subset="train", run=f"e.{n}") for n in "ab"
    ]
    with pytest.raises(UserError, match="videos of one class"):
        fuse_scores.fuse(two, train, "svm", "l2", [], 0)


def test_the_concentration_index_is_1_for_a_sure_class_and_0_for_a_flat_score():
    assert methods.concentration(np.array([[1, 0, 0], [1, 1, 1], [0.5, 0.25, 0.25]])) == pytest.approx([1, 0, 0.25])


VIDEO, CLIP = np.array([0, 0, 0, 0, 1]), np.array([0, 0, 1, 1, 0])
P = np.array([[0.8, 0.1, 0.1], [1 / 3, 1 / 3, 1 / 3], [0.2, 0.6, 0.2], [0.1, 0.1, 0.8], [0.5, 0.3, 0.2]])


def test_sci_weights_a_clips_crops_and_takes_the_largest_over_clips():
    """By hand: SCI of the rows are .7, 0, .4, .7 and .25; clip 0 of video 0 is its sure crop alone."""
    found = methods.sci(P, VIDEO, CLIP)
    second = (0.4 * P[2] + 0.7 * P[3]) / 1.1
    assert found == pytest.approx(np.array([np.maximum(P[0], second), P[4]]))


def test_sci_of_flat_crops_is_flat_and_does_not_divide_by_zero():
    assert methods.sci(np.full((2, 4), 0.25), np.zeros(2, int), np.zeros(2, int)) == pytest.approx(
        np.full((1, 4), 0.25)
    )


def views(path, p, crops=(0, 1, 0, 1, 0), **facts):
    columns = {
        "video_id": ["v"] * 4 + ["w"], "label": [0] * 4 + [1], "clip": [0, 0, 1, 1, 0], "crop": crops,
        "place": ["centre"] * 5, "flip": [False] * 5, "start": [0] * 5, "scores": np.log(p),
    }  # fmt: skip
    about = {"kind": "logits", "average": "probabilities", "classes": ["a", "b", "c"], "videos": 2, "run": "e.n"}
    scores.write(path, columns, {**about, **facts})
    return path


def test_the_views_of_one_run_are_fused_by_sci(tmp_path):
    result = fused([views(tmp_path / "a.parquet", P)], tmp_path / "f.parquet", "--method", "sci")
    assert result.values == pytest.approx(methods.sci(P, VIDEO, CLIP), abs=1e-6)
    assert (result.kind, result.labels.tolist(), result.metadata["run"]) == ("probabilities", [0, 1], "sci(e.n)")


def test_a_single_clip_is_drawn_from_each_videos_clips_by_the_seed(tmp_path):
    path = views(tmp_path / "a.parquet", P)
    clips = [P[:2].mean(0), P[2:4].mean(0)]
    drawn = [fuse_scores.fuse([path], [], "single", "probabilities", [], seed) for seed in range(8)]
    first = [next(n for n, mean in enumerate(clips) if np.allclose(one.values[0], mean, atol=1e-6)) for one in drawn]
    assert set(first) == {0, 1}
    assert all(one.values[1] == pytest.approx(P[4], abs=1e-6) for one in drawn)
    assert drawn[0].metadata["run"] == "single(e.n)"


def test_the_views_of_several_runs_are_averaged_before_sci_and_must_be_the_same(tmp_path):
    pair = [views(tmp_path / "a.parquet", P), views(tmp_path / "b.parquet", P[:, ::-1])]
    result = fuse_scores.fuse(pair, [], "sci", "probabilities", [], 0)
    mean = (P + P[:, ::-1]) / 2
    assert result.values == pytest.approx(methods.sci(mean, VIDEO, CLIP), abs=1e-6)
    other = views(tmp_path / "c.parquet", P, crops=(0, 2, 0, 1, 0))
    with pytest.raises(UserError, match="row 2 has crop 1 and 2"):
        fuse_scores.fuse([pair[0], other], [], "sci", "probabilities", [], 0)


def test_lists_of_different_lengths_differ():
    assert compatible.first_difference(["a"], ["a", "b"]) == "nothing and b at number 2"
    with pytest.raises(UserError, match="classes are nothing and b at number 2"):
        compatible.check_same_data(Path("x"), {"classes": ["a"]}, Path("y"), {"classes": ["a", "b"]})
