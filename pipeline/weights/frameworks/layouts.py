"""Conversions between a source's tensor layout and torch's: the steps that maps.yaml names, each a function."""

from collections.abc import Callable

import numpy as np

EPSILON = 1e-5  # torch's batch normalisation

Step = Callable[[np.ndarray], np.ndarray | tuple[np.ndarray, ...]]


def hwio(x: np.ndarray) -> np.ndarray:
    """MatConvNet's or TensorFlow's filters (H, W, I, O) as torch's (O, I, H, W); MATLAB drops last axes of 1."""
    return _append_axes(x, 4).transpose(3, 2, 0, 1)


def dhwio(x: np.ndarray) -> np.ndarray:
    """Filters over time and space (T, H, W, I, O) as torch's (O, I, T, H, W)."""
    return _append_axes(x, 5).transpose(4, 3, 0, 1, 2)


def wtio(x: np.ndarray) -> np.ndarray:
    """ST-ResNet's ConvTime, (1, T, I, O) with time in place of the width, as (O, I, T, 1, 1)."""
    return hwio(x).transpose(0, 1, 3, 2)[..., None]


def hwio_still(x: np.ndarray) -> np.ndarray:
    """2D filters (H, W, I, O) for a network over clips: (O, I, 1, H, W)."""
    return hwio(x)[:, :, None]


def io(x: np.ndarray) -> np.ndarray:
    """A fully connected layer's weights (I, O) as (O, I)."""
    return _append_axes(x, 2).T


def bgr(x: np.ndarray) -> np.ndarray:
    """First filters over blue, green, red as filters over red, green, blue; filters over flow are unchanged."""
    return x[:, ::-1] if x.shape[1] == 3 else x


def flat(x: np.ndarray) -> np.ndarray:
    """Filters as large as their input as a fully connected layer's weights: (O, I, H, W) -> (O, IHW)."""
    return x.reshape(len(x), -1)


def vector(x: np.ndarray) -> np.ndarray:
    """One number a channel, without axes of 1."""
    return x.ravel()


def matrix(x: np.ndarray) -> np.ndarray:
    """Caffe's legacy (1, 1, O, I) as (O, I)."""
    return x.reshape(x.shape[-2:]) if x.ndim > 2 and set(x.shape[:-2]) == {1} else x


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """MatConvNet's (C, 2), mean and sqrt(variance + epsilon), as mean and variance; torch adds the epsilon again."""
    return x[:, 0], np.square(x[:, 1].astype(np.float64)) - EPSILON


STEPS: dict[str, Step] = {
    step.__name__: step for step in (hwio, dhwio, wtio, hwio_still, io, bgr, flat, vector, matrix, moments)
}


def apply_steps(x: np.ndarray, steps: list[str]) -> list[np.ndarray]:
    """The arrays that the named `steps` make of one array, in their order; only `moments` makes two."""
    result: np.ndarray | tuple[np.ndarray, ...] = x
    for step in steps:
        result = STEPS[step](result)  # type: ignore[arg-type]
    return list(result) if isinstance(result, tuple) else [result]


def _append_axes(x: np.ndarray, ndim: int) -> np.ndarray:
    return x.reshape(x.shape + (1,) * (ndim - x.ndim))
