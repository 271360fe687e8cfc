"""The videos of a slice: the index and the jobs of frames determine the same, independently of each other."""

import os
from pathlib import Path

import pytest

from pipeline.common.errors import UserError
from pipeline.config import settings as config
from pipeline.formats import manifest
from pipeline.frames import __main__ as frames_command
from pipeline.frames import frame_slices
from pipeline.index import __main__ as index_command
from pipeline.index import membership, split_numbers, video_files
from pipeline.workflow import stage_settings
from pipeline.workflow.checks import check
from tests.index.test_index import ANNOTATIONS, FLAT, FOLDER, touch

COMMITTED = config.load_yaml(Path(__file__).parents[2] / "config.yaml")
WHOLE = ("folder", None, 3, 0)  # layout, lists, slices, seed


def clips(tmp_path):
    return touch(tmp_path / "v", *FOLDER, "loose.avi", "a/notes.txt", *(f"c/{n}.mp4" for n in range(9)))


def frames_slice(root, *options, name="0000"):
    """(video_id, path) of a slice, as the frames command determines them."""
    return frame_slices.slice_videos(
        frames_command.parse_args([str(root), "x.h5", "--quarantine=x", f"--slice={name}", *options])
    )


def index_slices(root, out, *options):
    """Slice -> its (video_id, path), as in the index."""
    index_command.main(["manifest", "--dataset=d", f"--videos={root}", f"--out={out}", *options])
    table, _ = manifest.read_manifest(out / "manifest.parquet")
    return {
        name: [(video, f"{root}/{path}") for video, path in zip(part["video_id"], part["path"], strict=True)]
        for name, part in table.groupby("slice")
    }


def same_slices(tmp_path, root, *options):
    """Whether frames and index have the same videos in every slice."""
    slices = index_slices(root, tmp_path / "out", "--slices=3", "--seed=1", *options)
    assert len(slices) > 1
    return all(frames_slice(root, "--slices=3", "--seed=1", *options, name=name) == slices[name] for name in slices)


def test_frames_and_index_have_the_same_slices_of_class_folders(tmp_path):
    assert same_slices(tmp_path, clips(tmp_path))


def test_frames_and_index_have_the_same_slices_of_listed_clips(tmp_path):
    for name, lines in ANNOTATIONS.items():
        (touch(tmp_path / "lists", name) / name).write_text("label,youtube_id,time_start,time_end,split\n" + lines)
    assert same_slices(tmp_path, touch(tmp_path / "v", *FLAT), "--layout=kinetics", f"--lists={tmp_path / 'lists'}")


def test_frames_and_index_have_the_same_slices_of_videos_with_another_suffix(tmp_path):
    (tmp_path / "classInd.txt").write_text("1 a\n2 b\n")
    (tmp_path / "trainlist01.txt").write_text("".join(f"a/{n}.avi 1\nb/x{n}.avi 2\n" for n in range(9)))
    root = touch(tmp_path / "v", *(f"a/{n}.mp4" for n in range(9)), *(f"x{n}.mkv" for n in range(9)))
    assert same_slices(tmp_path, root, "--layout=ucf101", f"--lists={tmp_path}")


def test_the_videos_of_a_slice_can_be_read_from_a_manifest(tmp_path):
    root = clips(tmp_path)
    slices = index_slices(root, tmp_path / "out")
    table = tmp_path / "out" / "manifest.parquet"
    assert frames_slice(table, f"--folder={root}", name="0001") == slices["0001"]
    with pytest.raises(UserError, match="give their folder as --folder"):
        frames_slice(table, name="0001")


@pytest.mark.parametrize(("size", "mtime"), [(9, None), (None, 1)])
def test_a_changed_video_changes_only_the_hash_of_its_slice(tmp_path, size, mtime):
    root = clips(tmp_path)
    before = membership.folder_hashes(str(root), *WHOLE)
    video = root / "a" / "1.avi"
    changed_slice = next(
        m.slice for m in membership.members(root, video_files.list_files(root), *WHOLE) if m.video_id == "a/1.avi"
    )
    video.write_bytes(b"x" * (size or video.stat().st_size))
    os.utime(video, (mtime, mtime) if mtime else None)
    membership.folder_hashes.cache_clear()
    after = membership.folder_hashes(str(root), *WHOLE)
    assert {name for name in before.slices if before.slices[name] != after.slices[name]} == {changed_slice}
    assert before.videos != after.videos
    assert before.others == after.others


def test_another_file_changes_only_the_hash_of_other_files(tmp_path):
    root = clips(tmp_path)
    before = membership.folder_hashes(str(root), *WHOLE)
    touch(root, "a/more.txt")
    membership.folder_hashes.cache_clear()
    after = membership.folder_hashes(str(root), *WHOLE)
    assert after._replace(others=before.others) == before
    assert after.others != before.others


def test_a_folder_that_changes_after_planning_is_refused(tmp_path):
    root = clips(tmp_path)
    planned = membership.folder_hashes(str(root), *WHOLE).slices["0000"]
    assert frames_slice(root, "--slices=3", f"--planned={planned}")
    (root / frames_slice(root, "--slices=3")[0][0]).write_text("another video")
    with pytest.raises(UserError, match=f"v has changed while the workflow ran: .* slice 0000 was {planned} when"):
        frames_slice(root, "--slices=3", f"--planned={planned}")


def test_unreadable_lists_fail_in_the_job_and_not_in_planning(tmp_path):
    root = clips(tmp_path)
    assert membership.folder_hashes(str(root), "ucf101", str(tmp_path), 3, 0).slices == {}
    with pytest.raises(UserError, match="classInd.txt cannot be read"):
        frames_slice(root, "--layout=ucf101", f"--lists={tmp_path}")


@pytest.mark.parametrize(
    ("videos", "options", "words"),
    [
        ("none", (), "none does not exist: give the folder of the"),
        ("v", ("--slices=2",), "there is no slice 0003: the 2 slices"),
    ],
)
def test_an_unknown_folder_or_slice_is_a_user_error(tmp_path, videos, options, words):
    clips(tmp_path)
    with pytest.raises(UserError, match=words):
        frames_slice(tmp_path / videos, *options, name="0003")


def test_an_unreadable_folder_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match=r"none cannot be read \(No such file"):
        list(video_files.list_files(tmp_path / "none"))


def config_with_clips(tmp_path, **settings):
    """config.yaml with a data set `own` of a user's clips."""
    dataset = {"folder": str(clips(tmp_path)), **settings}
    return config.merge(COMMITTED, {"datasets": {"own": dataset}})


def data_stages(configured, dataset):
    """The settings of every job before training."""
    settings = {
        stage: stage_settings.stage_settings(configured, stage, dataset)
        for stage in ("index", "splits", "flow", "shard")
    }
    return settings | {"frames": stage_settings.slice_settings(configured, dataset, "0000")}


def test_one_more_split_changes_no_job_of_the_data(tmp_path):
    one, two, four = (
        data_stages(config_with_clips(tmp_path, splits=splits), "own") for splits in ([1], [1, 2], [1, 4])
    )
    assert one == two
    assert {stage for stage in one if one[stage] != four[stage]} == {"splits"}


def test_changed_lists_change_the_index_and_not_the_frames(tmp_path):
    (tmp_path / "classInd.txt").write_text("1 a\n2 b\n3 c\n")
    lists = touch(tmp_path, "testlist01.txt", "trainlist01.txt")
    configured, settings = config_with_clips(tmp_path, layout="ucf101", lists=str(lists)), []
    for test, train in (("a/1.avi", "b/1.mp4 2"), ("b/1.mp4", "a/1.avi 1")):
        (tmp_path / "testlist01.txt").write_text(test)
        (tmp_path / "trainlist01.txt").write_text(train)
        membership.folder_hashes.cache_clear()
        stage_settings.hash_files.cache_clear()
        settings.append(data_stages(configured, "own"))
    assert {stage for stage in settings[0] if settings[0][stage] != settings[1][stage]} == {"index", "splits"}


@pytest.mark.parametrize(
    ("dataset", "settings", "words"),
    [
        (
            "ucf101",
            {"splits": [1, 4]},
            "ucf101.splits asks for split 4 but there are 1, 2, 3 in its official lists",
        ),
        ("own", {"splits": [2, 3]}, "datasets.own.splits asks for split 3 but there are 1, 2 in .*split.tsv: change"),
    ],
)
def test_an_unknown_split_is_a_user_error_before_any_job(tmp_path, dataset, settings, words):
    table = tmp_path / "split.tsv"
    table.write_text("video\tsplit\trole\na/1.avi\t1\ttrain\nb/1.mp4\t2\ttest\n")
    configured = config_with_clips(tmp_path, split_file=str(table))
    check(configured)
    with pytest.raises(UserError, match=words):
        check(config.merge(configured, {"datasets": {dataset: settings}}))


def test_the_splits_of_a_users_lists_are_read_from_the_file_names(tmp_path):
    touch(tmp_path, "a_test_split1.txt", "a_test_split2.txt", "trainlist01.txt", "testlist07.txt", "notes.txt")
    for layout, splits in (("hmdb51", [1, 2]), ("ucf101", [1, 7])):
        assert split_numbers.listed_splits(config.DatasetSettings(lists=str(tmp_path), layout=layout)) == splits


def test_as_many_splits_are_drawn_as_config_selects(tmp_path):
    nine = config_with_clips(tmp_path, splits=[9])
    check(nine)
    assert split_numbers.count_drawn(config.of_dataset(nine, "own")) == 9
    assert split_numbers.count_drawn(config.of_dataset(COMMITTED, "ucf101")) == 0
