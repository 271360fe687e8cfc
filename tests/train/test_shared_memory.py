"""Chunks in shared memory arrive unchanged, and a buffer is not written while a tensor still refers to it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from pipeline.inputs import clip_volumes
from pipeline.train import shared_memory
from pipeline.train.dataset import ChunkSampler, TrainingClips, Video
from pipeline.train.distributed import ProcessGroup
from pipeline.train.loader import chunks, step_chunks, training_loader
from tests.helpers.tinydata import RECIPE, smooth, tiny_shards

BOTH = replace(RECIPE, stack={"rgb": 1, "flow": 2}, frames=2, short_side=24, crop=16, batch=5, steps=6)
BOTH = replace(BOTH, micro_batch=2, sampler="epoch")
ALONE = ProcessGroup(1, 0, 0)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    flow = {name: np.full((8, 2, 24, 32), 99 + 9 * n, np.uint8) for n, name in enumerate("abcd")}
    videos = {"rgb": {name: smooth(9 + n, 24, 32)[n:] for n, name in enumerate("abcd")}, "flow": flow}
    readers = {name: tiny_shards(tmp_path_factory.mktemp(name), frames, name) for name, frames in videos.items()}
    return TrainingClips([[Video(readers, name, n) for n, name in enumerate("abcd")]], BOTH, 0)


def flat(chunk):
    sample, labels, tasks = chunk
    return [tensor for pair in sample for tensor in pair] + [labels, tasks]


def single_samples(data, sampler):
    """Every chunk, made of samples that are read one at a time."""
    for positions in sampler:
        samples = [data[position] for position in positions]
        labels, tasks = (torch.tensor([sample[index] for sample in samples]) for index in (1, 2))
        yield flat((clip_volumes.collate([sample for sample, *_ in samples]), labels, tasks))


def same(one, other):
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("buffers", [0, 1, 20])
def test_chunks_equal_their_samples_however_many_buffers_there_are(data, workers, buffers, monkeypatch):
    monkeypatch.setattr(
        shared_memory, "make_pool", lambda sampler, _: shared_memory.BufferPool(sampler.recipe, 2, buffers)
    )
    sampler = ChunkSampler(BOTH, ALONE, 0)
    kept = [flat(chunk) for chunk in chunks(training_loader(data, sampler, workers, None))]
    assert len(kept) == 18
    assert all(same(*pair) for pair in zip(kept, single_samples(data, sampler), strict=True))


def test_a_training_reuses_its_buffers(data):
    sampler = ChunkSampler(BOTH, ALONE, 0)
    loader = training_loader(data, sampler, 0, None)
    pool, addresses = loader.dataset.pool, set()
    for step in step_chunks(loader, sampler.chunks_per_step):
        addresses |= {flat(chunk)[0].data_ptr() for chunk in step}
    assert len(addresses) <= len(pool.buffers)
    del step
    assert len(pool.free) == len(pool.buffers)


def test_a_buffer_is_freed_with_the_last_view_of_it(data):
    pool = shared_memory.BufferPool(BOTH, 2, 1)
    buffer = pool.acquire()
    view = flat(pool.read(buffer, 2))[2][1:, 0]
    assert pool.acquire() is None
    del view
    assert pool.acquire() == buffer


def test_workers_decode_although_opencv_had_started_threads_before(data):
    threads = cv2.getNumThreads()
    cv2.setNumThreads(4)
    cv2.resize(np.zeros((999, 999, 3), np.uint8), (1500, 1500))  # starts them
    sampler = ChunkSampler(replace(BOTH, crop_scales=[0.8]), ALONE, 0)  # pictures that are resized
    clips = TrainingClips(data.tasks, sampler.recipe, 0)
    assert len(list(chunks(training_loader(clips, sampler, 1, None)))) == 18
    cv2.setNumThreads(threads)
