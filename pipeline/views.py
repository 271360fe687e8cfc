"""The inputs of a network for each view of a video."""

import itertools
from collections.abc import Sequence

from pipeline import crops, inputs
from pipeline.inputs import Sample, size_of
from pipeline.protocols import View
from pipeline.readers import Readers
from pipeline.recipes import Recipe


def views_of(readers: Readers, recipe: Recipe, video: str, views: Sequence[View]) -> list[Sample]:
    """What the network sees in each view; a clip is read once for all its views, which stand together."""
    made = []
    for times, of_clip in itertools.groupby(views, key=lambda view: view.times):
        volumes = inputs.read(readers, recipe, video, times)
        boxes = (crops.named(recipe, size_of(volumes), view.place, view.flip) for view in of_clip)
        made += [inputs.cut(volumes, box, recipe["frames"] is not None) for box in boxes]
    return made
