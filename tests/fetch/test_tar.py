"""Tar archives are read to their last byte: nothing after an end mark is lost in silence."""

import gzip
import io
import tarfile

import pytest

from pipeline.fetch.archives import unpack
from pipeline.fetch.archives.members import Damaged, Unsupported

LARGE = bytes(range(256)) * 200


def tar(members, **options):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", **options) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def unpacked(tmp_path, data):
    (tmp_path / "a.tar").write_bytes(data)
    (tmp_path / "out").mkdir()
    unpack(tmp_path / "a.tar", tmp_path / "out")
    return {str(p.relative_to(tmp_path / "out")): p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}


ONE, TWO = tar({"x/1.avi": b"one", "x/big.avi": LARGE}), tar({"y/2.avi": b"two"})
FULL = {"x/1.avi": b"one", "x/big.avi": LARGE, "y/2.avi": b"two"}


@pytest.mark.parametrize(
    "data",
    [
        ONE + TWO,
        ONE + bytes(100 * 512) + TWO + bytes(3),
        gzip.compress(ONE + TWO),
        gzip.compress(ONE) + gzip.compress(TWO),
        gzip.compress(ONE[:5000]) + gzip.compress(ONE[5000:] + TWO),
    ],
)
def test_concatenated_archives_give_the_members_of_all(tmp_path, data):
    assert unpacked(tmp_path, data) == FULL


@pytest.mark.parametrize("tail", [b"something else", b"x" * 512, b"x" * 70_000])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_content_after_the_end_mark_that_is_no_tar_is_refused(tmp_path, pack, tail):
    with pytest.raises(Damaged, match=f"what follows its end mark at byte {len(ONE):,} is no tar archive"):
        unpacked(tmp_path, pack(ONE + tail))


def test_bytes_after_a_gzip_stream_are_refused(tmp_path):
    with pytest.raises(Damaged, match="Not a gzipped file"):
        unpacked(tmp_path, gzip.compress(ONE) + b"appended")


def test_a_damaged_header_in_the_middle_is_not_taken_for_the_end(tmp_path):
    data = bytearray(ONE)
    data[1024 + 10] ^= 1
    with pytest.raises(Damaged, match="header at byte 1,024 is damaged"):
        unpacked(tmp_path, bytes(data))


def test_a_truncated_second_archive_is_refused(tmp_path):
    with pytest.raises(Damaged, match="end mark of a tar archive is missing"):
        unpacked(tmp_path, ONE + TWO[:1024])


def test_folders_are_recognised_however_they_are_written(tmp_path):
    members = {"x": b"", "x/1.avi": b"one", "y/": b"", "z/2.avi": b"two", "z": b""}
    assert unpacked(tmp_path, tar(members)) == {"x/1.avi": b"one", "z/2.avi": b"two"}
    assert (tmp_path / "out/y").is_dir()


def test_a_part_of_a_multi_volume_tar_is_named(tmp_path):
    data = bytearray(tar({"x.avi": b"rest"}))
    header = tarfile.TarInfo("x.avi")
    header.type, header.size = b"M", 4
    data[:512] = header.tobuf()
    with pytest.raises(Unsupported, match="begins in another volume of a multi-volume tar; unpack"):
        unpacked(tmp_path, bytes(data))
