"""The complete official lists: classes, clips and splits are as published by the data sets' authors."""

from collections import Counter
from pathlib import Path

import pytest

from pipeline.common.errors import UserError
from pipeline.index import annotations, kinetics, own_tables

SHARED = Path(__file__).parents[3] / "shared" / "annotations"


def real(name):
    if not (SHARED / name).exists():
        pytest.skip(f"{SHARED / name} is absent")
    return SHARED / name


def roles(listed, split):
    return Counter(entry.role for entry in listed.entries if entry.split == split)


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def test_ucf101_has_101_classes_and_13320_clips_in_three_splits():
    listed = annotations.read_ucf101(real("ucf101"))
    assert len(listed.classes) == len(set(listed.classes)) == 101
    assert len(listed.videos) == 13_320
    assert [tuple(roles(listed, split).values()) for split in (1, 2, 3)] == [(3783, 9537), (3734, 9586), (3696, 9624)]


def test_ucf101_labels_are_the_class_index_minus_one():
    listed = annotations.read_ucf101(real("ucf101"))
    assert (listed.classes[0], listed.classes[-1]) == ("ApplyEyeMakeup", "YoYo")
    lines = (real("ucf101") / "trainlist01.txt").read_text().split("\n")
    assert all(listed.classes[int(line.split()[1]) - 1] == line.split("/")[0] for line in lines if line)


def test_ucf101_no_clip_is_in_both_parts_of_a_split():
    listed = annotations.read_ucf101(real("ucf101"))
    assert max(Counter((entry.video, entry.split) for entry in listed.entries).values()) == 1


def test_hmdb51_has_51_classes_with_70_and_30_clips_in_each_split():
    listed = annotations.read_hmdb51(real("hmdb51"))
    assert len(listed.classes) == 51
    assert len(listed.videos) == 6766
    for split in (1, 2, 3):
        assert roles(listed, split) == {"train": 3570, "test": 1530}
        per_class = Counter((listed.videos[e.video], e.role) for e in listed.entries if e.split == split)
        assert set(per_class.values()) == {70, 30}


def test_hmdb51_names_keep_their_odd_characters():
    videos = annotations.read_hmdb51(real("hmdb51")).videos
    assert all(video.endswith(".avi") and video == video.strip() for video in videos)
    for character in "#&()![];":
        assert any(character in video for video in videos), character


def test_kinetics_label_map_orders_400_classes():
    names = [line for line in (real("kinetics400") / "label_map.txt").read_text().split("\n") if line]
    assert len(names) == 400
    assert annotations.read_label_map(real("kinetics400") / "label_map.txt", sorted(names)) == names


HEADER = "label,youtube_id,time_start,time_end,split,is_cc\n"


def test_kinetics_names_clips_by_id_and_seconds(tmp_path):
    text = HEADER + '"massaging person\'s head",a_b-c,0,10,train,0\nplaying cards,xyz,112,122,train,1\n'
    listed = kinetics.read_annotations(write(tmp_path, {"train.csv": text}))
    assert listed.classes == ["massaging person's head", "playing cards"]
    assert list(listed.videos) == [
        "massaging person's head/a_b-c_000000_000010",
        "playing cards/xyz_000112_000122",
    ]


def test_kinetics_validation_is_split_1_and_test_split_2(tmp_path):
    lines = {"train.csv": "a,t,0,10,train,0", "val.csv": "a,v,0,10,validate,0", "test.csv": "b,s,0,10,test,0"}
    listed = kinetics.read_annotations(write(tmp_path, {name: HEADER + line for name, line in lines.items()}))
    assert {(e.video[:3], e.split, e.role) for e in listed.entries} == {
        ("a/t", 1, "train"),
        ("a/t", 2, "train"),
        ("a/v", 1, "test"),
        ("b/s", 2, "test"),
    }


def test_kinetics_600_test_labels_come_from_the_holdout_list(tmp_path):
    files = {
        "train.txt": "label,youtube_id,time_start,time_end,split\na,t,0,10,train\n",
        "test.csv": "youtube_id,time_start,time_end,split\ns,17,27,test\nq,1,11,test\n",
        "kinetics600_holdout_test.csv": "label,youtube_id,time_start,time_end,split\nb,s,17,27,test\n",
    }
    listed = kinetics.read_annotations(write(tmp_path, files))
    assert listed.videos == {"b/s_000017_000027": "b", "a/t_000000_000010": "a"}


def test_a_data_set_without_test_labels_has_one_split(tmp_path):
    listed = kinetics.read_annotations(write(tmp_path, {"train.csv": HEADER + "a,t,0,10,train,0\nb,u,0,10,val,0\n"}))
    assert {entry.split for entry in listed.entries} == {1}


@pytest.mark.parametrize(
    ("read", "files", "words"),
    [
        (annotations.read_ucf101, {"classInd.txt": "1 A\n"}, "has no trainlist01.txt"),
        (annotations.read_ucf101, {"classInd.txt": "2 A\n3 B\n", "testlist01.txt": ""}, "numbers 2 classes 2 to 3"),
        (annotations.read_ucf101, {"classInd.txt": "A\n", "testlist01.txt": ""}, "is not a class index"),
        (annotations.read_ucf101, {"classInd.txt": "1 A\n", "testlist01.txt": "B/b.avi\n"}, "not in classInd.txt"),
        (annotations.read_hmdb51, {"wave.txt": ""}, "has no file such as brush_hair_test_split1.txt"),
        (annotations.read_hmdb51, {"wave_test_split1.txt": "a b.avi 7\n"}, "line 1 ends with '7'"),
        (kinetics.read_annotations, {}, "has no annotation file with labels"),
        (kinetics.read_annotations, {"train.csv": "id,label\n"}, "has no column youtube_id"),
        (kinetics.read_annotations, {"train.csv": HEADER + "a,b,soon,10,train,0\n"}, "line 2 has times 'soon' to '10'"),
        (kinetics.read_annotations, {"train.csv": HEADER + "a,b,0,10,extra,0\n"}, "split 'extra'"),
    ],
)
def test_an_invalid_list_is_a_user_error(tmp_path, read, files, words):
    with pytest.raises(UserError, match=words):
        read(write(tmp_path, files))


def test_a_split_file_has_split_and_role(tmp_path):
    write(tmp_path, {"mine.tsv": "video\tsplit\trole\na/x.mp4\t1\ttrain\nb/y.mp4\t1\ttest\n"})
    assert [e[:3] for e in own_tables.read_split_file(tmp_path / "mine.tsv")] == [
        ("a/x.mp4", 1, "train"),
        ("b/y.mp4", 1, "test"),
    ]


@pytest.mark.parametrize("cells", ["one\ttrain", "1\tval"])
def test_an_invalid_role_or_split_is_reported_with_its_line(tmp_path, cells):
    write(tmp_path, {"mine.tsv": f"video\tsplit\trole\na/x.mp4\t{cells}\n"})
    with pytest.raises(UserError, match="line 2 has split"):
        own_tables.read_split_file(tmp_path / "mine.tsv")


@pytest.mark.parametrize(
    ("names", "words"), [("a\nb\n", "'c' is only in the data set"), ("a\nb\nc\nd\n", "'d' is only in the label map")]
)
def test_a_label_map_with_other_classes_is_a_user_error(tmp_path, names, words):
    write(tmp_path, {"map.txt": names})
    with pytest.raises(UserError, match=words):
        annotations.read_label_map(tmp_path / "map.txt", ["a", "b", "c"])


VIDEOS = {f"{name}/{n}.avi": name for name, count in (("a", 10), ("b", 4), ("c", 2), ("d", 1)) for n in range(count)}


def test_a_draw_keeps_the_test_share_in_every_class():
    drawn = annotations.stratified_splits(VIDEOS, [1], 0.3, seed=0)
    tests = Counter(VIDEOS[entry.video] for entry in drawn if entry.role == "test")
    assert tests == {"a": 3, "b": 1, "c": 1}
    assert len(drawn) == len(VIDEOS)


def test_the_draw_of_a_class_depends_only_on_seed_split_and_its_videos():
    first, again = (annotations.stratified_splits(VIDEOS, [1, 2], 0.3, seed=0) for _ in range(2))
    assert first == again
    assert first != annotations.stratified_splits(VIDEOS, [1, 2], 0.3, seed=1)
    without_b = {video: name for video, name in VIDEOS.items() if name != "b"}
    assert [e for e in first if e.video[0] != "b"] == annotations.stratified_splits(without_b, [1, 2], 0.3, seed=0)
