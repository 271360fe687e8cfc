"""`demo_pretrain` has the form of HMDB51's archives, and shares no class, actor or background with `demo`."""

import cv2
import numpy as np
import pytest
from unrar.cffi import rarfile

from pipeline.demo import CLASSES, PRETRAIN_CLASSES, actions
from pipeline.demo.archives import PRETRAIN_LISTS, PRETRAIN_VIDEOS, write
from pipeline.demo.clips import FLAGS, draw_clip
from pipeline.demo.hmdb import file_name, split_lists
from pipeline.demo.scenes import random_scene
from pipeline.demo.splits import Clip, all_clips
from pipeline.fetch.archives.layout import content_folder, unpack_nested
from pipeline.fetch.archives.unpack import unpack
from pipeline.fetch.sources import sources
from pipeline.index import annotations
from pipeline.workflow import table_targets
from tests.config.test_config import COMMITTED

LIE_AND_GET_UP = ("lie_down", "get_up")


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo_pretrain")
    write(folder, seed=0, groups=3, number=2, threads=2, dataset="demo_pretrain")
    return folder


@pytest.fixture(scope="module")
def unpacked(out):
    """Archive name -> the folder that the fetch stage would make of it."""
    folders = {}
    for name in (PRETRAIN_VIDEOS, PRETRAIN_LISTS):
        folder = out / f"{name}.unpacked"
        folder.mkdir()
        unpack(out / name, folder)
        unpack_nested(out / name, folder)
        folders[name] = content_folder(folder, videos=name == PRETRAIN_VIDEOS)
    return folders


def grey(colour):
    return int(cv2.cvtColor(np.array([[colour]], np.uint8), cv2.COLOR_BGR2GRAY)[0, 0])


def test_same_arguments_give_the_same_bytes(out, tmp_path):
    write(tmp_path, seed=0, groups=3, number=2, threads=1, dataset="demo_pretrain")
    for name in (PRETRAIN_VIDEOS, PRETRAIN_LISTS):
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes()


def test_both_archives_are_the_ones_that_the_sources_list(out):
    assert [source.file for source in sources("demo_pretrain")] == [PRETRAIN_VIDEOS, PRETRAIN_LISTS]


def test_it_has_no_table_by_default():
    assert "results/tables/demo.csv" in table_targets.table_files(COMMITTED)
    assert "results/tables/demo_pretrain.csv" not in table_targets.table_files(COMMITTED)


def test_videos_are_an_archive_of_one_archive_a_class(out):
    archive = rarfile.RarFile(out / PRETRAIN_VIDEOS)
    assert archive.namelist() == [f"{name}.rar" for name in PRETRAIN_CLASSES]
    assert archive.read("jump.rar").startswith(b"Rar!")


def test_unpacking_gives_class_folders_of_all_clips(unpacked):
    found = {
        path.relative_to(unpacked[PRETRAIN_VIDEOS]).as_posix() for path in unpacked[PRETRAIN_VIDEOS].rglob("*.avi")
    }
    assert found == {f"{c.name}/{file_name(c)}" for c in all_clips(3, 2, PRETRAIN_CLASSES)}


def test_lists_are_read_as_hmdb51s_are(unpacked):
    read = annotations.read_hmdb51(unpacked[PRETRAIN_LISTS])
    assert read.classes == sorted(PRETRAIN_CLASSES)
    assert set(read.videos) == {f"{c.name}/{file_name(c)}" for c in all_clips(3, 2, PRETRAIN_CLASSES)}


def test_every_list_has_training_test_and_unused_clips():
    for text in split_lists(groups=9, number=3).values():
        roles = [line.split(" ")[1] for line in text.splitlines()]
        assert [roles.count(role) for role in ("1", "2", "0")] == [18, 6, 3]


def test_the_only_clip_of_a_group_is_a_test_clip():
    assert {text.split(" ")[1] for name, text in split_lists(3, 1).items() if name.endswith("split1.txt")} == {"2"}


@pytest.mark.parametrize("split", [1, 2, 3])
def test_no_group_is_both_trained_and_tested_on(split):
    lines = split_lists(groups=9, number=3)[f"jump_test_split{split}.txt"].splitlines()
    groups = {role: {line.split("_")[2] for line in lines if line.endswith(f"{role} ")} for role in "12"}
    assert not groups["1"] & groups["2"]
    assert len(groups["1"] | groups["2"]) == 9


def test_demo_has_none_of_its_classes_and_backgrounds():
    assert not {name.lower() for name in CLASSES} & {name.replace("_", "") for name in PRETRAIN_CLASSES}
    patch = draw_clip(0, "jump", 1, 1)[0, 40:80, :20]  # at the left edge, where nobody stands
    found = [cv2.matchTemplate(random_scene(0, g).background, patch, cv2.TM_CCOEFF_NORMED).max() for g in range(1, 10)]
    assert max(found) < 0.9
    assert cv2.matchTemplate(random_scene(0, 101).background, patch, cv2.TM_CCOEFF_NORMED).max() > 0.95


def test_clips_are_as_long_and_as_large_as_the_demos():
    for name in PRETRAIN_CLASSES:
        frames = draw_clip(0, name, 1, 1)
        assert len(frames) in {44, 46, 48}
        assert frames.shape[1:] == draw_clip(0, "Bounce", 1, 1).shape[1:]


def test_all_flags_of_both_data_sets_have_one_luma():
    assert {grey(colour) for colour in FLAGS.values()} == {80}
    assert len(set(FLAGS.values())) == 6


def test_getting_up_is_lying_down_reversed():
    down, up = (actions.lying(np.random.default_rng(7), 46, name) for name in LIE_AND_GET_UP)
    np.testing.assert_array_equal(up, down[::-1])
    assert (down[0], down[-1]) == (0, 1)


@pytest.mark.parametrize("name", actions.TRAJECTORIES)
def test_moving_actors_keep_their_angle_and_lying_ones_their_position(name):
    rng = np.random.default_rng(0)
    assert np.ptp(actions.lying(rng, 46, name)) == 0
    assert np.linalg.norm(np.diff(actions.trajectory(rng, 46, name), axis=0), axis=1).max() > 3
    assert np.ptp(actions.trajectory(rng, 46, "lie_down"), axis=0).max() == 0


def test_a_jump_stays_near_the_top_longer_than_a_bounce():
    for path, share in (
        (actions.trajectory(np.random.default_rng(3), 480, "jump"), 2 / np.pi),  # |sin|'s mean
        (actions.oscillation(np.random.default_rng(3), 480, "Bounce"), 0.5),
    ):
        floor, top = path[:, 1].max(), path[:, 1].min()  # y points down
        assert np.ptp(path[:, 0]) == 0
        assert ((floor - path[:, 1]) / (floor - top)).mean() == pytest.approx(share, abs=0.02)


def test_a_figure_eight_swings_twice_as_often_up_as_across():
    eight = actions.trajectory(np.random.default_rng(3), 480, "figure_eight")
    across, up = (np.abs(np.fft.rfft(eight[:, axis])).argmax() for axis in (0, 1))
    assert up / across == pytest.approx(2, abs=0.05)


def test_a_lying_actor_is_wide_and_a_standing_one_is_high():
    frames = draw_clip(0, "lie_down", 1, 1)
    for frame, wider in ((frames[0], False), (frames[-1], True)):
        ys, xs = np.nonzero(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) < 85)
        assert (np.ptp(xs) > np.ptp(ys)) == wider


def test_file_names_have_the_special_characters_of_hmdb51s():
    assert file_name(Clip("jump", 3, 1)) == "STICK_FIGURES_#3!_(demo)_jump_f_cm_np1_ri_goo_0.avi"
