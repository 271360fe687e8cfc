"""The inputs of a network for each view of a video."""

import itertools
from collections.abc import Sequence

from pipeline.config.recipe import Recipe
from pipeline.inputs import clip_volumes, crops
from pipeline.inputs.clip_volumes import Sample, size_of
from pipeline.inputs.protocols import View
from pipeline.inputs.readers import Readers


def views_of(readers: Readers, recipe: Recipe, video: str, views: Sequence[View]) -> list[Sample]:
    """What the network sees in each view; a clip is read once for all its views, which stand together."""
    made = []
    for times, of_clip in itertools.groupby(views, key=lambda view: view.times):
        volumes = clip_volumes.read(readers, recipe, video, times)
        boxes = (crops.named(recipe, size_of(volumes), view.place, view.flip) for view in of_clip)
        made += [clip_volumes.cut(volumes, box, recipe.frames is not None) for box in boxes]
    return made
