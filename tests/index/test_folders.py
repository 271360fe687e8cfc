"""Folders as people have them: train and test folders, UCF-101 in one folder, tables of classes."""

import pytest

from pipeline.common.errors import UserError
from pipeline.index.annotations import read_ucf101
from pipeline.index.class_folders import read_class_folders
from tests.index.test_index import FOLDER, coverage, real, run, splits, touch
from tests.index.test_membership import same_slices

PARTS = [f"{part}/{name}/{part}{n}.mp4" for part in ("train", "val", "Test") for name in "ab" for n in range(5)]


def classes(videos):
    return dict(zip(videos["video_id"], videos["class"], strict=True))


@pytest.mark.parametrize("prefix", ["", "data/set/"])
def test_train_val_and_test_folders_are_the_splits(tmp_path, prefix):
    root = touch(tmp_path / "v", *(prefix + path for path in PARTS))
    videos, metadata, rows = run(root, tmp_path / "out")
    assert (metadata["classes"], rows, len(videos)) == (["a", "b"], {}, 30)
    for split, part in ((1, "val"), (2, "Test")):
        roles = {
            video.removeprefix(prefix).split("/")[0]: role
            for video, (role, _) in splits(tmp_path / "out", split).items()
        }
        assert roles == {"train": "train", part: "test"}
    assert same_slices(tmp_path, root)


def test_train_and_test_folders_are_one_split(tmp_path):
    run(touch(tmp_path / "v", "train/a/1.avi", "train/b/2.avi", "test/a/3.avi"), tmp_path / "out")
    assert splits(tmp_path / "out") == {
        "train/a/1.avi": ("train", True),
        "train/b/2.avi": ("train", True),
        "test/a/3.avi": ("test", True),
    }
    assert not splits(tmp_path / "out", 2)


def test_an_empty_class_folder_of_a_part_is_a_row(tmp_path):
    root = touch(tmp_path / "v", *PARTS, "train/loose.avi")
    (root / "val/c").mkdir()
    assert set(run(root, tmp_path / "out")[2]) == {"train/loose.avi", "val/c/"}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (("train/1.avi", "test/2.avi"), "the folders test, train hold videos and no class folders: put one folder per"),
        (("train/a/1.avi", "test/b/2.avi", "extra/a/3.avi"), "beside the folders train and test lies the folder extra"),
    ],
)
def test_train_and_test_folders_that_are_unclear_are_refused(tmp_path, files, words):
    with pytest.raises(UserError, match=words):
        run(touch(tmp_path / "v", *files), tmp_path / "out")


def test_a_class_may_be_called_train():
    assert set(read_class_folders(["train/1.avi", "bus/2.avi", "test/3.avi"]).classes.values()) == {
        "train",
        "bus",
        "test",
    }


@pytest.mark.parametrize("prefix", ["UCF-101/", "x/y/"])
def test_class_folders_below_one_folder_are_found(tmp_path, prefix):
    root = touch(tmp_path / "v", *(prefix + path for path in FOLDER), "loose.avi")
    (root / prefix / "empty").mkdir()
    videos, _, rows = run(root, tmp_path / "out")
    assert classes(videos) == {prefix + path: path[0] for path in FOLDER}
    assert set(rows) == {"loose.avi", f"{prefix}empty/"}


def test_classes_that_may_be_a_level_deeper_are_said(tmp_path, capsys):
    run(touch(tmp_path / "v", "a/x/1.avi", "b/x/2.avi"), tmp_path / "out")
    assert "no video lies directly in its class folder, such as a/x/1.avi of a" in capsys.readouterr().err


UCF101_FLAT = [f"v_{name}_g01_c{n:02d}.avi" for name in ("Archery", "YoYo") for n in range(1, 5)]


def test_ucf101_in_one_flat_folder_has_the_classes_in_its_names(tmp_path):
    root = touch(tmp_path / "v", *UCF101_FLAT, "other.avi")
    videos, metadata, rows = run(root, tmp_path / "out")
    assert (metadata["classes"], len(videos), list(rows)) == (["Archery", "YoYo"], 8, ["other.avi"])
    assert same_slices(tmp_path, root)


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_ucf101_in_one_flat_folder_matches_the_official_lists(tmp_path, suffix):
    lists = real("ucf101")
    listed = list(read_ucf101(lists).videos)[::1000]
    names = [video.split("/")[1].replace(".avi", suffix) for video in listed]
    root = touch(tmp_path / "v", *names, "v_YoYo_g99_c01.avi")
    videos, _, _ = run(root, tmp_path / "out", "--layout", "ucf101", "--lists", lists)
    expected = {name: video.split("/")[0] for name, video in zip(names, listed, strict=True)}
    assert classes(videos) == expected | {"v_YoYo_g99_c01.avi": "YoYo"}


FLAT = [f"{n}.mp4" for n in range(6)]
LABELS = "video;label;split\r\n" + "".join(
    f"{n}.avi;{'ab'[n % 2]};{'test' if n > 3 else 'train'}\r\n" for n in range(7)
)


@pytest.mark.parametrize("beside", [True, False])
def test_a_flat_folder_may_have_a_table_of_classes_and_splits(tmp_path, beside):
    root = touch(tmp_path / "v", *FLAT, "extra.mp4")
    table = (root if beside else touch(tmp_path / "lists", "x")).joinpath("x").with_name("labels.csv")
    table.write_text(LABELS)
    options = [] if beside else [f"--lists={tmp_path / 'lists'}"]
    videos, _, rows = run(root, tmp_path / "out", *options)
    assert classes(videos) == {f"{n}.mp4": "ab"[n % 2] for n in range(6)}
    assert splits(tmp_path / "out")["4.mp4"] == ("test", True)
    assert splits(tmp_path / "out")["6.avi"] == ("test", False)
    assert {rows[name].verdict for name in ("extra.mp4", "6.avi", "0.mp4")} == {"ignored", "missing", "kept"}
    assert same_slices(tmp_path, root, *options)


def test_without_a_split_column_the_splits_are_drawn(tmp_path):
    root = touch(tmp_path / "v", *FLAT)
    (root / "labels.tsv").write_text("video\tlabel\n" + "".join(f"{n}\t{'ab'[n % 2]}\n" for n in range(7)))
    run(root, tmp_path / "out")
    assert sorted(role for role, _ in splits(tmp_path / "out", 3).values()) == ["test"] * 2 + ["train"] * 4
    assert coverage(tmp_path / "out") == {"a": (3, 4), "b": (3, 3)}
    (tmp_path / "s.csv").write_text(
        "video,split\n" + "".join(f"{n}.mp4,{'test' if n > 3 else 'train'}\n" for n in range(6))
    )
    run(root, tmp_path / "out", "--split-file", tmp_path / "s.csv")
    assert splits(tmp_path / "out")["5.mp4"] == ("test", True)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "has no class folder with a video in it: put the videos in one folder per class, or a CSV"),
        ({"x.csv": "video,label\n0.mp4,a\n0.mp4,b\n"}, "line 3 gives 0.mp4 the label 'b', an earlier line 'a'"),
        ({"x.csv": "video,label\nz.mp4,a\n"}, "none of the 1 listed videos is below .*: .* 'z.mp4', .* '0.mp4'"),
        ({"x.csv": "video,label\n", "y.tsv": "video\tlabel\n"}, "both .*x.csv and .*y.tsv have the columns"),
    ],
)
def test_a_flat_folder_without_one_table_is_refused(tmp_path, files, words):
    root = touch(tmp_path / "v", *FLAT)
    for name, text in files.items():
        (root / name).write_text(text)
    with pytest.raises(UserError, match=words):
        run(root, tmp_path / "out")


def test_doubts_about_the_splits_are_said_once(tmp_path, capsys):
    root = touch(tmp_path / "v", "train/a/1.avi", "test/a/1.mp4", "test/b/2.avi")
    run(root, tmp_path / "out")
    log = capsys.readouterr().err
    assert log.count("in split 1 no training video has the class 'b' (1 such of 2 classes)") == 1
    assert log.count("in split 1 1 videos have the name of one in the other part, such as a/1") == 1


def test_a_line_listed_twice_counts_once(tmp_path, capsys):
    (tmp_path / "s.tsv").write_text("video\tsplit\trole\n" + "a/1.avi\t1\ttrain\n" * 2 + "b/1.mp4\t1\ttrain\n")
    run(touch(tmp_path / "v", *FOLDER), tmp_path / "out", "--split-file", tmp_path / "s.tsv")
    assert "1 lines repeat an earlier one and count once, such as a/1.avi in s.tsv" in capsys.readouterr().err
    assert len(splits(tmp_path / "out")) == 2
