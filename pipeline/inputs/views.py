"""The inputs of a network for each view of a video."""

import itertools
from collections.abc import Sequence

from pipeline.config.recipe import Recipe
from pipeline.inputs import clip_volumes, crops
from pipeline.inputs.clip_volumes import Sample
from pipeline.inputs.protocols import View
from pipeline.inputs.readers import Readers


def read_views(readers: Readers, recipe: Recipe, video: str, views: Sequence[View]) -> list[Sample]:
    """A sample per view; consecutive views of the same times are cropped from one reading of the clip."""
    samples = []
    for times, views_of_clip in itertools.groupby(views, key=lambda view: view.times):
        volumes = clip_volumes.read_volumes(readers, recipe, video, times)
        size = clip_volumes.picture_size(volumes)
        boxes = (crops.test_crop(recipe, size, view.place, view.flip) for view in views_of_clip)
        samples += [clip_volumes.crop_volumes(volumes, box, recipe.frames is not None) for box in boxes]
    return samples
