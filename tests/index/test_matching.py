"""Which file stands for which listed video: the exact name first, then other spellings, then other suffixes."""

import pytest

from pipeline.common.errors import UserError
from pipeline.index.annotations import read_ucf101
from pipeline.index.matching import match_paths
from tests.index.test_index import real, run, splits, touch, ucf

A = {"A/v1.avi": "A"}


@pytest.mark.parametrize("file", ["A/v1.mp4", "A/V1.MKV", "x/A/v1.webm", "v1.mp4", "a/v1.mp4"])
def test_a_listed_video_may_have_another_suffix(file):
    assert match_paths(A, [file]) == {"A/v1.avi": file}


def test_the_exact_name_comes_first():
    files = ["A/v1.mp4", "A/v1.avi", "x/v1.avi"]
    assert match_paths(A, files) == {"A/v1.avi": "A/v1.avi"}
    assert match_paths(A, ["x/v1.mp4", "A/v1.mp4"]) == {"A/v1.avi": "A/v1.mp4"}


def test_a_name_without_suffix_and_one_with_dots_match():
    assert match_paths({"A/v1": "A", "A/b.2": "A"}, ["A/v1.avi", "A/b.2.avi"]) == {
        "A/v1": "A/v1.avi",
        "A/b.2": "A/b.2.avi",
    }
    assert match_paths({"A/b.2.avi": "A"}, ["A/b.mp4"]) == {}


@pytest.mark.parametrize("files", [("A/v1.mp4", "A/v1.mkv"), ("x/v1.mp4", "y/v1.mp4")])
def test_two_files_of_one_stem_are_refused(files):
    with pytest.raises(UserError, match=f"A/v1.avi is listed, and 2 files may be it, '{files[0]}' and '{files[1]}'"):
        match_paths(A, files)


@pytest.mark.parametrize("file", ["B/v1.avi", "B/v1.mp4"])
def test_the_file_of_another_class_does_not_match(file):
    assert match_paths(A | {"B/other.avi": "B"}, [file]) == {}


def test_a_file_that_is_listed_itself_stands_for_no_other_video():
    assert match_paths(A | {"A/v1.mp4": "A"}, ["A/v1.mp4"]) == {"A/v1.mp4": "A/v1.mp4"}
    assert match_paths(A | {"a/V1.mp4": "A"}, ["A/v1.mp4"]) == {"a/V1.mp4": "A/v1.mp4"}
    assert match_paths(A | {"x/v1.avi": "A"}, ["x/v1.avi"]) == {"x/v1.avi": "x/v1.avi"}


@pytest.mark.parametrize("file", ["v1.avi", "v1.mp4"])
def test_a_file_that_two_listed_videos_may_be_is_neither(file):
    assert match_paths(A | {"B/v1.avi": "B"}, [file]) == {}


def test_names_match_in_either_unicode_form():
    assert match_paths({"A/caf\u00e9.avi": "A"}, ["A/cafe\u0301.avi"]) == {"A/caf\u00e9.avi": "A/cafe\u0301.avi"}


def test_ucf101_stored_as_mp4_is_matched_with_one_note(tmp_path, capsys):
    lists = real("ucf101")
    listed = list(read_ucf101(lists).videos)[:50]
    root = touch(tmp_path / "v", *(video.replace(".avi", ".mp4") for video in listed))
    videos, _, rows = run(root, tmp_path / "out", "--layout", "ucf101", "--lists", lists)
    assert len(videos) == 50
    assert sum(present for _, present in splits(tmp_path / "out").values()) == 50
    kept = [row for row in rows.values() if row.verdict == "kept"]
    assert [row.reason.partition(":")[0] for row in kept] == ["50 listed videos are files with another suffix"]
    assert capsys.readouterr().err.count("50 listed videos are files with another suffix") == 1
    assert sum(row.verdict == "missing" for row in rows.values()) == 13_270


def test_lists_of_other_videos_are_refused_with_an_example_of_each(tmp_path):
    with pytest.raises(UserError, match="none of the 4 listed videos .* such as 'A/v3.avi', the folder .* 'A/w1.avi'"):
        ucf(tmp_path, "A/w1.avi", "B/w2.avi")
