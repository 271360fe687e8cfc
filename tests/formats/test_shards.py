"""The shard reader: the same pictures in every process, no other bytes read, and damaged shards refused."""

import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import simplejpeg
import torch

from pipeline.common.errors import UserError
from pipeline.formats.shards import MAX_OPEN, ShardReader
from tests.helpers.makeshards import COUNTS, jpegs, packed


class Bytes(torch.utils.data.Dataset):
    """Every picture of every video as a sum of its bytes and the reading process."""

    def __init__(self, folder):
        self.reader = ShardReader(folder)
        self.reader.jpegs("a/1.avi", [0])  # a file is open when the workers start

    def __len__(self):
        return len(COUNTS)

    def __getitem__(self, item):
        video = list(COUNTS)[item]
        return video, self.reader.jpegs(video, range(COUNTS[video])), os.getpid()


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_read_the_same_bytes(tmp_path, start):
    loader = torch.utils.data.DataLoader(
        Bytes(packed(tmp_path)), batch_size=None, num_workers=2, multiprocessing_context=start
    )
    samples = list(loader)
    assert {video: pictures for video, pictures, _ in samples} == {video: jpegs(video) for video in COUNTS}
    assert os.getpid() not in {process for *_, process in samples}


def test_a_pickle_has_no_open_files(tmp_path):
    reader = ShardReader(packed(tmp_path))
    reader.jpegs("a/1.avi", [0])
    again = pickle.loads(pickle.dumps(reader))  # noqa: S301 (our own)
    assert (len(reader._handles), len(again._handles)) == (1, 0)
    assert again.jpegs("a/1.avi", [1]) == reader.jpegs("a/1.avi", [1])


def test_the_number_of_open_shards_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.formats.shards.MAX_OPEN", 2)
    reader = ShardReader(packed(tmp_path))
    before = len(os.listdir("/proc/self/fd"))
    assert [len(reader.jpegs(video, range(2))) for video in COUNTS] == [2] * 4
    assert len(os.listdir("/proc/self/fd")) == before + 2
    reader.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert MAX_OPEN < 1024


@pytest.mark.parametrize("numbers", [[0], [8], [3, 4, 5], [7, 2, 2, 0], [8, 8]])
def test_any_pictures_can_be_read_in_any_order(tmp_path, numbers):
    everything = jpegs("a/2.avi")
    assert ShardReader(packed(tmp_path)).jpegs("a/2.avi", numbers) == [everything[number] for number in numbers]


def test_reading_a_clip_reads_only_its_bytes(tmp_path, monkeypatch):
    reader, read = ShardReader(packed(tmp_path)), []
    preadv = os.preadv
    monkeypatch.setattr(os, "preadv", lambda *args: read.append(len(args[1][0])) or preadv(*args))
    wanted = reader.jpegs("a/2.avi", [2, 3, 4])
    assert sum(read) == sum(map(len, wanted)) + 4 * 8


def test_threads_can_share_a_reader(tmp_path):
    reader, videos = ShardReader(packed(tmp_path)), list(COUNTS) * 50
    expected = {video: reader.rgb(video, range(3)) for video in COUNTS}
    with ThreadPoolExecutor(8) as pool:
        results = pool.map(lambda video: (video, reader.rgb(video, range(3))), videos)
    assert all((clip == expected[video]).all() for video, clip in results)


def test_frames_are_decoded_exactly(tmp_path):
    clip = ShardReader(packed(tmp_path)).rgb("a/2.avi", [4, 1])
    assert (clip.shape, clip.dtype) == ((2, 48, 64, 3), np.uint8)
    assert all((a == simplejpeg.decode_jpeg(jpegs("a/2.avi")[n])).all() for a, n in zip(clip, [4, 1], strict=True))


def test_a_crop_is_the_same_part_of_every_picture(tmp_path):
    rgb, flow = ShardReader(packed(tmp_path)), ShardReader(packed(tmp_path, "flow"))
    part = (slice(None), slice(8, 40), slice(5, 37))
    assert (rgb.rgb("a/2.avi", [1, 2], (8, 5, 32, 32)) == rgb.rgb("a/2.avi", [1, 2])[part]).all()
    whole = flow.flow("a/2.avi", [1, 2])
    assert (flow.flow("a/2.avi", [1, 2], (8, 5, 32, 32)) == whole[:, :, 8:40, 5:37]).all()


def test_at_least_decodes_a_smaller_picture(tmp_path):
    reader = ShardReader(packed(tmp_path))
    whole = reader.rgb("a/2.avi", [3])[0].astype(float)
    small = reader.rgb("a/2.avi", [3], at_least=(24, 30))[0]
    assert small.shape == (24, 32, 3)
    assert abs(whole.reshape(24, 2, 32, 2, 3).mean((1, 3)) - small).mean() < 3
    assert reader.rgb("a/2.avi", [3], (8, 16, 32, 32), (24, 32)).shape == (1, 16, 16, 3)


@pytest.mark.parametrize("modality", ["flow", "backward"])
def test_flow_is_read_as_x_and_y(tmp_path, modality):
    fields = ShardReader(packed(tmp_path, modality)).flow("a/2.avi", [3, 5])
    stacked = simplejpeg.decode_jpeg(jpegs("a/2.avi", modality)[5], colorspace="GRAY")
    assert fields.shape == (2, 2, 48, 64)
    assert (fields[1, 0] == stacked[:48, :, 0]).all()
    assert (fields[1, 1] == stacked[48:, :, 0]).all()


def test_another_bound_is_refused_with_both_values(tmp_path):
    with pytest.raises(UserError, match="was made with bound 32 but 20 is expected"):
        ShardReader(packed(tmp_path, "flow", bound=32), {"bound": 20})


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda reader: reader.jpegs("a/2.avi", [3, 9]), "a/2.avi has 9 rgb pictures, so number 9 does not exist"),
        (lambda reader: reader.jpegs("a/2.avi", [-1]), "number -1 does not exist"),
        (lambda reader: reader.count("z.avi"), "z.avi is not among the 4 videos"),
        (lambda reader: reader.rgb("a/2.avi", [0], (20, 0, 32, 32)), "is not inside pictures of 48x64"),
    ],
)
def test_unknown_pictures_videos_and_crops_are_user_errors(tmp_path, call, words):
    with pytest.raises(UserError, match=words):
        call(ShardReader(packed(tmp_path)))


def test_a_truncated_or_missing_shard_is_refused(tmp_path):
    out = packed(tmp_path)
    first, second = sorted(out.glob("*.h5"))[:2]
    os.truncate(first, first.stat().st_size // 2)
    second.unlink()
    reader = ShardReader(out)
    with pytest.raises(UserError, match="bytes early: make it again, with `snakemake --force"):
        [reader.jpegs(video, range(reader.count(video))) for video in reader.videos[:1]]
    with pytest.raises(UserError, match="is missing: make it again"):
        reader.jpegs(reader.videos[1], [0])
