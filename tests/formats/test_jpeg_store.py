"""The HDF5 files of slices and shards: they are read as written, and other settings are refused with both values."""

import io

import pytest

from pipeline.common.errors import UserError
from pipeline.formats.jpeg_store import CHUNK, JpegStore, JpegStoreWriter, check_settings

VIDEOS = {"a/1.avi": [b"one", b"two!", b""], "b/2.avi": [b"x" * (CHUNK + 5), b"y"]}


def write(path, videos=VIDEOS, total=None, **attributes):
    writer = JpegStoreWriter(path, attributes, total)
    for video, pictures in videos.items():
        writer.add(video, map(len, pictures), io.BytesIO(b"".join(pictures)), 25.0)
    writer.close()
    return path


@pytest.mark.parametrize("total", [None, CHUNK + 13])
def test_pictures_are_read_as_they_were_written(tmp_path, total):
    with JpegStore(write(tmp_path / "s.h5", total=total)) as store:
        assert store.videos == list(VIDEOS)
        assert [list(store.pictures(n)) for n in range(2)] == list(VIDEOS.values())
        assert [b"".join(store.blocks(n)) for n in range(2)] == [b"".join(p) for p in VIDEOS.values()]
        assert [store.lengths(n) for n in range(2)] == [[3, 4, 0], [CHUNK + 5, 1]]
        assert ([store.count(n) for n in range(2)], store.fps.tolist()) == ([3, 2], [25, 25])


def test_attributes_are_read_as_python_values(tmp_path):
    attributes = {"stage": "flow", "bound": 20.0, "quality": 90, "scales": [1, 2], "median": True}
    with JpegStore(write(tmp_path / "s.h5", **attributes)) as store:
        assert store.attributes == {**attributes, "scales": "[1, 2]"}
        check_settings(store.attributes, attributes, "s.h5")


def test_the_same_videos_give_the_same_bytes(tmp_path):
    a, b = (write(tmp_path / name, stage="frames").read_bytes() for name in ("a.h5", "b.h5"))
    assert a == b


def test_a_file_without_videos_is_whole(tmp_path):
    with JpegStore(write(tmp_path / "s.h5", {})) as store:
        assert (store.videos, len(store.offsets)) == ([], 1)


def test_the_pictures_of_a_shard_are_contiguous_and_those_of_a_slice_are_not(tmp_path):
    data = b"".join(b"".join(pictures) for pictures in VIDEOS.values())
    with JpegStore(write(tmp_path / "packed.h5", total=len(data))) as store:
        begin = store.file_offset("jpeg")
    assert (tmp_path / "packed.h5").read_bytes()[begin : begin + len(data)] == data
    with JpegStore(write(tmp_path / "slice.h5")) as store, pytest.raises(UserError, match="stores jpeg in chunks"):
        store.file_offset("jpeg")


def test_lengths_that_do_not_sum_to_the_bytes_are_refused(tmp_path):
    writer = JpegStoreWriter(tmp_path / "s.h5", {})
    with pytest.raises(ValueError, match=r"a has 5 bytes, but its lengths sum to 4"):
        writer.add("a", [2, 2], io.BytesIO(b"12345"), 0)


@pytest.mark.parametrize("data", [b"", b"text", b"\x89HDF\r\n\x1a\n" + bytes(64)])
def test_an_incomplete_file_is_a_user_error(tmp_path, data):
    (tmp_path / "s.h5").write_bytes(data)
    with pytest.raises(UserError, match="is not a complete frames or flow file"):
        JpegStore(tmp_path / "s.h5")


def test_another_setting_is_refused_with_both_values():
    with pytest.raises(UserError, match="was made with bound 32 but 20 is expected"):
        check_settings({"bound": 32}, {"bound": 20}, "0007.h5")
    with pytest.raises(UserError, match="does not record its bound"):
        check_settings({}, {"bound": 20}, "0007.h5")
