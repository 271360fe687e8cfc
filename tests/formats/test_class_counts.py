"""The counts beside every score file: written with the scores, so that tables never read these whole."""

import multiprocessing

import pytest

from pipeline.formats import class_counts, scores
from pipeline.fuse import __main__ as fuse_command
from pipeline.score import __main__ as score_command
from tests.helpers.madescores import share, write_scores
from tests.score.test_import_scores import imported, place  # noqa: F401 (a fixture)
from tests.score.test_score import RECIPE, data, scored  # noqa: F401 (a fixture)


@pytest.fixture
def unread(monkeypatch):
    """Call it, and score files can no longer be read."""

    def refuse(*_):
        raise AssertionError("a score file was read whole")

    return lambda: monkeypatch.setattr(scores, "read", refuse)


def test_scoring_writes_the_hits_with_the_scores(data, tmp_path, unread):  # noqa: F811
    scored(data, tmp_path, RECIPE, "1 frames x centre")
    unread()
    assert sum(class_counts.read_or_count(tmp_path / "s.parquet").scored) == 2


def test_importing_writes_the_hits_with_the_scores(place, unread):  # noqa: F811
    imported(place)
    unread()
    assert class_counts.read_or_count(place / "out.parquet").top1 == [1, 0, 1]


def test_fusing_and_taking_a_subset_write_the_hits_with_the_scores(tmp_path, unread, capsys):
    one, other = (write_scores(tmp_path, split, share(7)) for split in (1, 2))
    fuse_command.main(["--scores", str(one), str(other), "--out", str(tmp_path / "fused.parquet")])
    score_command.main(
        ["select-views", "--scores", str(one), "--places=centre", "--out", str(tmp_path / "part.parquet")]
    )
    assert capsys.readouterr().err.count("top-1 70.0 %") == 2
    unread()
    assert (
        sum(class_counts.read_or_count(tmp_path / "fused.parquet").top1)
        == sum(class_counts.read_or_count(tmp_path / "part.parquet").top1)
        == 7
    )


def test_top1_counts_ties_as_argmax_does(tmp_path):
    path = write_scores(tmp_path, 1, share(4))
    assert class_counts.write_counts(path) == scores.top1(scores.read(path)) == pytest.approx(0.4)


def test_tables_that_count_the_same_file_at_once_leave_whole_hits_and_nothing_else(tmp_path):
    path = write_scores(tmp_path, 1, share(7))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.map(counted, [path] * 40, chunksize=1)
    assert [sum(one.top1) for one in found] == [7] * 40
    assert {each.name for each in path.parent.iterdir()} == {"test.parquet", "test.hits.json"}


def counted(path):
    """Counted anew."""
    path.with_suffix(".hits.json").unlink(missing_ok=True)
    return class_counts.read_or_count(path)
