"""`demo` has the form of UCF-101's archives, and its classes differ only in what they are meant to differ in."""

import hashlib
import io
import itertools
import tempfile
import zipfile
import zlib

import av
import cv2
import numpy as np
import pytest
from unrar.cffi import rarfile

from pipeline.common.errors import UserError
from pipeline.demo import CLASS_GROUPS, CLASSES, actions
from pipeline.demo.__main__ import main
from pipeline.demo.archives import LISTS, VIDEOS, write
from pipeline.demo.clips import FLAGS, draw_clip
from pipeline.demo.figures import shade_colour
from pipeline.demo.rar import RarWriter
from pipeline.demo.scenes import random_scene
from pipeline.demo.splits import all_clips, held_out_groups, split_lists
from tests.helpers.killing import killed_at, tree


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    write(folder, seed=0, groups=3, number=1, threads=2)
    return folder


def grey(colour):
    return int(cv2.cvtColor(np.array([[colour]], np.uint8), cv2.COLOR_BGR2GRAY)[0, 0])


def flow_stacks(path):
    """Every run of flow fields that a temporal net can see of a door, as the steps it makes."""
    steps = np.round(np.diff(path), 9)
    return sorted(tuple(steps[i : i + actions.STACK]) for i in range(len(steps) - actions.STACK + 1))


def test_same_arguments_give_the_same_bytes(out, tmp_path):
    write(tmp_path, seed=0, groups=3, number=1, threads=1)
    for name in (VIDEOS, LISTS):
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes()


def test_files_of_a_killed_run_are_deleted_by_the_next_run(out, tmp_path, monkeypatch):
    killed, elsewhere = tmp_path / "killed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    command = ["--out", str(killed), "--groups", "3", "--clips", "1", "--threads", "1"]
    assert [killed_at(number, main, command) for number in (4, 9, 20)] == [True] * 3
    assert [name for name in tree(killed) if name.startswith(".clips")]
    main(command)
    assert tree(killed) == tree(out)
    assert tree(elsewhere) == {}


def test_another_seed_gives_other_clips():
    assert not np.array_equal(draw_clip(0, "Bounce", 1, 1)[0], draw_clip(1, "Bounce", 1, 1)[0])


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("WaveRedFlag", "537a05ae9510bf04"),
        ("Circle", "59ff4b2a4ae16dce"),
        ("SitDown", "93d26b1caad1a767"),
        ("CloseOpen", "e3cd6c9dd88e2f8a"),
    ],
)
def test_seed_0_draws_the_recorded_pixels(name, digest):
    assert hashlib.sha256(draw_clip(0, name, 2, 1).tobytes()).hexdigest()[:16] == digest


def test_unrar_reads_back_every_byte(tmp_path):
    members = {"Demo/A/empty.avi": b"", "Demo/A/b.avi": bytes(range(256)) * 999, "Demo/c.avi": b"RIFF"}
    with open(tmp_path / "a.rar", "wb") as file, RarWriter(file) as archive:
        for name, data in members.items():
            archive.add(name, data)
    read = rarfile.RarFile(tmp_path / "a.rar")
    assert read.testrar() is None
    assert {name: read.read(name) for name in read.namelist()} == members
    assert [info.CRC for info in read.infolist()] == [zlib.crc32(data) for data in members.values()]


def test_a_damaged_byte_fails_the_archives_own_check(tmp_path):
    with open(tmp_path / "a.rar", "wb") as file, RarWriter(file) as archive:
        archive.add("Demo/a.avi", b"0123456789")
    damaged = (tmp_path / "a.rar").read_bytes().replace(b"012", b"O12")
    (tmp_path / "a.rar").write_bytes(damaged)
    assert rarfile.RarFile(tmp_path / "a.rar").testrar() == "Demo/a.avi"


def test_archive_holds_the_clips_under_ucf_names(out):
    archive = rarfile.RarFile(out / VIDEOS)
    assert archive.namelist() == [f"Demo/{n}/v_{n}_g{g:02d}_c01.avi" for n in CLASSES for g in (1, 2, 3)]
    assert archive.testrar() is None


def test_clips_are_xvid_avi_at_25_frames_a_second(out):
    archive = rarfile.RarFile(out / VIDEOS)
    with av.open(io.BytesIO(archive.read(archive.namelist()[0]))) as video:
        stream = video.streams.video[0]
        decoded = [frame.to_ndarray(format="bgr24") for frame in video.decode(stream)]
        properties = (
            video.format.name,
            stream.codec_context.name,
            stream.average_rate,
            stream.frames,
        )  # gone once closed
    drawn = draw_clip(0, CLASSES[0], 1, 1)
    assert properties == ("avi", "mpeg4", 25, len(drawn))
    assert len(decoded) == len(drawn)
    assert np.abs(np.stack(decoded) - drawn.astype(float)).mean() < 4


def test_split_lists_are_written_as_ucf_writes_them(out):
    with zipfile.ZipFile(out / LISTS) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert len(texts) == 7
    assert texts["ucfTrainTestlist/classInd.txt"].startswith("1 WaveRedFlag\n2 WaveGreenFlag\n")
    assert texts["ucfTrainTestlist/trainlist01.txt"].startswith("WaveRedFlag/v_WaveRedFlag_g02_c01.avi 1\n")
    assert texts["ucfTrainTestlist/testlist01.txt"].startswith("WaveRedFlag/v_WaveRedFlag_g01_c01.avi\nWaveGreen")


def test_every_split_covers_all_clips_once():
    texts = split_lists(groups=9, number=3)
    for split in ("01", "02", "03"):
        train = [line.split()[0] for line in texts[f"trainlist{split}.txt"].splitlines()]
        test = texts[f"testlist{split}.txt"].splitlines()
        assert sorted(train + test) == sorted(c.path for c in all_clips(9, 3))


def test_every_group_is_tested_on_in_exactly_one_split():
    assert [g for split in (1, 2, 3) for g in held_out_groups(split, 9)] == list(range(1, 10))


def test_labels_follow_the_order_of_the_classes():
    lines = split_lists(groups=3, number=1)["trainlist02.txt"].splitlines()
    assert {(line.split("/")[0], int(line.split()[1])) for line in lines} == set(
        zip(CLASSES, itertools.count(1), strict=False)
    )


@pytest.mark.parametrize("numbers", [(0, 4, 1, 1), (0, 0, 1, 1), (0, 3, 0, 1), (-1, 3, 1, 1), (0, 3, 1, 0)])
def test_numbers_that_no_data_set_can_have_are_refused_in_one_sentence(numbers, tmp_path):
    with pytest.raises(UserError, match=r"^--\w+ is -?\d+, but .+: give "):
        write(tmp_path, *numbers)


@pytest.mark.parametrize("shade", [-16, 0, 16])
def test_all_flags_have_the_same_grey_value(shade):
    assert {grey(shade_colour(FLAGS[name], shade)) for name in CLASS_GROUPS["appearance"]} == {80 + shade}


@pytest.mark.parametrize("frames", [44, 46, 48])
def test_doors_are_open_and_closed_for_the_same_time(frames):
    for opens_first in (True, False):
        path = actions.door_opening(frames, opens_first)
        assert len(path) == frames
        assert path.mean() == pytest.approx(0.5)
        assert sorted(path) == pytest.approx(sorted(1 - path))


@pytest.mark.parametrize("frames", [44, 46, 48])
def test_no_flow_stack_shows_which_door_movement_came_first(frames):
    assert flow_stacks(actions.door_opening(frames, True)) == flow_stacks(actions.door_opening(frames, False))


def test_no_flow_stack_shows_both_door_movements():
    for stack in flow_stacks(actions.door_opening(48, True)):
        assert min(stack) >= 0 or max(stack) <= 0


def test_standing_up_is_sitting_down_reversed():
    down, up = (actions.crouch(np.random.default_rng(7), 46, name) for name in ("SitDown", "StandUp"))
    np.testing.assert_array_equal(up, down[::-1])
    assert (down[0], down[-1]) == (0, 1)
    assert np.all(np.diff(down) >= 0)


def test_every_flow_stack_of_sitting_down_holds_motion():
    for seed in range(50):
        steps = np.diff(actions.sitting_down(np.random.default_rng(seed), 44))
        assert all(steps[i : i + actions.STACK].any() for i in range(len(steps) - actions.STACK + 1))


@pytest.mark.parametrize("name", ["Bounce", "Sway", "Circle"])
def test_held_poses_are_distributed_as_frames_of_sitting_down(name):
    rng = np.random.default_rng(0)
    held = [actions.crouch(rng, 46, name)[0] for _ in range(3000)]
    frames = np.concatenate([actions.sitting_down(rng, 46) for _ in range(300)])
    deciles = np.arange(0.1, 1, 0.1)
    np.testing.assert_allclose(np.quantile(held, deciles), np.quantile(frames, deciles), atol=0.06)


def test_oscillations_are_well_above_the_cameras_shake():
    rng = np.random.default_rng(0)
    speed = lambda path: np.linalg.norm(np.diff(path, axis=0), axis=1)  # noqa: E731
    shaken = np.mean([speed(actions.camera_shake(rng, 46)).mean() for _ in range(100)])
    assert 0.5 < shaken < 1.3
    for kind in ("Bounce", "Sway", "Circle"):
        assert speed(actions.oscillation(rng, 46, kind)).max() > 3


@pytest.mark.parametrize("group", [1, 2, 3])
def test_all_classes_of_a_group_share_a_background(group):
    for name in CLASSES:
        patch = draw_clip(0, name, group, 1)[0, 40:80, :20]  # at the left edge, where nobody stands
        found = {
            g: cv2.matchTemplate(random_scene(0, g).background, patch, cv2.TM_CCOEFF_NORMED).max() for g in (1, 2, 3)
        }
        assert [g for g in found if found[g] > 0.95] == [group]


def test_lengths_do_not_depend_on_the_class():
    lengths = {name: {len(draw_clip(0, name, g, c)) for g in (1, 2, 3) for c in (1, 2)} for name in CLASSES}
    assert set().union(*lengths.values()) <= {44, 46, 48}
