"""Files and folders are written atomically; tables are read as written."""

import pytest

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv, whole_file, whole_folder, write_tsv


def fail_inside(context, target):
    def fill():
        with context(target) as scratch:
            (scratch / "half" if scratch.is_dir() else scratch).write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fill()


@pytest.mark.parametrize("context", [whole_file, whole_folder])
def test_a_failure_leaves_nothing_behind(context, tmp_path):
    fail_inside(context, tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_keeps_the_old_file(tmp_path):
    (tmp_path / "table.tsv").write_text("old")
    fail_inside(whole_file, tmp_path / "table.tsv")
    assert (tmp_path / "table.tsv").read_text() == "old"


def test_temporary_files_of_a_killed_job_are_deleted(tmp_path):
    (tmp_path / ".table.tsv.partial-abc").write_text("killed")
    write_tsv(tmp_path / "table.tsv", ("a",), [("1",)])
    assert [path.name for path in tmp_path.iterdir()] == ["table.tsv"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    for name in ("old", "new"):
        with whole_folder(tmp_path / "shards") as scratch:
            (scratch / name).touch()
    assert [path.name for path in (tmp_path / "shards").iterdir()] == ["new"]


def test_a_table_comes_back_as_written(tmp_path):
    write_tsv(tmp_path / "t.tsv", ("a", "b"), [("x y", 'q"uo\tte'), ("", "2")])
    assert read_tsv(tmp_path / "t.tsv") == [{"a": "x y", "b": 'q"uo\tte'}, {"a": "", "b": "2"}]


def test_a_missing_column_is_named(tmp_path):
    write_tsv(tmp_path / "t.tsv", ("video", "role"), [])
    with pytest.raises(UserError, match="also needs split"):
        read_tsv(tmp_path / "t.tsv", ("video", "split"))
