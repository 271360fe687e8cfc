"""Stacks of flow fields, the inputs of the temporal stream (Simonyan and Zisserman, arXiv 1406.2199, section 3).

Channels are x1 y1 x2 y2 ..., fields (T, 2, H, W) in pixels; `forward[t]` goes from frame t to t+1 and `backward[t]`
from frame t+1 to t.
"""

import cv2
import numpy as np

from pipeline.common.errors import UserError


def simple(flow: np.ndarray, start: int, length: int) -> np.ndarray:
    """Displacements at the same pixels (eq. 1): channels 2k-1, 2k are d_{start+k-1}(u, v), k = 1..length.

    flow (T, 2, H, W) -> (2 length, H, W)
    """
    return _fields(flow, start, length).reshape(-1, *flow.shape[2:])


def trajectories(flow: np.ndarray, start: int, length: int) -> np.ndarray:
    """Displacements along the motion (eq. 2): d_{start+k-1}(p_k), p_1 = (u, v), p_k = p_{k-1} + d_{start+k-2}(p_{k-1}).

    Fields are interpolated bilinearly; a path that leaves the image continues with the displacement at the border.
    flow (T, 2, H, W) -> (2 length, H, W)
    """
    fields = _fields(flow, start, length)
    grid: np.ndarray = np.indices(flow.shape[2:]).astype(np.float32)
    y, x = grid
    sampled: list[np.ndarray] = []
    for field in fields:
        displacement = [cv2.remap(part, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for part in field]
        x, y = x + displacement[0], y + displacement[1]
        sampled += displacement
    return np.stack(sampled)


def bidirectional(
    forward: np.ndarray, backward: np.ndarray, centre: int, length: int, follow: bool = False
) -> np.ndarray:
    """length/2 forward fields from frame `centre` on, then length/2 backward fields from it towards the past.

    Both halves are simple stacks (eq. 1), or with `follow` stacks along trajectories (eq. 2).
    (T, 2, H, W) twice -> (2 length, H, W)
    """
    if length % 2:
        raise UserError(f"a bi-directional stack has the length {length} but halves are needed: choose an even length")
    half, stack = length // 2, trajectories if follow else simple
    if centre < half:
        raise UserError(
            f"frame {centre} has {centre} fields before it but the stack needs {half}: start at frame {half}"
        )
    past = backward[centre - half : centre][::-1]
    return np.concatenate([stack(forward, centre, half), stack(past, 0, half)])


def _fields(flow: np.ndarray, start: int, length: int) -> np.ndarray:
    if not 0 <= start <= start + length <= len(flow):
        raise UserError(
            f"the clip has {len(flow)} fields of flow but the stack needs {start} to {start + length - 1}:"
            " choose a shorter stack or an earlier start"
        )
    return np.ascontiguousarray(flow[start : start + length], np.float32)
