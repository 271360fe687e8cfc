"""The shards that a recipe's inputs are read from: one reader per modality."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from pipeline.common.errors import UserError
from pipeline.config.recipe import Recipe
from pipeline.formats.modalities import MODALITIES
from pipeline.formats.shards import ShardReader
from pipeline.inputs import clip_sampling

Readers = Mapping[str, ShardReader]  # by modality


def frame_count(readers: Readers, video: str) -> int:
    """The frames of a video, by the pictures of the first modality."""
    first = next(iter(readers.values()))
    return first.count(video) + MODALITIES[first.modality].gap


def open_shards(folders: Sequence[Path], recipe: Recipe) -> dict[str, ShardReader]:
    """The readers of a recipe's modalities; missing ones, and shards of other data or settings, are a UserError."""
    by_modality = {reader.modality: reader for reader in map(ShardReader, folders)}
    modalities = clip_sampling.modalities(recipe)
    if missing := [modality for modality in modalities if modality not in by_modality]:
        raise UserError(
            f"the recipe reads {', '.join(modalities)} but --shards are of {', '.join(by_modality) or 'none'}: add"
            f" those of {missing[0]}"
        )
    readers = {modality: by_modality[modality] for modality in modalities}
    first = next(iter(readers.values()))
    for reader in readers.values():
        if (reader.fingerprint, reader.classes) != (first.fingerprint, first.classes):
            raise UserError(f"{first.folder} and {reader.folder} are of different data sets: give shards of one")
        bound = reader.settings.get("bound")
        if recipe.flow_bound and bound not in (None, recipe.flow_bound):
            raise UserError(
                f"{reader.folder} holds flow of bound {bound} but the recipe's is {recipe.flow_bound}: set flow.bound"
                " in config.yaml, or flow_bound in the recipe"
            )
    return readers


def videos_in_shards(listed: pd.DataFrame, readers: Readers, description: str) -> pd.DataFrame:
    """The rows of a list of videos (`manifest.read_splits`) whose video is in the shards of every modality.

    Raises UserError if there is none; `description` names the list in the message.
    """
    in_shards = [all(video in reader for reader in readers.values()) for video in listed["video_id"]]
    if not any(in_shards):
        folder = next(iter(readers.values())).folder
        raise UserError(f"none of the {len(listed)} {description} is in {folder}: run shard again")
    return listed[in_shards]
