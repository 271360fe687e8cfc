"""Flow and camera motion of the improved trajectories."""

import cv2
import numpy as np
import pytest

from pipeline.common.errors import UserError
from pipeline.idt.camera import Camera
from pipeline.idt.farneback import Solver
from pipeline.idt.motion import Frame, MotionEstimator, scale_sizes
from pipeline.idt.parameters import Parameters, check_parameters
from tests.helpers.idtscenes import texture


@pytest.mark.parametrize("size", [(96, 128), (75, 101)])
def test_flow_at_one_scale_agrees_with_opencvs(size):
    first = np.round(texture(*size)).astype(np.uint8)
    second = np.roll(first, (1, 2), (0, 1))
    field = np.zeros((*size, 2), np.float32)
    field = cv2.calcOpticalFlowFarneback(first, second, field, 0.5, 0, 10, 2, 7, 1.5, 0)
    theirs = [cv2.medianBlur(np.ascontiguousarray(field[..., axis]), 5) for axis in (0, 1)]
    solver = Solver(*size)
    blurred = [cv2.GaussianBlur(grey.astype(np.float32), (3, 3), 0) for grey in (first, second)]
    ours = solver.flow(*map(solver.expand, blurred), None)
    assert ours == pytest.approx(np.stack(theirs), abs=2e-3)


@pytest.mark.parametrize("flow", ["farneback", "tvl1"])
def test_a_shift_larger_than_half_a_window_is_recovered_over_the_scales(flow):
    scene = texture(160, 200)
    motion = MotionEstimator(120, 160, Parameters(flow=flow, features="none"))
    first, second = (Frame(scene[10:130, x : x + 160], motion) for x in (20, 14))
    fields, _ = motion.flow(first, second)
    assert np.median(fields[0][0]) == pytest.approx(6, abs=0.2)
    assert np.median(fields[0][1]) == pytest.approx(0, abs=0.2)
    assert np.median(fields[2][0]) == pytest.approx(6 / 2, abs=0.2)


@pytest.mark.parametrize("features", ["akaze", "sift", "orb"])
def test_the_cameras_rotation_is_estimated_and_removed(features):
    scene = texture(240, 320)
    turn = np.vstack([cv2.getRotationMatrix2D((160, 120), 2, 1.02), [0, 0, 1]])
    turned = cv2.warpPerspective(scene, turn, (320, 240), borderMode=cv2.BORDER_REFLECT)
    motion = MotionEstimator(240, 320, Parameters(features=features))
    flow, rectified = motion.flow(Frame(scene, motion), Frame(turned, motion))
    corner = (slice(None), slice(20, 40), slice(20, 40))
    assert np.linalg.norm(flow[0][corner].mean((1, 2))) > 3
    assert np.abs(rectified[0]).mean() < 0.1


def test_features_alone_find_the_homography():
    scene = texture(240, 320)
    camera, no_flow = Camera("sift"), np.zeros((2, 240, 320), np.float32)
    features = [camera.detect(scene[:, x : x + 300])._replace(corners=np.empty((0, 2))) for x in (0, 7)]
    found = camera.homography(*features, no_flow)
    assert found / found[2, 2] == pytest.approx(np.array([[1, 0, -7], [0, 1, 0], [0, 0, 1]]), abs=0.05)


def test_without_features_there_is_no_homography():
    camera, flat = Camera("akaze"), np.full((64, 64), 90, np.uint8)
    assert camera.homography(camera.detect(flat), camera.detect(flat), np.zeros((2, 64, 64), np.float32)) is None


def test_scales_end_where_a_patch_no_longer_fits():
    assert scale_sizes(240, 320, Parameters()) == [(240, 320), (170, 226), (120, 160), (85, 113), (60, 80), (42, 57)]
    assert len(scale_sizes(60, 80, Parameters(patch=16))) == 4
    assert len(scale_sizes(2000, 2000, Parameters())) == 8
    assert scale_sizes(31, 80, Parameters()) == []


@pytest.mark.parametrize(("wrong", "message"), [({"patch": 0}, "patch is 0"), ({"patch": 15}, "patch is 15"),
                                             ({"features": "surf"}, "features is 'surf'")])  # fmt: skip
def test_parameters_that_allow_no_tracks_are_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        check_parameters(Parameters(**wrong))
