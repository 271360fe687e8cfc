"""weights.tsv and the download of what it lists."""

import hashlib

import pytest

from pipeline.common.errors import UserError
from pipeline.common.files import write_tsv
from pipeline.fetch.download import RetryPolicy
from pipeline.weights import releases
from pipeline.weights.frameworks import convert
from tests.helpers.loopback import PAGE, Act, loopback

QUICK = RetryPolicy(connect=2, read=0.3, attempts=2, first_wait=0.01, longest_wait=0.02)


def test_every_release_has_a_map():
    maps = {(entry["format"], entry["model"]) for entry in convert.table()["maps"]}
    assert {(row["framework"], row["model"]) for row in releases.rows()} <= maps


def test_a_checksum_in_a_file_name_is_the_beginning_of_its_sha256():
    for row in releases.rows():
        if row["framework"] == "torchvision":
            assert row["sha256"].startswith(row["file"].rpartition("-")[2].removesuffix(".pth"))


def test_the_note_explains_every_unknown_value():
    words = {"sha256": "sha256", "licence": "licence", "score": "score"}
    for row in releases.rows():
        assert all(row[column] or word in row["note"] for column, word in words.items()), row["file"]
        assert row["checked"] or "not tried" in row["note"], row["file"]


def table_row(folder, **cells):
    """A table of one row."""
    row = dict.fromkeys(releases.PATTERNS, "") | {"model": "vgg_16", "framework": "caffe", "file": "v.caffemodel"}
    row |= {"note": "ours", **cells}
    write_tsv(folder / "t.tsv", list(row), [list(row.values())])
    return releases.rows(folder / "t.tsv")[0]


@pytest.mark.parametrize(
    "cells", [{"sha256": "ABC"}, {"url": "ftp://x"}, {"file": "/etc/x"}, {"framework": "keras"}, {"note": ""}]
)
def test_a_malformed_cell_is_refused_with_its_line(tmp_path, cells):
    with pytest.raises(UserError, match=rf"line 2: {next(iter(cells))} is .* but must match"):
        table_row(tmp_path, **cells)


def test_instructions_name_the_file_its_url_and_its_path():
    text = releases.instructions("resnet_50")
    assert "resnet50-0676ba61.pth from https://download.pytorch.org/models/resnet50-0676ba61.pth" in text
    assert "put it at data/weights/resnet50-0676ba61.pth" in text
    assert text.split(" (")[0].endswith("run python -m pipeline.weights release resnet_50")
    assert "imagenet-resnet-50-dag.mat from" in releases.instructions("resnet_50.matconvnet")
    assert ". " not in text
    with pytest.raises(UserError, match="lists no weights of 'fstcn', only of .*vgg_16"):
        releases.instructions("fstcn")


def test_a_download_is_verified_and_happens_once(tmp_path):
    body = b"weights" * 1000
    with loopback() as web:
        row = table_row(tmp_path, url=web.serve("/v", Act(body)), sha256=hashlib.sha256(body).hexdigest()[:8])
        for _ in range(2):
            assert releases.fetch(row, tmp_path / "w", QUICK).read_bytes() == body
        assert len(web.asked) == 1
    assert [path.name for path in (tmp_path / "w").iterdir()] == ["v.caffemodel"]


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (Act(b"other weights" * 100), "has the sha256 [0-9a-f]{64} but weights.tsv says 00000000"),
        (Act(PAGE), "could not be downloaded .*web page"),
        (Act(PAGE, 404), "could not be downloaded .*404"),
    ],
)
def test_a_failed_download_says_where_to_put_the_file(tmp_path, act, words):
    with loopback() as web:
        row = table_row(tmp_path, url=web.serve("/v", act), sha256="00000000")
        with pytest.raises(UserError, match=f"{words}.*put it at .*w/v.caffemodel"):
            releases.fetch(row, tmp_path / "w", QUICK)
    assert not list((tmp_path / "w").iterdir())


def test_a_file_in_the_folder_is_verified_too(tmp_path):
    (tmp_path / "v.caffemodel").write_bytes(b"other weights")
    with pytest.raises(UserError, match="has the sha256 .* but weights.tsv says 00000000: move it away"):
        releases.fetch(table_row(tmp_path, sha256="00000000"), tmp_path, QUICK)
    with pytest.raises(UserError, match="its address is not known"):
        releases.fetch(table_row(tmp_path, file="other.caffemodel"), tmp_path, QUICK)
