"""The order of the training videos: a function of the seed and of the position in the training sequence alone.

The training sequence is endless and a sampler has no state, so a resumed training sees the same clips as one that was
not interrupted.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.common.errors import UserError


class Sampler:
    """The video at each position of the training sequence.

    `balanced` draws a class and then one of its videos (Simonyan and Zisserman 2014, section 4); `epoch` takes every
    video once per epoch, in random order.
    """

    def __init__(self, method: str, labels: Sequence[int], seed: int) -> None:
        if method not in ("balanced", "epoch"):
            raise UserError(f"sampler is {method!r} but must be balanced or epoch: correct the recipe")
        self.method, self.seed, self.num_videos = method, seed, len(labels)
        self._class_members = [np.flatnonzero(np.equal(labels, label)) for label in sorted(set(labels))]
        self._last_epoch: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))  # its number, its order

    def video_index(self, position: int) -> int:
        """The index, among the labels, of the video at a position."""
        if self.method == "balanced":
            generator = self.generator(position, stream=1)
            members = self._class_members[generator.integers(len(self._class_members))]
            return int(members[generator.integers(len(members))])
        epoch, index = divmod(position, self.num_videos)
        if self._last_epoch[0] != epoch:
            self._last_epoch = (epoch, self.generator(epoch, stream=2).permutation(self.num_videos))
        return int(self._last_epoch[1][index])

    def generator(self, position: int, stream: int = 0) -> np.random.Generator:
        """The random number generator of a position; stream 0 is for the augmentation of its clip."""
        return np.random.default_rng((self.seed, stream, position))
