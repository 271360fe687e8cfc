"""Shards small enough for a test: a few videos made of arrays, written by the code that writes real ones."""

import io

import numpy as np
import pandas as pd
import simplejpeg

from pipeline.config.recipe import Recipe
from pipeline.formats import manifest, quarantine
from pipeline.formats.jpeg_store import JpegStoreWriter
from pipeline.formats.quarantine import QuarantineRow
from pipeline.formats.shards import ShardReader
from pipeline.shard import pack

RECIPE = Recipe(
    net="cnn_m_2048", options={"width": 0.03, "stride2": 1, "dropout": 0.3}, stack={"rgb": 1}, short_side=64, crop=56,
    rgb_jitter=0.1, sampler="balanced", batch=4, lr=0.01, milestones=[20], steps=40, weight_decay=0.0005,
    protocol="25 frames x centre", train_protocol="1 frame x centre", threads=1,
)  # fmt: skip


def tiny_shards(folder, videos, modality, classes=("left", "right"), bad=()):
    """A reader of `videos` (id -> uint8 (T, H, W, 3) or flow levels (T, 2, H, W)); labels take turns."""
    names = sorted([*videos, *bad])
    rows = [(v, v, classes[n % len(classes)], n % len(classes), 1, "0000") for n, v in enumerate(names)]
    facts = {"dataset": "tiny", "classes": list(classes), "fingerprint": "f"}
    manifest.write_parquet(folder / "manifest.parquet", pd.DataFrame(rows, columns=list(manifest.VIDEO_COLUMNS)), facts)
    quarantine.write(folder / "quarantine.tsv", [QuarantineRow(video, "frames", "bad", "torn") for video in bad])
    writer = JpegStoreWriter(folder / "0000.h5", {"stage": modality, "bound": 20, "size": "64x64"})
    for video, pictures in videos.items():
        jpegs = [encode(picture, modality) for picture in pictures]
        writer.add(video, map(len, jpegs), io.BytesIO(b"".join(jpegs)), 25.0)
    writer.close()
    out = folder / "shards" / modality
    pack.pack_shards([folder / "0000.h5"], folder / "manifest.parquet", [folder / "quarantine.tsv"], out, modality, 1)
    return ShardReader(out)


def smooth(count, height, width):
    """Moving colours that JPEG keeps well: uint8 (T, H, W, 3)."""
    time, y, x = np.mgrid[:count, :height, :width]
    waves = [np.sin((x + 3 * time) / 7), np.cos((y - 2 * time) / 5), np.sin((x + y + time) / 9)]
    return (128 + 100 * np.stack(waves, -1)).astype(np.uint8)


def encode(picture, modality):
    """One picture as a JPEG; flow stacked, x above y."""
    if modality == "rgb":
        return simplejpeg.encode_jpeg(picture, quality=95)
    return simplejpeg.encode_jpeg(picture.reshape(-1, picture.shape[-1], 1), quality=100, colorspace="GRAY")


def tiny_splits(path, names, classes=("left", "right"), test=()):
    """splits.parquet with one split: the videos of `test` test, the others train; labels as in tiny_shards."""
    rows = [
        (v, classes[n % len(classes)], n % len(classes), 1, "test" if v in test else "train", True)
        for n, v in enumerate(sorted(names))
    ]
    manifest.write_parquet(path, pd.DataFrame(rows, columns=list(manifest.SPLIT_COLUMNS)), {"dataset": "tiny"})
    return path
