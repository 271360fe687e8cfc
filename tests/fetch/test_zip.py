"""Zip archives as people's packers write them: names in any encoding."""

import struct
import zipfile
import zlib

import pytest

from pipeline.fetch.archives import unpack
from pipeline.fetch.archives.zip import read


def write_raw_names(path, names, extra=lambda raw: b""):
    """A zip whose member names are these bytes, without the UTF-8 flag; zipfile itself would set it."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, raw in enumerate(names):
            info = zipfile.ZipInfo("x" * (len(raw) - 2) + f"{number:02}")
            info.extra = extra(raw)
            archive.writestr(info, b"clip")
    data = path.read_bytes()
    for number, raw in enumerate(names):
        data = data.replace(b"x" * (len(raw) - 2) + f"{number:02}".encode(), raw)
    path.write_bytes(data)
    return path


def names_of(path):
    return [member.name for member, _ in read(path)]


def unicode_path(name, crc_of=None):
    def extra(raw):
        text = name.encode()
        return struct.pack("<HHBL", 0x7075, 5 + len(text), 1, zlib.crc32(crc_of or raw)) + text

    return extra


def test_utf8_names_without_the_flag_are_utf8(tmp_path):
    names = ["café/é1.avi", "café/クラス/2.avi", "plain/1.avi"]
    archive = write_raw_names(tmp_path / "a.zip", [name.encode() for name in names])
    assert names_of(archive) == names
    (tmp_path / "out").mkdir()
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out/café/クラス/2.avi").read_bytes() == b"clip"


@pytest.mark.parametrize("name", ["café/1.avi", "Grüße/ß.avi", "señal/ñ.avi", "ÄÖÜ/é à è.avi"])
def test_cp437_names_stay_cp437(tmp_path, name):
    assert names_of(write_raw_names(tmp_path / "a.zip", [name.encode("cp437")])) == [name]


def test_the_unicode_path_of_a_member_is_its_name_unless_the_member_was_renamed(tmp_path):
    raw = "caf_é.avi".encode("cp437")
    field = unicode_path("café_クラス.avi")
    assert names_of(write_raw_names(tmp_path / "a.zip", [raw], field)) == ["café_クラス.avi"]
    assert names_of(write_raw_names(tmp_path / "c.zip", [b"caf?.avi"], unicode_path("café.avi"))) == ["café.avi"]
    stale = unicode_path("other.avi", crc_of=b"another name")
    assert names_of(write_raw_names(tmp_path / "b.zip", [raw], stale)) == ["caf_é.avi"]


def test_names_with_the_flag_are_read_as_before(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("├⌐/é.avi", b"")
    assert names_of(tmp_path / "a.zip") == ["├⌐/é.avi"]
