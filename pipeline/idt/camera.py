"""Camera motion between two frames: a homography of the background, from local features and flow (ICCV 2013)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np

MIN_MATCHES = 50  # the homography is fitted to more than these
MIN_INLIERS = 25  # and must agree with more than these
MAX_CORNERS = 1000  # that flow matches
MAX_ERROR = 1.0  # pixels between an inlier and where the homography takes it

DETECTORS: dict[str, Callable[[], Any]] = {
    # Upright: a camera rotates little between two frames.
    "akaze": lambda: cv2.xfeatures2d.AKAZE.create(
        cv2.xfeatures2d.AKAZE_DESCRIPTOR_MLDB_UPRIGHT, threshold=3e-4, nOctaves=2, nOctaveLayers=2
    ),
    "sift": lambda: cv2.SIFT.create(),
    "orb": lambda: cv2.ORB.create(500),
}


class CameraFeatures(NamedTuple):
    """The features of a frame: keypoints (N, 2) with descriptors (N, D), and corners (M, 2), as x, y."""

    keypoints: np.ndarray
    descriptors: np.ndarray | None
    corners: np.ndarray


class Camera:
    """Detects features in frames and fits homographies between frames; `features` is as in Parameters."""

    def __init__(self, features: str) -> None:
        self._detector = DETECTORS[features]() if features in DETECTORS else None
        norm = cv2.NORM_L2 if features == "sift" else cv2.NORM_HAMMING
        self._matcher = cv2.BFMatcher(norm, crossCheck=True)

    def detect(self, grey: np.ndarray) -> CameraFeatures:
        """The features of a frame, uint8 (H, W)."""
        corners = cv2.goodFeaturesToTrack(grey, MAX_CORNERS, 0.001, 5)
        corners = np.empty((0, 2), np.float32) if corners is None else corners.reshape(-1, 2)
        if self._detector is None:
            return CameraFeatures(np.empty((0, 2), np.float32), None, corners)
        keypoints, descriptors = self._detector.detectAndCompute(grey, None)
        positions = np.array([keypoint.pt for keypoint in keypoints], np.float32).reshape(-1, 2)
        return CameraFeatures(positions, descriptors, corners)

    def homography(self, first: CameraFeatures, second: CameraFeatures, flow: np.ndarray) -> np.ndarray | None:
        """The homography (3, 3) from the first frame to the second, or None where too few matches agree."""
        pairs = [self._match(first, second), move_by_flow(first.corners, flow)]
        source, target = (np.concatenate(side).astype(np.float32) for side in zip(*pairs, strict=True))
        if len(source) <= MIN_MATCHES:
            return None
        matrix, inliers = cv2.findHomography(source, target, cv2.RANSAC, MAX_ERROR)
        return matrix if matrix is not None and np.count_nonzero(inliers) > MIN_INLIERS else None

    def _match(self, first: CameraFeatures, second: CameraFeatures) -> tuple[np.ndarray, np.ndarray]:
        if first.descriptors is None or second.descriptors is None:
            return np.empty((0, 2)), np.empty((0, 2))
        matches = self._matcher.match(first.descriptors, second.descriptors)
        rows = np.array([(match.queryIdx, match.trainIdx) for match in matches], int).reshape(-1, 2)
        return first.keypoints[rows[:, 0]], second.keypoints[rows[:, 1]]


def move_by_flow(corners: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners (M, 2), and their positions after the flow (2, H, W)."""
    columns, rows = np.rint(corners).astype(int).T
    return corners, corners + flow[:, rows, columns].T
