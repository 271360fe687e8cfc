"""Chunks that travel in memory used again and again arrive whole, and nobody writes where somebody still reads."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from pipeline.inputs import clip_volumes
from pipeline.train import shared_memory
from pipeline.train.dataset import Batches, TrainingClips, Video
from pipeline.train.distributed import World
from pipeline.train.loader import loader_of, opened, steps
from tests.helpers.tinydata import RECIPE, smooth, tiny_shards

BOTH = replace(RECIPE, stack={"rgb": 1, "flow": 2}, frames=2, short_side=24, crop=16, batch=5, steps=6)
BOTH = replace(BOTH, micro_batch=2, sampler="epoch")
ALONE = World(1, 0, 0)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    flow = {name: np.full((8, 2, 24, 32), 99 + 9 * n, np.uint8) for n, name in enumerate("abcd")}
    made = {"rgb": {name: smooth(9 + n, 24, 32)[n:] for n, name in enumerate("abcd")}, "flow": flow}
    readers = {name: tiny_shards(tmp_path_factory.mktemp(name), videos, name) for name, videos in made.items()}
    return TrainingClips([[Video(readers, name, n) for n, name in enumerate("abcd")]], BOTH, 0)


def flat(chunk):
    sample, labels, tasks = chunk
    return [tensor for pair in sample for tensor in pair] + [labels, tasks]


def alone(data, order):
    """Every chunk, from samples made one at a time."""
    for positions in order:
        made = [data[position] for position in positions]
        labels, tasks = (torch.tensor([sample[place] for sample in made]) for place in (1, 2))
        yield flat((clip_volumes.batch([sample for sample, *_ in made]), labels, tasks))


def same(one, other):
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("slots", [0, 1, 20])
def test_chunks_are_those_of_their_samples_however_many_are_kept(data, workers, slots, monkeypatch):
    monkeypatch.setattr(shared_memory, "pool_for", lambda order, _: shared_memory.Pool(order.recipe, 2, slots))
    order = Batches(BOTH, ALONE, 0)
    kept = [flat(chunk) for chunk in opened(loader_of(data, order, workers, None))]
    assert len(kept) == 18
    assert all(same(*pair) for pair in zip(kept, alone(data, order), strict=True))


def test_a_training_needs_no_more_memory_than_its_slots(data):
    order = Batches(BOTH, ALONE, 0)
    loader = loader_of(data, order, 0, None)
    pool, places = loader.dataset.pool, set()
    for chunks in steps(loader, order.chunks):
        places |= {flat(chunk)[0].data_ptr() for chunk in chunks}
    assert len(places) <= len(pool.memory)
    del chunks
    assert len(pool.free) == len(pool.memory)


def test_a_slot_is_free_only_when_the_last_view_of_it_is_gone(data):
    pool = shared_memory.Pool(BOTH, 2, 1)
    slot = pool.take()
    view = flat(pool.open(slot, 2))[2][1:, 0]
    assert pool.take() is None
    del view
    assert pool.take() == slot


def test_processes_decode_although_opencv_had_threads_before(data):
    threads = cv2.getNumThreads()
    cv2.setNumThreads(4)
    cv2.resize(np.zeros((999, 999, 3), np.uint8), (1500, 1500))  # starts them
    order = Batches(replace(BOTH, crop_scales=[0.8]), ALONE, 0)  # pictures that are resized
    whole = TrainingClips(data.tasks, order.recipe, 0)
    assert len(list(opened(loader_of(whole, order, 1, None)))) == 18
    cv2.setNumThreads(threads)
