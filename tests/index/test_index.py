"""The index: every listed video and every file is in a table, or in the quarantine with the reason."""

import os
from pathlib import Path

import pandas as pd
import pytest

from pipeline.common.errors import UserError
from pipeline.formats import manifest, quarantine
from pipeline.index import __main__ as index_command
from pipeline.index import build, video_files
from pipeline.index.membership import LAYOUTS

SHARED = Path(__file__).parents[3] / "shared" / "annotations"


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(name))
    return root


def run(root, out, *options):
    for part in build.PARTS:
        index_command.main([part, "--dataset", "d", "--videos", str(root), "--out", str(out), *map(str, options)])
    videos, metadata = manifest.read_manifest(out / "manifest.parquet")
    rows = {row.video_id: row for row in quarantine.read([out / "index.quarantine.tsv"])}
    return videos, metadata, rows


def splits(out, split=1):
    table, _ = manifest.read_parquet(out / "splits.parquet", manifest.SPLIT_COLUMNS)
    chosen = table[table["split"] == split]
    return {row.video_id: (row.role, row.present) for row in chosen.itertuples()}


def coverage(out):
    table = pd.read_csv(out / "coverage.tsv", sep="\t")
    return {row["class"]: (row.present, row.listed) for _, row in table.iterrows()}


FOLDER = ("a/1.avi", "a/2.AVI", "b/1.mp4", "b/deep/2.mkv")


def test_a_folder_of_class_folders_is_a_data_set(tmp_path):
    root = touch(tmp_path / "v", *FOLDER)
    videos, metadata, rows = run(root, tmp_path / "out", "--slices", 2)
    assert videos["video_id"].tolist() == sorted(FOLDER)
    assert videos["label"].tolist() == [0, 0, 1, 1]
    assert (metadata["classes"], rows) == (["a", "b"], {})
    assert (root / videos["path"][0]).read_bytes() == b"a/1.avi"


def test_files_that_are_not_videos_of_a_class_are_quarantined(tmp_path):
    root = touch(tmp_path / "v", *FOLDER, "loose.avi", "a/notes.txt", "b/readme", "a/.hidden.avi")
    (root / "empty").mkdir()
    _, _, rows = run(root, tmp_path / "out")
    assert {name: row.reason for name, row in rows.items()} == {
        "a/notes.txt": ".txt is no video's suffix",
        "b/readme": "no suffix is no video's suffix",
        "loose.avi": "lies in no class folder",
        "empty/": "the class folder holds no video",
    }


def test_a_split_file_makes_the_splits_and_missing_videos_stay_in_them(tmp_path):
    table = tmp_path / "split.tsv"
    table.write_text("video\tsplit\trole\na/1.avi\t1\ttrain\nb/1.mp4\t1\ttest\nb/9.mp4\t1\ttest\n")
    _, _, rows = run(touch(tmp_path / "v", *FOLDER), tmp_path / "out", "--split-file", table)
    assert splits(tmp_path / "out") == {
        "a/1.avi": ("train", True),
        "b/1.mp4": ("test", True),
        "b/9.mp4": ("test", False),
    }
    assert rows["b/9.mp4"][2:] == ("missing", "named in split.tsv, but there is no such file")
    assert coverage(tmp_path / "out") == {"a": (1, 1), "b": (1, 2)}


def test_a_split_file_may_have_backslashes_and_other_suffixes(tmp_path):
    (tmp_path / "s.csv").write_text("video;split;role\r\na\\1.avi;1;train\r\n./b/1.avi;1;test\r\nb\\9.mp4;1;test\r\n")
    _, _, rows = run(touch(tmp_path / "v", *FOLDER), tmp_path / "out", "--split-file", tmp_path / "s.csv")
    names = {"a/1.avi": ("train", True), "b/1.mp4": ("test", True), "b\\9.mp4": ("test", False)}
    assert splits(tmp_path / "out") == names
    assert {name: row.verdict for name, row in rows.items()} == {"b/1.mp4": "kept", "b\\9.mp4": "missing"}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("a/1.avi\t1\ttrain\na/1.avi\t1\ttest\nb/1.mp4\t1\ttest\n", "a/1.avi is in both train and test of split 1"),
        ("zebra.avi\t1\ttrain\n", "there is no class folder zebra.avi: write paths such as a/clip.avi"),
    ],
)
def test_an_inconsistent_split_file_is_a_user_error(tmp_path, lines, words):
    (tmp_path / "s.tsv").write_text("video\tsplit\trole\n" + lines)
    with pytest.raises(UserError, match=words):
        run(touch(tmp_path / "v", *FOLDER), tmp_path / "out", "--split-file", tmp_path / "s.tsv")


@pytest.mark.parametrize(
    ("files", "words"), [((), "no class folder with a video"), (("a/1.avi",), "has only the class a")]
)
def test_a_folder_without_two_classes_is_refused(tmp_path, files, words):
    (tmp_path / "v").mkdir()
    with pytest.raises(UserError, match=words):
        run(touch(tmp_path / "v", *files), tmp_path / "out")


def test_drawn_splits_do_not_depend_on_their_number(tmp_path):
    root = touch(tmp_path / "v", *(f"{c}/{n}.avi" for c in "ab" for n in range(10)))
    run(root, tmp_path / "x", "--draw", 2)
    run(root, tmp_path / "y", "--draw", 3)
    assert splits(tmp_path / "x", 2) == splits(tmp_path / "y", 2) != splits(tmp_path / "x", 1)
    assert sum(role == "test" for role, _ in splits(tmp_path / "x").values()) == 6


def test_the_fingerprint_depends_on_the_videos_and_not_on_their_folder(tmp_path):
    prints = [run(touch(tmp_path / name, *FOLDER), tmp_path / "out")[1]["fingerprint"] for name in ("v", "w")]
    assert prints[0] == prints[1]
    (tmp_path / "v/a/1.avi").write_bytes(b"longer than before")
    assert run(tmp_path / "v", tmp_path / "out")[1]["fingerprint"] != prints[0]


def test_circular_links_end(tmp_path):
    touch(tmp_path / "v", *FOLDER)
    (tmp_path / "v/a/self").symlink_to(tmp_path / "v/a")
    assert {f.name for f in video_files.list_files(tmp_path / "v")} == {*FOLDER, "a/self/"}


def real(name):
    if not (SHARED / name).exists():
        pytest.skip(f"{SHARED / name} is absent")
    return SHARED / name


@pytest.mark.parametrize(("name", "count", "classes"), [("ucf101", 13_320, 101), ("hmdb51", 6766, 51)])
def test_all_videos_of_an_official_data_set_are_matched(tmp_path, name, count, classes):
    lists = real(name)
    root = touch(tmp_path / "v", *LAYOUTS[name].read(lists).videos)
    videos, metadata, rows = run(root, tmp_path / "out", "--layout", name, "--lists", lists)
    assert (len(videos), len(metadata["classes"]), rows) == (count, classes, {})
    assert sum(n for n, _ in coverage(tmp_path / "out").values()) == count


def test_ucf101_files_match_in_any_case_and_folder(tmp_path):
    lists = real("ucf101")
    # The archive's files are v_HandStandPushups_..., its lists have v_HandstandPushups_...
    names = [video.replace("/v_Handstand", "/deep/v_HandStand") for video in LAYOUTS["ucf101"].read(lists).videos]
    videos, _, rows = run(touch(tmp_path / "v", *names), tmp_path / "out", "--layout", "ucf101", "--lists", lists)
    assert (len(videos), rows) == (13_320, {})
    assert sum(videos["video_id"].str.startswith("HandstandPushups/deep/v_HandStandPushups")) == 128
    assert set(splits(tmp_path / "out").values()) == {("train", True), ("test", True)}


def ucf(tmp_path, *files):
    (tmp_path / "classInd.txt").write_text("1 A\n2 B\n")
    (tmp_path / "trainlist01.txt").write_text("A/v1.avi 1\nB/v2.avi 2\n")
    (tmp_path / "testlist01.txt").write_text("A/v3.avi\nB/v4.avi\n")
    return run(touch(tmp_path / "v", *files), tmp_path / "out", "--layout", "ucf101", "--lists", tmp_path)


def test_a_listed_video_without_a_file_is_missing_and_an_unlisted_file_keeps_its_class(tmp_path):
    videos, _, rows = ucf(tmp_path, "A/v1.avi", "B/v2.avi", "A/v3.avi", "A/extra.avi", "C/strange.avi")
    assert videos["video_id"].tolist() == ["A/extra.avi", "A/v1.avi", "A/v3.avi", "B/v2.avi"]
    assert {name: row.verdict for name, row in rows.items()} == {"B/v4.avi": "missing", "C/strange.avi": "ignored"}
    assert coverage(tmp_path / "out") == {"A": (2, 2), "B": (1, 2)}
    assert splits(tmp_path / "out")["B/v4.avi"] == ("test", False)


ANNOTATIONS = {
    "train.csv": "playing cards,aaa,1,11,train\nzumba,b_b,0,10,train\nzumba,ccc,0,10,train\n",
    "val.csv": "playing cards,ddd,5,15,val\nzumba,eee,7,17,val\n",
}


def kinetics(tmp_path, *files, options=()):
    for name, lines in ANNOTATIONS.items():
        touch(tmp_path / "lists", name).joinpath(name).write_text(
            "label,youtube_id,time_start,time_end,split\n" + lines
        )
    where = ("--layout", "kinetics", "--lists", tmp_path / "lists")
    return run(touch(tmp_path / "v", *files), tmp_path / "out", *where, *options)


FLAT = ("train/aaa_000001_000011.mp4", "train/b_b_000000_000010.mp4", "val/ddd_000005_000015.mkv")
FOLDERS = ("playing_cards/aaa_000001_000011.mp4", "x/zumba/b_b_000000_000010.mp4", "y/ddd_000005_000015.mp4")


@pytest.mark.parametrize("files", [FLAT, FOLDERS])
def test_kinetics_clips_have_the_same_ids_in_any_folders(tmp_path, files):
    videos, _, rows = kinetics(tmp_path, *files)
    assert videos["video_id"].tolist() == [
        "playing cards/aaa_000001_000011",
        "playing cards/ddd_000005_000015",
        "zumba/b_b_000000_000010",
    ]
    assert videos["class"].tolist() == ["playing cards", "playing cards", "zumba"]
    assert {name for name, row in rows.items() if row.verdict == "missing"} == {
        "zumba/ccc_000000_000010",
        "zumba/eee_000007_000017",
    }
    assert coverage(tmp_path / "out") == {"playing cards": (2, 2), "zumba": (1, 3)}


def test_a_replacement_has_priority_over_the_clip_that_it_replaces(tmp_path):
    clip = "aaa_000001_000011.mp4"
    videos, _, rows = kinetics(tmp_path, f"train/{clip}", f"replacement/deep/{clip}", "val/ddd_000005_000015.mp4")
    assert videos["path"][0].endswith(f"replacement/deep/{clip}")
    assert rows[f"train/{clip}"].reason == "is another copy of a listed clip"


def test_kinetics_files_without_times_in_their_names_match(tmp_path):
    assert len(kinetics(tmp_path, "zumba/b_b.mp4", "aaa.mp4", "unknown.mp4")[0]) == 2


def test_a_label_map_sets_the_order_of_the_labels(tmp_path):
    (tmp_path / "map.txt").write_text("zumba\nplaying cards\n")
    videos, metadata, _ = kinetics(tmp_path, *FLAT, options=("--label-map", tmp_path / "map.txt"))
    assert metadata["classes"] == ["zumba", "playing cards"]
    assert dict(zip(videos["class"], videos["label"], strict=True)) == {"zumba": 0, "playing cards": 1}


def test_lists_of_the_size_of_kinetics(tmp_path, monkeypatch):
    names = [f"some action {n}" for n in range(400)]
    lines = [f"{names[n % 400]},{n:011x},{n % 290},{n % 290 + 10}," for n in range(300_000)]
    for part, rows in (("train", lines[20_000:]), ("val", lines[:20_000])):
        text = "".join(f"{row}{part}\n" for row in rows)
        touch(tmp_path, f"{part}.csv").joinpath(f"{part}.csv").write_text(
            "label,youtube_id,time_start,time_end,split\n" + text
        )
    names = [f"train/{n:011x}_{n % 290:06d}_{n % 290 + 10:06d}.mp4" for n in range(299_000)]
    files = [video_files.File(name, 1_000_000 + n, 0) for n, name in enumerate(names)]
    monkeypatch.setattr(build, "list_files", lambda _: files)  # instead of writing 300,000 files
    videos, _, rows = run(tmp_path, tmp_path / "out", "--layout", "kinetics", "--lists", tmp_path, "--slices", 500)
    assert (len(videos), len(rows)) == (299_000, 1000)
