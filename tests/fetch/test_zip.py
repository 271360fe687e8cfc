"""Zip archives as people's packers write them: names in any encoding, folders, appended bytes, parts."""

import io
import stat
import struct
import zipfile
import zlib

import pytest

from pipeline.fetch.archives import unpack
from pipeline.fetch.archives.members import Unsupported
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


def write(path, members, **attributes):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            for attribute, value in attributes.items():
                setattr(info, attribute, value)
            archive.writestr(info, data)
    return path


def unpacked(archive):
    folder = archive.parent / "out"
    folder.mkdir()
    unpack(archive, folder)
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("attributes", [0x10, stat.S_IFDIR << 16, 0o40755 << 16 | 0x10])
def test_a_folder_without_a_slash_is_known_by_its_attributes(tmp_path, attributes):
    write(tmp_path / "a.zip", {"Empty": b"", "Walk": b""}, external_attr=attributes)
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        archive.writestr("Walk/1.avi", b"clip")
    assert unpacked(tmp_path / "a.zip") == {"Walk/1.avi"}
    assert (tmp_path / "out/Empty").is_dir()


def test_folders_of_windows_and_folders_written_as_empty_files(tmp_path):
    write(tmp_path / "a.zip", {"Run\\": b"", "Run\\1.avi": b"clip", "Walk": b"", "Walk/1.avi": b"clip", "Sit/": b""})
    assert unpacked(tmp_path / "a.zip") == {"Run/1.avi", "Walk/1.avi"}
    assert (tmp_path / "out/Sit").is_dir()


def test_concatenated_archives_are_refused_with_what_to_do(tmp_path):
    one, two = (write(tmp_path / name, {name: b"clip"}).read_bytes() for name in "ab")
    (tmp_path / "both.zip").write_bytes(one + two)
    with pytest.raises(Unsupported, match=r"at byte 0 of \d+ it holds a member that its directory does not list.*zip"):
        unpacked(tmp_path / "both.zip")


def test_a_member_that_the_directory_lacks_is_noticed(tmp_path):
    data = write(tmp_path / "a.zip", {"1.avi": b"one", "2.avi": b"two", "3.avi": b"three"}).read_bytes()
    begin = data.index(b"PK\1\2", data.index(b"PK\1\2") + 1)
    end = data.index(b"PK\1\2", begin + 1)
    record = bytearray(data[data.index(b"PK\5\6") :])
    record[8:16] = struct.pack("<HHL", 2, 2, struct.unpack("<L", record[12:16])[0] - (end - begin))
    (tmp_path / "a.zip").write_bytes(data[:begin] + data[end : data.index(b"PK\5\6")] + record)
    with pytest.raises(Unsupported, match="at byte 38 of .* it holds a member that its directory does not list"):
        unpacked(tmp_path / "a.zip")


@pytest.mark.parametrize("tail", [b"\nappended", b"x" * 60_000, b"x" * 3_000_000])
def test_bytes_after_the_end_mark_are_refused(tmp_path, tail):
    path = write(tmp_path / "a.zip", {"1.avi": b"one"})
    path.write_bytes(path.read_bytes() + tail)
    with pytest.raises(Unsupported, match=f"{len(tail):,} bytes follow its end mark"):
        unpacked(path)


def test_a_comment_zeros_and_data_descriptors_are_no_content(tmp_path):
    class Stream(io.BytesIO):
        def seekable(self):
            return False

        def seek(self, *_):
            raise io.UnsupportedOperation

    stream = Stream()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.comment = b"made by hand"
        archive.writestr("1.avi", b"one")
        archive.writestr("2.avi", b"two")
    (tmp_path / "a.zip").write_bytes(stream.getvalue() + bytes(1000))
    assert unpacked(tmp_path / "a.zip") == {"1.avi", "2.avi"}


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.part1.rar", b"Rar!\x1a\x07\x00" + b"\xcf\x90\x73\x01\x01" + bytes(9), "part of a multi-part RAR.*unrar x"),
        ("a.rar", b"Rar!\x1a\x07\x01\x00" + bytes(4) + bytes([5, 1, 0, 1]) + bytes(9), "part of a multi-part RAR"),
        ("a.rar", b"Rar!\x1a\x07\x01\x00" + bytes(4) + bytes([5, 1, 1, 9, 1]) + bytes(9), "part of a multi-part RAR"),
        ("a.z01", b"PK\x07\x08PK\x03\x04" + bytes(99), "the first part of a multi-part zip archive; .*zip -s 0"),
        ("a.z02", b"the middle of a file" * 99, "name is that of one part of a multi-part archive; .*zip -s 0"),
        ("a.zip.001", b"PK\x03\x04" + bytes(99), "name is that of one part .*; join all parts in their order"),
        ("a.tar.gz.ab", b"the middle of a file" * 99, "name is that of one part .*; join all parts in their order"),
        (
            "a.7z",
            b"7z\xbc\xaf\x27\x1c" + bytes(99),
            "it is a 7z archive, and RAR, zip and tar are supported",
        ),
        ("a.tar.xz", b"\xfd7zXZ\0" + bytes(99), "it is a xz archive"),
    ],
)
def test_parts_and_other_formats_are_named_with_what_to_do(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(Unsupported, match=message) as caught:
        unpacked(tmp_path / name)
    assert "delete" not in str(caught.value)


def test_the_last_part_of_a_zip_is_named(tmp_path):
    path = write(tmp_path / "a.zip", {"1.avi": b"one"})
    data = bytearray(path.read_bytes())
    data[-18:-16] = b"\1\0"
    path.write_bytes(data)
    with pytest.raises(Unsupported, match="the last part of a multi-part zip archive"):
        unpacked(path)


def test_a_last_part_and_a_self_extracting_archive_are_known_by_their_end(tmp_path):
    data = write(tmp_path / "a.zip", {"1.avi": b"one"}).read_bytes()
    (tmp_path / "a.zip").write_bytes(b"#!/bin/sh\n" * 99 + data)
    with pytest.raises(Unsupported, match="a zip archive with something before its first member"):
        unpacked(tmp_path / "a.zip")
    part = bytearray(b"the end of a clip" + data)
    part[-18:-16] = b"\1\0"
    (tmp_path / "b").mkdir()
    (tmp_path / "b/b.zip").write_bytes(part)
    with pytest.raises(Unsupported, match="the last part of a multi-part zip archive"):
        unpacked(tmp_path / "b/b.zip")
