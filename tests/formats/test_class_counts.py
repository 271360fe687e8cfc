"""The class counts beside a score file: written with the scores, so that tables do not read the scores."""

import multiprocessing

import pytest

from pipeline.formats import class_counts, scores
from pipeline.fuse import __main__ as fuse_command
from pipeline.score import __main__ as score_command
from tests.helpers.accuracy import top1
from tests.helpers.madescores import share, write_scores
from tests.score.test_import_scores import folder, import_file  # noqa: F401 (a fixture)
from tests.score.test_score import RECIPE, data, scored  # noqa: F401 (a fixture)


@pytest.fixture
def forbid_reading(monkeypatch):
    """A function after whose call score files cannot be read."""

    def refuse(*_):
        raise AssertionError("a score file was read")

    return lambda: monkeypatch.setattr(scores, "read", refuse)


def test_scoring_writes_the_class_counts(data, tmp_path, forbid_reading):  # noqa: F811
    scored(data, tmp_path, RECIPE, "1 frames x centre")
    forbid_reading()
    assert sum(class_counts.read_or_count(tmp_path / "s.parquet").scored) == 2


def test_importing_scores_writes_the_class_counts(folder, forbid_reading):  # noqa: F811
    import_file(folder)
    forbid_reading()
    assert class_counts.read_or_count(folder / "out.parquet").top1 == [1, 0, 1]


def test_fusing_and_selecting_views_write_the_class_counts(tmp_path, forbid_reading, capsys):
    one, other = (write_scores(tmp_path, split, share(7)) for split in (1, 2))
    fuse_command.main(["--scores", str(one), str(other), "--out", str(tmp_path / "fused.parquet")])
    score_command.main(
        ["select-views", "--scores", str(one), "--places=centre", "--out", str(tmp_path / "part.parquet")]
    )
    assert capsys.readouterr().err.count("top-1 70.0 %") == 2
    forbid_reading()
    assert [sum(class_counts.read_or_count(tmp_path / name).top1) for name in ("fused.parquet", "part.parquet")] == [
        7,
        7,
    ]


def test_top1_counts_ties_as_argmax_does(tmp_path):
    path = write_scores(tmp_path, 1, share(4))
    assert class_counts.write_counts(path) == top1(scores.read(path)) == pytest.approx(0.4)


def test_concurrent_counts_of_a_file_leave_only_one_complete_file(tmp_path):
    path = write_scores(tmp_path, 1, share(7))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        results = pool.map(recount, [path] * 40, chunksize=1)
    assert [sum(counts.top1) for counts in results] == [7] * 40
    assert {file.name for file in path.parent.iterdir()} == {"test.parquet", "test.hits.json"}


def recount(path):
    """Count again, without the cached counts."""
    path.with_suffix(".hits.json").unlink(missing_ok=True)
    return class_counts.read_or_count(path)
