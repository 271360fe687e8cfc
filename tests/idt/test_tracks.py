"""Which tracks are kept, and their positions."""

import itertools

import numpy as np
import pytest

from pipeline.idt.active_tracks import ActiveTracks
from pipeline.idt.parameters import Parameters
from pipeline.idt.tracks import follow_tracks, is_plausible, moves, moves_in_scene
from tests.helpers.idtscenes import pan, texture, walker

WITH_CAMERA = Parameters(camera=-1.0)  # keeps tracks that move as the camera does, too


def tracks_of(frames, parameters=WITH_CAMERA):
    return list(follow_tracks(frames, parameters))


@pytest.mark.parametrize("shift", [(2, 0), (0, -3), (1, 1)])
def test_a_shifting_texture_yields_tracks_of_that_shift(shift):
    parts = tracks_of(pan(17, shift))
    steps = np.concatenate([np.diff(part.points[part.scale == 0], axis=1) for part in parts])
    assert len(steps) > 100
    assert np.median(steps, axis=(0, 1)) == pytest.approx(shift, abs=0.05)
    assert np.mean(np.abs(steps - shift).max((1, 2)) < 0.5) > 0.9


def test_a_panning_camera_over_a_still_scene_yields_no_tracks():
    frames = pan(20, (3, 1))
    assert sum(len(part.scale) for part in tracks_of(frames)) > 500
    assert tracks_of(frames, Parameters()) == []


def test_only_motion_within_the_scene_is_tracked():
    parts = tracks_of(walker(18, 2), Parameters())
    rows = np.concatenate([part.points[part.scale == 0, 0, 1] for part in parts])
    assert len(rows) > 20
    assert rows.min() > 30 - 12  # the square's, and those of a window that sees it
    assert rows.max() < 70 + 12


def test_camera_motion_is_removed_from_the_trajectory_descriptor():
    scene, square = np.pad(texture(96, 128), 40, "reflect"), texture(40, 40, seed=1)
    frames = []
    for t in range(16):
        frame = scene[40:136, 40 - 2 * t : 168 - 2 * t].copy()  # the camera's part: 2 to the right
        frame[20 + 2 * t : 60 + 2 * t, 20 + 2 * t : 60 + 2 * t] = square  # with its own part, 2 down
        frames.append(frame)
    (part,) = tracks_of(frames, Parameters())
    within = (part.scale == 0) & (np.abs(part.points[:, 0] - 40) < 14).all(1)  # of the square, away from its edges
    steps = np.diff(part.points[within], axis=1)
    assert np.median(steps, axis=(0, 1)) == pytest.approx((2, 2), abs=0.1)
    shape = part.descriptors[within, :30].reshape(-1, 15, 2)
    assert np.median(shape, axis=(0, 1)) == pytest.approx((0, 1 / 15), abs=0.004)


def test_still_scenes_short_videos_and_flat_pictures_have_no_tracks():
    assert tracks_of([texture(64, 64)] * 20) == []
    assert tracks_of(pan(15, (2, 0))) == []
    assert tracks_of([np.full((64, 64), 7, np.uint8)] * 20) == []
    assert tracks_of([texture(20, 20)] * 20) == []
    assert tracks_of([]) == []


def test_a_track_takes_sixteen_frames():
    (part,) = tracks_of(pan(16, (2, 0)))
    assert part.end == 15
    assert part.points.shape[1:] == (16, 2)


def test_memory_is_bounded_by_the_tracks_length():
    tracks = ActiveTracks(48, 64, Parameters())
    grey, flow = texture(48, 64), np.ones((2, 48, 64), np.float32) * 0.7
    for _ in range(200):
        tracks.sample(grey)
        tracks.advance(grey, flow, flow)
    assert len(tracks.age) <= 1024  # 108 places, 16 frames: 1,728 at the very most, a slot a track


def test_a_grid_cell_is_sampled_again_only_without_a_track_in_it():
    tracks, grey = ActiveTracks(50, 60, WITH_CAMERA), texture(50, 60)
    tracks.sample(grey)
    before = len(tracks.active)
    tracks.sample(grey)
    assert 50 < before == len(tracks.active) <= 10 * 12


def test_still_erratic_and_jumping_tracks_are_dropped():
    walk = np.stack([np.linspace(0, 20, 16), np.zeros(16)], 1)
    leap = np.stack([np.repeat([0, 30], 8), np.zeros(16)], 1)
    far = np.stack([np.linspace(0, 400, 16), np.zeros(16)], 1)
    points = np.stack([np.zeros((16, 2)), walk, leap, far])
    assert moves(points, WITH_CAMERA).tolist() == [False, True, True, True]
    assert is_plausible(points, WITH_CAMERA).tolist() == [True, True, False, False]
    steps = np.diff(points, axis=1)
    assert moves_in_scene(steps, Parameters()).tolist() == [False, True, True, True]


def test_the_same_frames_give_the_same_tracks():
    one, two = (tracks_of(pan(20, (2, 1))) for _ in range(2))
    assert all(np.array_equal(a.descriptors, b.descriptors) for a, b in itertools.zip_longest(one, two))
