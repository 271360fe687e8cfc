"""Shards of real pictures to train from, for the benchmarks: made once a folder, by the code that makes everyone's."""

import io
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import simplejpeg

from pipeline.config.recipe import Recipe
from pipeline.flow.flow_slices import encode_flow
from pipeline.formats import manifest, quarantine
from pipeline.formats.jpeg_store import JpegStoreWriter
from pipeline.formats.shards import ShardReader
from pipeline.inputs import clip_sampling
from pipeline.shard import pack
from pipeline.train.dataset import Video

CLIPS = Path(__file__).parents[2] / "shared" / "clips"
NAMES = ("test.avi", "arm_wrestling.mp4", "demo.mp4", "surveillance_fights/fight/fi005.mp4")
SIZE = (340, 256)
FRAMES, VIDEOS = 100, 4
BOUND, QUALITY = 20, 90  # as config.yaml has them


def pictures(number: int) -> Iterator[np.ndarray]:
    """FRAMES RGB pictures (256, 340, 3) of a clip, from its start again where it ends; drawn ones without clips."""
    path = CLIPS / NAMES[number % len(NAMES)]
    if not path.exists():
        yield from drawn(number)
        return
    reader, count = cv2.VideoCapture(str(path)), 0
    while count < FRAMES:
        good, frame = reader.read()
        if good:
            yield cv2.cvtColor(cv2.resize(frame, SIZE, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
            count += 1
        else:
            reader.set(cv2.CAP_PROP_POS_FRAMES, 0)


def drawn(number: int) -> Iterator[np.ndarray]:
    """A texture with detail at every size, in motion."""
    random, width, height = np.random.default_rng(number), *SIZE
    octaves = [random.normal(0, 25, (height >> k, width >> k, 3)).astype(np.float32) for k in range(6)]
    texture = np.clip(128 + sum(cv2.resize(octave, SIZE) for octave in octaves), 0, 255).astype(np.uint8)
    yield from (np.roll(texture, (frame, 2 * frame), (0, 1)) for frame in range(FRAMES))


def fields(number: int) -> Iterator[np.ndarray]:
    """Flow in pixels (2, 256, 340) between a clip's pictures; DIS's, which is quick and looks like any other."""
    way, before = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM), None
    for picture in pictures(number):
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        if before is not None:
            yield way.calc(before, grey, None).transpose(2, 0, 1)
        before = grey


def jpegs(modality: str, number: int) -> list[bytes]:
    """A video's pictures as the frames and flow stages store them."""
    if modality != "rgb":
        return [encode_flow(field, BOUND, QUALITY) for field in fields(number)]
    how = {"quality": QUALITY, "colorsubsampling": "420"}
    return [simplejpeg.encode_jpeg(np.ascontiguousarray(picture), **how) for picture in pictures(number)]


def made(folder: Path, modality: str) -> Path:
    """The shards of one modality, of VIDEOS videos of two classes."""
    out = folder / "shards" / modality
    if out.exists():
        return out
    names = [f"v{number}" for number in range(VIDEOS)]
    rows = [(name, name, "ab"[n % 2], n % 2, 1, "0000") for n, name in enumerate(names)]
    facts = {"dataset": "benchmark", "classes": ["a", "b"], "fingerprint": "benchmark"}
    manifest.write_parquet(folder / "manifest.parquet", pd.DataFrame(rows, columns=list(manifest.VIDEO_COLUMNS)), facts)
    quarantine.write(folder / "quarantine.tsv", [])
    slice_file = folder / f"{modality}.h5"
    writer = JpegStoreWriter(slice_file, {"stage": modality, "bound": BOUND, "size": "340x256"})
    for number, name in enumerate(names):
        encoded = jpegs(modality, number)
        writer.add(name, map(len, encoded), io.BytesIO(b"".join(encoded)), 25.0)
    writer.close()
    pack.pack_shards([slice_file], folder / "manifest.parquet", [folder / "quarantine.tsv"], out, modality, 1)
    return out


def tasks_of(folder: Path, recipe: Recipe) -> list[list[Video]]:
    """What TrainingClips takes: the videos, read from shards of the recipe's modalities."""
    readers = {modality: ShardReader(made(folder, modality)) for modality in clip_sampling.modalities(recipe)}
    return [[Video(readers, name, number % 2) for number, name in enumerate(next(iter(readers.values())).videos)]]
