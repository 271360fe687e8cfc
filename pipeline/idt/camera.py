"""How the camera moved between two frames: a homography of the background, from local features and flow (ICCV 2013)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np

LEAST = 50  # matches that a homography is fitted to
INLIERS = 25  # that it must agree with
CORNERS = 1000  # at most, that flow matches
REACH = 1.0  # pixels that a match may be off the homography

DETECTORS: dict[str, Callable[[], Any]] = {
    # Upright: a camera does not turn by much between two frames.
    "akaze": lambda: cv2.xfeatures2d.AKAZE.create(
        cv2.xfeatures2d.AKAZE_DESCRIPTOR_MLDB_UPRIGHT, threshold=3e-4, nOctaves=2, nOctaveLayers=2
    ),
    "sift": lambda: cv2.SIFT.create(),
    "orb": lambda: cv2.ORB.create(500),
}


class Seen(NamedTuple):
    """What a frame's camera is matched by: features (N, 2) with descriptors (N, D), and corners (M, 2), as x, y."""

    places: np.ndarray
    descriptors: np.ndarray | None
    corners: np.ndarray


class Camera:
    """Features of frames and homographies between them; `features` as in Parameters."""

    def __init__(self, features: str) -> None:
        self._detector = DETECTORS[features]() if features in DETECTORS else None
        norm = cv2.NORM_L2 if features == "sift" else cv2.NORM_HAMMING
        self._matcher = cv2.BFMatcher(norm, crossCheck=True)

    def see(self, grey: np.ndarray) -> Seen:
        """The features and the corners of a frame, uint8 (H, W)."""
        corners = cv2.goodFeaturesToTrack(grey, CORNERS, 0.001, 5)
        found = np.empty((0, 2), np.float32) if corners is None else corners.reshape(-1, 2)
        if self._detector is None:
            return Seen(np.empty((0, 2), np.float32), None, found)
        points, descriptors = self._detector.detectAndCompute(grey, None)
        return Seen(np.array([point.pt for point in points], np.float32).reshape(-1, 2), descriptors, found)

    def between(self, first: Seen, second: Seen, flow: np.ndarray) -> np.ndarray | None:
        """The homography (3, 3) from places in the first frame to the second, or None where too little agrees."""
        pairs = [self._matched(first, second), followed(first.corners, flow)]
        here, there = (np.concatenate(side).astype(np.float32) for side in zip(*pairs, strict=True))
        if len(here) <= LEAST:
            return None
        homography, agree = cv2.findHomography(here, there, cv2.RANSAC, REACH)
        return homography if homography is not None and np.count_nonzero(agree) > INLIERS else None

    def _matched(self, first: Seen, second: Seen) -> tuple[np.ndarray, np.ndarray]:
        if first.descriptors is None or second.descriptors is None:
            return np.empty((0, 2)), np.empty((0, 2))
        matches = self._matcher.match(first.descriptors, second.descriptors)
        rows = np.array([(match.queryIdx, match.trainIdx) for match in matches], int).reshape(-1, 2)
        return first.places[rows[:, 0]], second.places[rows[:, 1]]


def followed(corners: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners (M, 2) and where the flow (2, H, W) takes them."""
    columns, rows = np.rint(corners).astype(int).T
    return corners, corners + flow[:, rows, columns].T
