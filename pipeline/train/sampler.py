"""Which training video stands at a position of the endless training sequence: a function of the seed alone.

No state means that a resumed training sees just what an undisturbed one would have seen.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.common.errors import UserError


class Sampler:
    """`balanced`: a class is drawn, then one of its videos (2014, section 4); `epoch`: every video once an epoch."""

    def __init__(self, kind: str, labels: Sequence[int], seed: int) -> None:
        if kind not in ("balanced", "epoch"):
            raise UserError(f"sampling is {kind!r} but must be balanced or epoch: mend the recipe")
        self.kind, self.seed, self.videos = kind, seed, len(labels)
        self._by_class = [np.flatnonzero(np.equal(labels, label)) for label in sorted(set(labels))]
        self._epoch: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    def video(self, position: int) -> int:
        """The index of the video at `position`."""
        if self.kind == "balanced":
            generator = self.generator(position, stream=1)
            members = self._by_class[generator.integers(len(self._by_class))]
            return int(members[generator.integers(len(members))])
        epoch, place = divmod(position, self.videos)
        if self._epoch[0] != epoch:
            self._epoch = (epoch, self.generator(epoch, stream=2).permutation(self.videos))
        return int(self._epoch[1][place])

    def generator(self, position: int, stream: int = 0) -> np.random.Generator:
        """Random numbers that belong to `position`: stream 0 is for its augmentation."""
        return np.random.default_rng((self.seed, stream, position))
