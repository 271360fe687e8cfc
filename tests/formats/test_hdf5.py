"""HDF5 files open without locks, and a missing or locked file is told apart from an incomplete one."""

import os
import shutil
import subprocess
import sys

import h5py
import pytest

from pipeline.common.errors import UserError, unreadable
from pipeline.formats.jpeg_store import JpegStore
from pipeline.formats.manifest import read_parquet
from tests.formats.test_jpeg_store import VIDEOS, write

NO_LOCKS_C = "#include <errno.h>\nint flock(int file, int operation) { errno = ENOLCK; return -1; }\n"


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs a C compiler")
@pytest.mark.parametrize("setting", ["", "TRUE"])
def test_files_are_written_and_read_on_a_file_system_without_locks(tmp_path, setting):
    (tmp_path / "nolock.c").write_text(NO_LOCKS_C)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "nolock.so", tmp_path / "nolock.c"], check=True)
    code = (
        "from tests.formats.test_jpeg_store import write; from pipeline.formats.jpeg_store import JpegStore;"
        "from pipeline.common.cli import run; import sys;"
        "run(lambda args: print(JpegStore(write(sys.argv[1]) if sys.argv[2] else sys.argv[1]).videos))"
    )
    env = {**os.environ, "LD_PRELOAD": str(tmp_path / "nolock.so")}
    if setting:
        env["HDF5_USE_FILE_LOCKING"] = setting
        write(tmp_path / "s.h5")
    command = [sys.executable, "-c", code, tmp_path / "s.h5", "" if setting else "write"]
    process = subprocess.run(command, env=env, capture_output=True, text=True)
    if setting:
        assert "is on a file system without locks (No locks available): set HDF5_USE_FILE_LOCKING" in process.stderr
    else:
        assert process.stdout.strip() == str(list(VIDEOS)), process.stderr


def test_a_missing_file_is_not_called_incomplete(tmp_path):
    with pytest.raises(UserError, match=r"s\.h5 is missing"):
        JpegStore(tmp_path / "s.h5")
    with pytest.raises(UserError, match=r"s\.parquet is missing"):
        read_parquet(tmp_path / "s.parquet", [])


def test_a_file_that_another_program_writes_is_locked(tmp_path):
    write(tmp_path / "s.h5")
    code = "import h5py, sys; file = h5py.File(sys.argv[1], 'a'); print(flush=True); input()"
    command = [sys.executable, "-c", code, tmp_path / "s.h5"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        writer.stdout.readline()
        with pytest.raises(UserError, match="is locked by another program"):
            JpegStore(tmp_path / "s.h5")
        writer.communicate(b"\n")
    JpegStore(tmp_path / "s.h5")


def test_a_file_without_access_and_a_folder_say_so(tmp_path):
    assert "(Permission denied): give access" in str(unreadable("s.h5", PermissionError(13, ""), "is torn"))
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory\)"):
        JpegStore(tmp_path)


def test_an_incomplete_file_is_made_again_and_another_one_is_not_to_be_deleted(tmp_path):
    path = write(tmp_path / "s.h5")
    os.truncate(path, path.stat().st_size // 2)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1]
    for name in ("s.h5", "other.h5"):
        with pytest.raises(UserError, match="not a complete frames or flow file .*make it again") as caught:
            JpegStore(tmp_path / name)
        assert "delete" not in str(caught.value)
