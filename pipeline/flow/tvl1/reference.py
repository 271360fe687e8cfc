"""TV-L1 by OpenCV: the reference for tests, and a slow backend that needs no compilation."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np

from pipeline.common.errors import UserError


def flow(frames: np.ndarray, parameters: dict[str, Any], threads: int) -> np.ndarray:
    """uint8 (T, H, W) -> float32 (T-1, 2, H, W) through cv2.optflow.DualTVL1OpticalFlow.

    Raises UserError for images with a side under 3 pixels, because OpenCV reads beyond their border.
    """
    if min(frames.shape[1:]) < 3:
        raise UserError(
            f"frames are {frames.shape[2]}x{frames.shape[1]} but OpenCV's TV-L1 needs 3x3: use the backend cpu"
        )
    with ThreadPoolExecutor(threads) as pool:
        fields = list(pool.map(lambda first, second: flow_of_pair(first, second, parameters), frames[:-1], frames[1:]))
    return np.stack(fields) if fields else np.zeros((0, 2, *frames.shape[1:]), np.float32)


def flow_of_pair(first: np.ndarray, second: np.ndarray, parameters: dict[str, Any]) -> np.ndarray:
    """The flow (2, H, W) from `first` to `second`; each pair has a new algorithm object, because it keeps state."""
    algorithm: Any = cv2.optflow.DualTVL1OpticalFlow.create(
        tau=parameters["tau"],
        lambda_=parameters["lambda_"],
        theta=parameters["theta"],
        nscales=parameters["scales"],
        warps=parameters["warps"],
        epsilon=parameters["epsilon"],
        innnerIterations=parameters["inner_iterations"],
        outerIterations=parameters["outer_iterations"],
        scaleStep=parameters["scale_step"],
        medianFiltering=parameters["median"] or 1,
    )
    return np.moveaxis(algorithm.calc(first, second, None), -1, 0)
