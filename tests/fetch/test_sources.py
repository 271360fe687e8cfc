"""The table of addresses, and what its reader refuses."""

import pytest

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv, write_tsv
from pipeline.fetch.sources import (
    COLUMNS,
    TABLE,
    Source,
    check_rows,
    listed_sources,
    sources,
)

GOOD = dict(zip(COLUMNS, ("demo", "a.rar", "archive", "videos", "", "", "", "", "", ""), strict=True))


def test_every_row_of_the_table_is_well_formed():
    rows = read_tsv(TABLE, COLUMNS)
    check_rows(rows, TABLE)
    assert all(None not in row.values() and None not in row for row in rows)


@pytest.mark.parametrize("row", read_tsv(TABLE, COLUMNS), ids=lambda row: f"{row['dataset']}/{row['file']}")
def test_every_row_says_where_its_file_comes_from(row):
    assert row["url"] or row["dataset"] in ("demo", "demo_pretrain")
    assert row["note"]
    assert row["file"].split("/")[-1] in row["url"] or not row["url"] or "google" in row["url"]


@pytest.mark.parametrize(
    "dataset", ["demo", "demo_pretrain", "ucf101", "hmdb51", "kinetics400", "kinetics600", "kinetics700_2020"]
)
def test_every_data_set_has_videos_and_lists(dataset):
    assert {source.unpack.split("/")[0] for source in sources(dataset)} == {"videos", "lists"}


def test_only_the_first_kinetics_has_replacements():
    assert [source.unpack for source in sources("kinetics400")].count("videos/replacement") == 1
    assert {source.unpack for source in sources("kinetics600")} == {
        "lists",
        "videos/train",
        "videos/val",
        "videos/test",
    }


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("kind", "folder"),
        ("unpack", "../videos"),
        ("file", "../a.rar"),
        ("file", "/etc/a.rar"),
        ("bytes", "6.5 GB"),
        ("sha256", "abc"),
        ("url", "ftp://a/b"),
        ("mirrors", "http://a/b, http://c"),
        ("checked", "May 2026"),
    ],
)
def test_a_malformed_cell_is_named_with_its_line(tmp_path, column, cell):
    write_tsv(tmp_path / "t.tsv", COLUMNS, [(GOOD | {column: cell}).values()])
    with pytest.raises(UserError, match=rf"t\.tsv, line 2: {column} is"):
        sources("demo", tmp_path / "t.tsv")


def test_a_file_listed_twice_is_named(tmp_path):
    write_tsv(tmp_path / "t.tsv", COLUMNS, [GOOD.values(), GOOD.values()])
    with pytest.raises(UserError, match=r"line 3: 'a\.rar' is listed before in line 2"):
        sources("demo", tmp_path / "t.tsv")


def test_an_unknown_data_set_is_named_with_the_known_ones():
    with pytest.raises(UserError, match=r"no row for the data set 'imagenet', only for demo, demo_pretrain, hmdb51"):
        sources("imagenet")


def test_the_primary_address_comes_before_the_mirrors(tmp_path):
    row = GOOD | {"url": "http://a/1", "mirrors": "http://b/1 http://c/1", "bytes": "7"}
    write_tsv(tmp_path / "t.tsv", COLUMNS, [row.values()])
    assert sources("demo", tmp_path / "t.tsv")[0].urls == ("http://a/1", "http://b/1", "http://c/1")
    assert sources("demo", tmp_path / "t.tsv")[0].bytes == 7


LIST = Source("train/list.txt", "list", "videos/train")


def test_a_list_names_its_parts_by_folder_and_name(tmp_path):
    (tmp_path / "l").write_text("https://h/400/train/part_0.tar.gz\r\n\nhttps://h/400/train/part_1.tar.gz")
    found = listed_sources(LIST, tmp_path / "l")
    assert [part.file for part in found] == ["train/part_0.tar.gz", "train/part_1.tar.gz"]
    assert {part.unpack for part in found} == {"videos/train"}


@pytest.mark.parametrize("line", ["part_0.tar.gz", "https://h/../..", "https://h/a/x.tar\nhttps://g/a/x.tar"])
def test_a_list_that_is_no_list_of_archives_is_refused(tmp_path, line):
    (tmp_path / "l").write_text(line)
    with pytest.raises(UserError, match=r"l, line [12]: .*correct .* and run again"):
        listed_sources(LIST, tmp_path / "l")
