"""Lists and tables as people save them: byte order marks, CRLF, Latin-1, UTF-16, and tables from a spreadsheet."""

import pytest

from pipeline.common.errors import UserError
from pipeline.index import annotations, kinetics, own_tables

HMDB51 = "caf\u00e9 1.avi 1 \n b\u00a0\u2028.avi 2\n\nb.avi 0\n"
TABLE = "video\tsplit\trole\na/caf\u00e9, 1.avi\t1\ttrain\nb/2.avi\t1\ttest\n"
ENTRIES = [("a/caf\u00e9, 1.avi", 1, "train"), ("b/2.avi", 1, "test")]


def read_splits(path, data):
    path.write_bytes(data)
    return [entry[:3] for entry in own_tables.read_split_file(path)]


@pytest.mark.parametrize("text", [HMDB51, HMDB51.replace("\n", "\r\n"), "\ufeff" + HMDB51])
def test_lists_with_a_byte_order_mark_or_crlf_are_read_and_names_kept(tmp_path, text):
    (tmp_path / "wave_test_split1.txt").write_bytes(text.encode())
    videos = annotations.read_hmdb51(tmp_path).videos
    assert list(videos) == ["wave/caf\u00e9 1.avi", "wave/ b\u00a0\u2028.avi", "wave/b.avi"]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_lists_in_latin_1_or_utf_16_are_read(tmp_path, encoding):
    (tmp_path / "wave_test_split1.txt").write_bytes("caf\u00e9.avi 1\n".encode(encoding))
    assert list(annotations.read_hmdb51(tmp_path).videos) == ["wave/caf\u00e9.avi"]
    (tmp_path / "classInd.txt").write_bytes("1 Caf\u00e9\n2 B b\n".encode(encoding))
    (tmp_path / "trainlist01.txt").write_bytes("Caf\u00e9/1.avi 1\r\nB b/2 3.avi 2".encode(encoding))
    assert annotations.read_ucf101(tmp_path).videos == {"Caf\u00e9/1.avi": "Caf\u00e9", "B b/2 3.avi": "B b"}


def test_bytes_that_are_in_no_known_encoding_are_refused_with_the_line(tmp_path):
    (tmp_path / "wave_test_split1.txt").write_bytes(b"a.avi 1\n\x81.avi 1\n")
    with pytest.raises(UserError, match="wave_test_split1.txt line 2 has the byte 0x81"):
        annotations.read_hmdb51(tmp_path)
    (tmp_path / "wave_test_split1.txt").write_bytes("a.avi 1\n".encode("utf-16-le"))
    with pytest.raises(UserError, match="line 1 holds a NUL byte"):
        annotations.read_hmdb51(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_table_is_read_in_any_encoding(tmp_path, encoding, ends):
    assert read_splits(tmp_path / "s.tsv", TABLE.replace("\n", ends).encode(encoding)) == ENTRIES


@pytest.mark.parametrize(
    "text",
    [
        'Video;Split;Role\n"a/caf\u00e9, 1.avi";1;train\nb/2.avi;1;Test\n;;\n',
        'video,split,role\n"a/caf\u00e9, 1.avi",1,train\nb/2.avi,1,test\n,,\n',
        "sep=;\nnote;role;split;video\nx;train;1;a/caf\u00e9, 1.avi\n;test;1;b/2.avi",
    ],
)
def test_a_table_may_have_the_separators_and_quotes_of_a_spreadsheet(tmp_path, text):
    assert read_splits(tmp_path / "s.csv", text.encode()) == ENTRIES


def test_a_split_column_may_name_the_part(tmp_path):
    text = b"video,split\na/1.avi,train\na/2.avi,val\na/3.avi,Test\n"
    assert read_splits(tmp_path / "s.csv", text) == [
        ("a/1.avi", 1, "train"),
        ("a/1.avi", 2, "train"),
        ("a/2.avi", 1, "test"),
        ("a/3.avi", 2, "test"),
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\x03\x04...", "is a workbook of a spreadsheet"),
        (b"video,split\na,b/1.avi,1\n", "line 2 has 3 cells and the header 2"),
        (b"a/1.avi,1,train\n", "has no column video, only 'a/1.avi', '1', 'train'"),
        (b"", "has no column video"),
        (b'video,split,role\n"a/1.avi,1,train\n', "has quotes that do not pair"),
        (b"video,split,role\n,1,train\n", "line 2 names no video"),
        (b"video,split,role\na/1.avi,\xc2\xb2,train\n", "line 2 has split"),
        (b"video,split\na/1.avi,1\n", "line 2 has split '1': write train, val or test"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_the_reason(tmp_path, data, words):
    with pytest.raises(UserError, match=words):
        read_splits(tmp_path / "s.csv", data)


def test_a_label_that_contradicts_the_class_index_is_refused(tmp_path):
    (tmp_path / "classInd.txt").write_text("1 A\n2 B\n")
    (tmp_path / "trainlist01.txt").write_text("A/1.avi 1\nB/1.avi 7\n")
    with pytest.raises(UserError, match="trainlist01.txt line 2 gives B/1.avi the label 7, but .* numbers B 2"):
        annotations.read_ucf101(tmp_path)


HEADER = "label,youtube_id,time_start,time_end,split\n"


def test_kinetics_labels_with_underscores_are_the_class_with_spaces(tmp_path):
    (tmp_path / "train.csv").write_text(HEADER + "riding_a_bike,a,0,10,train\nzumba,z,0,10,train\n", "utf-16")
    (tmp_path / "val.csv").write_text(HEADER.replace(",", ";") + "Riding a bike;b;0;10;val\nriding a bike;c;0;10;val\n")
    listed = kinetics.read_annotations(tmp_path)
    assert listed.classes == ["Riding a bike", "zumba"]
    assert "Riding a bike/a_000000_000010" in listed.videos


@pytest.mark.parametrize("time", ["inf", "nan", "-inf", "1e999", "", "soon"])
def test_a_time_that_is_no_number_of_seconds_is_refused_with_the_line(tmp_path, time):
    (tmp_path / "train.csv").write_text(HEADER + f"zumba,z,0,10,train\nzumba,y,{time},10,train\n")
    with pytest.raises(UserError, match=f"train.csv line 3 has times '{time}' to '10'"):
        kinetics.read_annotations(tmp_path)


def test_two_labels_or_parts_of_a_clip_are_said(tmp_path, capsys):
    (tmp_path / "train.csv").write_text(HEADER + "zumba,z,0,10,train\nriding,z,0,10,train\n")
    (tmp_path / "val.csv").write_text(HEADER + "zumba,z,0,10,val\n")
    assert kinetics.read_annotations(tmp_path).videos == {"zumba/z_000000_000010": "zumba"}
    assert "2 clips have two labels or parts in the lists" in capsys.readouterr().err
