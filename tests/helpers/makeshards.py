"""Slices, a manifest and shards for tests, from drawn pictures."""

import io

import numpy as np
import pandas as pd
import simplejpeg

from pipeline.formats import manifest, quarantine
from pipeline.formats.jpeg_store import JpegStoreWriter
from pipeline.shard import __main__ as shard_command
from tests.helpers.makevideo import pictures

COUNTS = {"a/1.avi": 5, "a/2.avi": 9, "b/1.avi": 3, "b/2.avi": 7}


def jpegs(video, modality="rgb", size=(64, 48)):
    """A video's pictures; flow has one fewer, grey and twice as high."""
    width, height = size
    count, start = COUNTS[video], 20 * list(COUNTS).index(video)
    if modality == "rgb":
        return [simplejpeg.encode_jpeg(np.ascontiguousarray(p)) for p in pictures(start + count, width, height)[start:]]
    grey = pictures(start + count - 1, width, 2 * height)[start:, :, :, :1]
    return [simplejpeg.encode_jpeg(np.ascontiguousarray(p), colorspace="GRAY") for p in grey]


def slice_file(path, videos, modality="rgb", size=(64, 48), **settings):
    writer = JpegStoreWriter(path, {"stage": modality, **settings})
    for video in videos:
        data = jpegs(video, modality, size)
        writer.add(video, map(len, data), io.BytesIO(b"".join(data)), 25.0)
    writer.close()
    return path


def manifest_file(folder, videos=tuple(COUNTS), bad=()):
    rows = [(v, v, v[0], "ab".index(v[0]), 1, "0000") for v in videos]
    facts = {"dataset": "d", "classes": ["a", "b"], "fingerprint": "f" * 12}
    manifest.write_parquet(folder / "manifest.parquet", pd.DataFrame(rows, columns=list(manifest.VIDEO_COLUMNS)), facts)
    quarantine.write(folder / "quarantine.tsv", [quarantine.QuarantineRow(v, "frames", "bad", "why") for v in bad])
    return folder / "manifest.parquet"


def slices(folder, modality="rgb", **settings):
    order = (["b/1.avi", "a/2.avi"], ["b/2.avi", "a/1.avi"])
    folder.mkdir(exist_ok=True)
    return [slice_file(folder / f"{modality}{n}.h5", v, modality, **settings) for n, v in enumerate(order)]


def packed(folder, modality="rgb", videos=tuple(COUNTS), bad=(), files=None, **settings):
    """A folder of shards of two slices; every option has a use in some test."""
    files = files or slices(folder, modality, **({"bound": 20} if modality == "flow" else {}) | settings)
    where = ["--manifest", str(manifest_file(folder, videos, bad)), "--quarantine", str(folder / "quarantine.tsv")]
    out = folder / "shards" / modality
    shard_command.main(["pack", *map(str, files), *where, "--modality", modality, "--mib", "0", "--out", str(out)])
    return out
