"""Archives: whole, truncated, damaged and hostile ones of every kind."""

import gzip
import io
import os
import random
import resource
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from pipeline.common.errors import UserError
from pipeline.fetch.archives import rar, unpack
from pipeline.fetch.archives.layout import content_folder, unpack_nested
from pipeline.fetch.archives.members import Damaged, Unsupported
from tests.helpers.rarwriter import FOLDER_FLAGS, LINK_MODE, PASSWORD, rar4, rar5

CLIP = random.Random(1).randbytes(70_000)
MEMBERS = {"Top/Walk/v_Walk_1.avi": CLIP, "Top/Run/v_Run_1.avi": CLIP[::-1]}


def write_zip(path: Path, members: dict[str, bytes], mode: int = stat.S_IFREG | 0o644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, data)
    return path


def write_tar(path: Path, members: dict[str, bytes], kind: bytes = tarfile.REGTYPE, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            info.size = len(data) if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(data))
    return path


def write_targz(path: Path, members: dict[str, bytes]) -> Path:
    return write_tar(path, members, mode="w:gz")


WRITERS = {"rar4": rar4, "rar5": rar5, "zip": write_zip, "tar": write_tar, "tar.gz": write_targz}
every_kind = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())


def unpacked(archive: Path) -> dict[str, bytes]:
    folder = archive.parent / "folder"
    folder.mkdir()
    unpack(archive, folder)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@every_kind
def test_every_member_comes_out_as_it_went_in(tmp_path, write):
    assert unpacked(write(tmp_path / "a", MEMBERS)) == MEMBERS


@every_kind
@pytest.mark.parametrize("share", [0.1, 0.6, 0.9])
def test_a_truncated_archive_is_named(tmp_path, write, share):
    archive = write(tmp_path / "a", MEMBERS)
    os.truncate(archive, int(archive.stat().st_size * share))
    with pytest.raises(Damaged, match="cannot be unpacked"):
        unpacked(archive)


def test_a_tar_cut_between_two_members_is_truncated_too(tmp_path):
    archive = write_tar(tmp_path / "a", MEMBERS)
    os.truncate(archive, 512 + 70_144)
    with pytest.raises(Damaged, match="end mark of a tar archive is missing"):
        unpacked(archive)


@pytest.mark.parametrize("write", [rar4, rar5, write_zip, write_targz])  # a plain tar has no checksum of its contents
def test_a_flipped_bit_is_noticed(tmp_path, write):
    archive = write(tmp_path / "a", MEMBERS)
    data = bytearray(archive.read_bytes())
    data[len(data) // 3] ^= 4
    archive.write_bytes(data)
    with pytest.raises(Damaged, match="damaged"):
        unpacked(archive)


@every_kind
@pytest.mark.parametrize("name", ["../out.avi", "a/../../out.avi", "/etc/out.avi", "..\\out.avi", "C:\\out.avi"])
def test_a_member_that_would_leave_the_folder_is_refused_by_name(tmp_path, write, name):
    with pytest.raises(Damaged, match=r"out\.avi' would be written outside"):
        unpacked(write(tmp_path / "a", {"good.avi": CLIP, name: CLIP}))
    assert not (tmp_path / "out.avi").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused_by_name(tmp_path, kind):
    with pytest.raises(Unsupported, match=r"its member 'odd' is a (link|device)"):
        unpacked(write_tar(tmp_path / "a", {"odd": b""}, kind))


def test_a_hard_link_to_a_member_of_the_tar_is_a_copy(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(_info("x/1.avi", size=len(CLIP)), io.BytesIO(CLIP))
        archive.addfile(_info("x/2.avi", tarfile.LNKTYPE, "x/1.avi"))
        archive.addfile(_info("x/3.avi", tarfile.LNKTYPE, "./x/2.avi"))
    assert unpacked(tmp_path / "a.tar") == dict.fromkeys(["x/1.avi", "x/2.avi", "x/3.avi"], CLIP)


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "later.avi", "."])
def test_a_hard_link_to_anything_else_is_refused_by_name(tmp_path, target):
    (tmp_path / "secret").write_text("secret")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(_info("odd", tarfile.LNKTYPE, target))
        archive.addfile(_info("later.avi"))
    with pytest.raises(Unsupported, match="'odd' is a hard link to .* which is no file before it"):
        unpacked(tmp_path / "a.tar")


def _info(name, kind=tarfile.REGTYPE, link="", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def test_a_compression_that_is_not_supported_is_named_before_anything_is_written(tmp_path):
    write_zip(tmp_path / "a.zip", MEMBERS)
    data = (tmp_path / "a.zip").read_bytes().replace(b"\x03\x14\0\0\0\0\0", b"\x03\x14\0\0\0\x09\0")
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(Unsupported, match=r"2 of its 2 members.*Deflate64, which is not supported here; unpack.*7z x"):
        unpacked(tmp_path / "a.zip")
    assert list((tmp_path / "folder").iterdir()) == []


def test_no_message_advises_to_delete_an_archive(tmp_path):
    (tmp_path / "folder").mkdir()
    truncated = write_zip(tmp_path / "truncated", MEMBERS)
    os.truncate(truncated, 900)
    linked = write_tar(tmp_path / "linked", {"odd": b""}, tarfile.SYMTYPE)
    for archive, error in ((truncated, Damaged), (linked, Unsupported)):
        with pytest.raises(error) as caught:
            unpack(archive, tmp_path / "folder")
        assert "delete" not in str(caught.value)


def test_links_in_zip_and_rar_are_refused_by_name(tmp_path):
    for archive in (
        write_zip(tmp_path / "z", {"odd": b"/etc"}, LINK_MODE),
        rar4(tmp_path / "r", {"odd": b"/e"}, LINK_MODE),
    ):
        (tmp_path / "folder").mkdir(exist_ok=True)
        with pytest.raises(Unsupported, match="its member 'odd' is a link"):
            unpack(archive, tmp_path / "folder")


@pytest.mark.parametrize("write", [rar4, rar5])
@pytest.mark.parametrize("tail", [b"x", b"x" * 3_000_000])
def test_bytes_after_the_end_mark_of_a_rar_are_refused_and_zeros_are_not(tmp_path, write, tail):
    archive = write(tmp_path / "a.rar", MEMBERS)
    size = archive.stat().st_size
    archive.write_bytes(archive.read_bytes() + bytes(999))
    assert unpacked(archive) == MEMBERS
    os.truncate(archive, size)
    archive.write_bytes(archive.read_bytes() + tail)
    with pytest.raises(Unsupported, match=f"{len(tail):,} bytes follow its end mark at byte {size:,}; cut it"):
        unpack(archive, tmp_path / "folder")


def test_concatenated_rars_are_refused_and_a_rar_without_an_end_mark_is_not(tmp_path):
    assert unpacked(rar4(tmp_path / "old.rar", MEMBERS, end=False)) == MEMBERS
    one = rar4(tmp_path / "one.rar", MEMBERS).read_bytes()
    (tmp_path / "both.rar").write_bytes(one + one)
    with pytest.raises(Unsupported, match="bytes follow its end mark"):
        unpack(tmp_path / "both.rar", tmp_path / "folder")


def test_a_password_is_named(tmp_path):
    with pytest.raises(Unsupported, match="password"):
        unpacked(rar4(tmp_path / "a", MEMBERS, flags=PASSWORD))


@pytest.mark.parametrize("write", [rar4, write_targz], ids=["rar4", "tar.gz"])
def test_a_name_given_twice_keeps_one_only_if_both_are_the_same(tmp_path, write):
    class Twice(dict):
        def items(self):
            return [("a.avi", CLIP), ("a.avi", self["second"])]

    assert unpacked(write(tmp_path / "same", Twice(second=CLIP))) == {"a.avi": CLIP}
    with pytest.raises(Unsupported, match=r"two different members.*'a.avi'"):
        unpack(write(tmp_path / "other", Twice(second=b"else")), tmp_path / "folder")


def test_names_that_differ_in_case_only_are_both_kept(tmp_path):
    members = {"HandStand/a.avi": CLIP, "Handstand/a.avi": b"other"}
    assert unpacked(rar4(tmp_path / "a", members)) == members


def test_a_file_where_a_folder_is_needed_is_named(tmp_path):
    with pytest.raises(Unsupported, match="'a/b' needs a folder"):
        unpacked(write_tar(tmp_path / "a", {"a": CLIP, "a/b": CLIP}))


def test_odd_names_survive(tmp_path):
    members = {"kiss/#20_(Rhett & Link)_kiss_u_cm_np2_le_goo_0.avi": CLIP, "kiss/a  b'c;d.avi": CLIP}
    for write in WRITERS.values():
        folder = tmp_path / write.__name__
        folder.mkdir()
        assert unpacked(write(folder / "a", members)) == members


def test_empty_folders_stay_and_macos_leftovers_do_not(tmp_path):
    archive = write_zip(tmp_path / "a", {"Top/Empty/": b"", "Top/a.txt": b"1", "__MACOSX/Top/._a.txt": b"x"})
    assert unpacked(archive) == {"Top/a.txt": b"1"}
    assert (tmp_path / "folder/Top/Empty").is_dir()


def test_empty_folders_of_a_rar_stay(tmp_path):
    assert unpacked(rar4(tmp_path / "a", {"Top/Empty": b""}, 0o040755, FOLDER_FLAGS)) == {}
    assert (tmp_path / "folder/Top/Empty").is_dir()


def test_a_device_in_a_rar_is_refused_by_name(tmp_path):
    with pytest.raises(Unsupported, match="its member 'odd' is a device"):
        unpacked(rar4(tmp_path / "a", {"odd": b""}, 0o020644))


def test_a_page_is_not_an_archive(tmp_path):
    (tmp_path / "UCF101.rar").write_bytes(b"\n<!DOCTYPE HTML><html>404</html>")
    with pytest.raises(Damaged, match=r"UCF101\.rar cannot be unpacked: it is a web page"):
        unpacked(tmp_path / "UCF101.rar")


def test_disk_space_is_checked_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 100_000})())
    with pytest.raises(UserError, match=r"needs 140,000 bytes of disk to unpack and .* has 100,000 left"):
        unpacked(rar4(tmp_path / "a", MEMBERS))
    assert list((tmp_path / "folder").iterdir()) == []


@every_kind
def test_a_full_disk_is_reported_with_the_bytes_needed(tmp_path, write):
    archive = write(tmp_path / "a", MEMBERS)
    (tmp_path / "folder").mkdir()
    code = (
        "import sys; from pathlib import Path; from pipeline.common.cli import run;"
        "from pipeline.fetch.archives import unpack;"
        f"run(lambda args: unpack(Path({str(archive)!r}), Path({str(tmp_path / 'folder')!r})))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
        capture_output=True,
        text=True,
    )
    assert "bytes of disk to unpack" in process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize("write", [rar4, write_targz], ids=["rar4", "tar.gz"])
def test_a_large_member_is_streamed(tmp_path, write):
    archive = write(tmp_path / "a", {"big.avi": bytes(200_000_000)})
    (tmp_path / "folder").mkdir()
    code = (
        "from pathlib import Path; from benchmarks import host; from pipeline.fetch.archives import unpack;"
        "before = host.largest();"
        f"unpack(Path({str(archive)!r}), Path({str(tmp_path / 'folder')!r}));"
        "print(host.largest() - before)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(process.stdout) < 50  # MiB


def test_a_rar_of_rars_becomes_class_folders(tmp_path):
    inner = rar4(tmp_path / "inner", {"kiss/a.avi": CLIP, "kiss/b.avi": CLIP}).read_bytes()
    flat = rar4(tmp_path / "flat", {"c.avi": CLIP}).read_bytes()
    assert set(unpacked(rar4(tmp_path / "a", {"kiss.rar": inner, "wave.rar": flat}))) == {"kiss.rar", "wave.rar"}
    unpack_nested(tmp_path / "a", tmp_path / "folder")
    paths = {path.relative_to(tmp_path / "folder").as_posix() for path in (tmp_path / "folder").rglob("*.*")}
    assert paths == {"kiss/a.avi", "kiss/b.avi", "wave/c.avi"}


def test_a_damaged_inner_archive_is_named_with_the_outer_one(tmp_path):
    inner = rar4(tmp_path / "inner", {"kiss/a.avi": CLIP}).read_bytes()
    unpacked(rar4(tmp_path / "outer.rar", {"kiss.rar": inner[:-5000]}))
    with pytest.raises(
        Damaged, match=r"outer\.rar cannot be unpacked: its member 'kiss\.rar' is an archive and damaged"
    ):
        unpack_nested(tmp_path / "outer.rar", tmp_path / "folder")


def test_inner_archives_that_cannot_be_unpacked_are_named(tmp_path, capsys):
    inner = {"walk.7z": b"7z\xbc\xaf\x27\x1c" + bytes(99), "notes.zip": b"no archive", "a.avi": CLIP}
    unpacked(rar4(tmp_path / "outer.rar", inner))
    unpack_nested(tmp_path / "outer.rar", tmp_path / "folder")
    text = capsys.readouterr().err
    assert "warning: the member 'walk.7z' of" in text
    assert "it is a 7z archive" in text
    assert "warning: the member 'notes.zip' of" in text
    last = bytearray(write_zip(tmp_path / "last", MEMBERS).read_bytes())
    last[-18:-16] = b"\1\0"
    (tmp_path / "folder/run.zip").write_bytes(b"rest of a clip" + last)
    with pytest.raises(Unsupported, match=r"outer\.rar .* its member 'run\.zip' is an archive: it is the last part of"):
        unpack_nested(tmp_path / "outer.rar", tmp_path / "folder")


@pytest.mark.parametrize(
    ("names", "videos", "top"),
    [
        (["UCF-101/Walk/a.avi"], True, "UCF-101"),
        (["abseiling/a.mp4", "abseiling/b.mp4"], True, ""),
        (["a.mp4", "b.mp4"], True, ""),
        (["ucfTrainTestlist/classInd.txt"], False, "ucfTrainTestlist"),
        (["classInd.txt"], False, ""),
    ],
)
def test_the_top_folder_of_an_archive_is_distinguished_from_a_class_folder(tmp_path, names, videos, top):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert content_folder(tmp_path, videos) == tmp_path / top


def fake_tool(folder: Path, monkeypatch) -> None:
    """A `bsdtar` that is Python, as the only program on the PATH."""
    code = (
        f"#!{sys.executable}\nimport sys; from pathlib import Path; from pipeline.fetch.archives import rar\n"
        "for member, save in rar.read(Path(sys.argv[2])):\n"
        "    if sys.argv[1] == '-tf': print(member.name)\n"
        "    else:\n"
        "        Path(member.name).parent.mkdir(parents=True, exist_ok=True)\n"
        "        with open(member.name, 'wb') as file: save(file)\n"
    )
    (folder / "bsdtar").write_text(code)
    (folder / "bsdtar").chmod(0o755)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(rar, "available", lambda: False)


def test_without_the_library_a_program_on_the_path_reads_rar(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    fake_tool(tmp_path / "bin", monkeypatch)
    assert unpacked(rar4(tmp_path / "a", MEMBERS)) == MEMBERS


def test_unsafe_names_are_refused_before_a_program_unpacks_and_its_failure_is_reported(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    fake_tool(tmp_path / "bin", monkeypatch)
    with pytest.raises(Damaged, match="outside the target folder"):
        unpacked(rar4(tmp_path / "a", {"../x.avi": CLIP}))
    (tmp_path / "b").write_bytes(b"Rar!\x1a\x07\x00junk")
    with pytest.raises(Damaged, match="bsdtar says"):
        unpack(tmp_path / "b", tmp_path / "folder")


def test_without_library_and_program_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(rar, "available", lambda: False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="pip install unrar2-cffi, or install one of bsdtar, unrar and 7z"):
        unpacked(rar4(tmp_path / "a", MEMBERS))


def test_gzip_that_holds_no_tar_is_named(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(b"no tar at all" * 100))
    with pytest.raises(Damaged, match="truncated or damaged"):
        unpacked(tmp_path / "a.tar.gz")
