"""Imported scores: the same form as ours, and one sentence for whatever does not fit together."""

import h5py
import numpy as np
import pytest

from pipeline.common.errors import UserError
from pipeline.formats import scores
from pipeline.score import __main__ as score_command
from pipeline.score import import_scores

VALUES = np.array([[3, 1, 2.5], [0, 1, 5]])


@pytest.fixture
def place(tmp_path):
    (tmp_path / "list.txt").write_text("Run/v1 80 0\nSit/v2 41 2\n")
    (tmp_path / "classes.txt").write_text("run\nwalk\nsit\n")
    np.savetxt(tmp_path / "s.csv", VALUES, delimiter=",")
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["test/logits"] = VALUES
        file["views"] = np.stack([VALUES, VALUES + 1, VALUES * 2], 1)
        file["flat"] = VALUES.ravel()
        file["names"] = ["a", "b"]
        file["elsewhere"] = h5py.ExternalLink("other.h5", "logits")
    return tmp_path


def imported(place, source="s.csv", *options):
    words = ["--logits", str(place / source), "--videos", str(place / "list.txt"), "--out", str(place / "out.parquet")]
    score_command.main(["import", *words, "--classes", str(place / "classes.txt"), *options])
    return scores.read(place / "out.parquet", None if options else "logits")


@pytest.mark.parametrize("source", ["s.csv", "s.h5:test/logits"])
def test_hdf5_and_csv_become_the_same_score_file(place, source):
    found = imported(place, source)
    assert (found.videos, found.labels.tolist()) == (["Run/v1", "Sit/v2"], [0, 2])
    assert found.values == pytest.approx(VALUES)
    assert (found.metadata["classes"], found.metadata["videos"], found.metadata["kind"]) == (
        ["run", "walk", "sit"],
        2,
        "logits",
    )


def test_views_are_kept_a_row_each(place):
    imported(place, "s.h5:views")
    found = scores.read_views(place / "out.parquet")
    assert found.table["clip"].to_pylist() == [0, 1, 2] * 2
    assert found.values[4] == pytest.approx(VALUES[1] + 1)


def test_name_split_and_kind_are_the_users(place):
    facts = imported(place, "s.csv", "--run", "idt", "--split", "1", "--kind", "decisions").metadata
    assert (facts["run"], facts["split"], facts["kind"], facts["average"]) == ("idt", 1, "decisions", "decisions")


@pytest.mark.parametrize("header", ["run,walk,sit", "a,b,c", "0,1,2"])
def test_a_csvs_header_is_known_as_one(place, header):
    (place / "s.csv").write_text(f"{header}\n3,1,2.5\n0,1,5\n")
    assert imported(place).values == pytest.approx(VALUES)


def test_ucfs_numbered_classes_are_read_by_their_numbers(place):
    (place / "classes.txt").write_text("2 walk\n1 run\n3 sit still\n")
    assert import_scores.read_classes(place / "classes.txt") == ["run", "walk", "sit still"]


@pytest.mark.parametrize(
    ("text", "videos"),
    [
        ("v1 0\nv2 1\n", ["v1", "v2"]),
        ("my clip 80 0\nmy clip 2 81 1\n", ["my clip", "my clip 2"]),
        ("my clip 0\nv2 81 1\n", ["my clip", "v2 81"]),
        ("clip 7\t0\nclip 8\t1\n", ["clip 7", "clip 8"]),
        ("clip 7\t80\t0\nclip 8\t81\t1\n", ["clip 7", "clip 8"]),
    ],
)
def test_a_lists_names_may_hold_spaces(place, text, videos):
    (place / "list.txt").write_text(text)
    assert import_scores.read_list(place / "list.txt", 3) == (videos, [0, 1])


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("list.txt", "v1 0\n", "s.csv has 2 rows but .*list.txt lists 1 videos"),
        ("list.txt", "v1 0\nv2 3\n", "row 2 gives v2 the label 3, but with 3 classes labels go from 0 to 2"),
        ("list.txt", "v1 0\nv2 run\n", "row 2 gives v2 the label run"),
        ("list.txt", "v1 0\nv1 1\n", "names v1 in its rows 1 and 2"),
        ("list.txt", "v1\nv2\n", "row 1 is 'v1': write the video"),
        ("list.txt", "", "list.txt is empty"),
        ("classes.txt", "run\nsit\n", "the label 2, but with 2 classes"),
        ("classes.txt", "run\nwalk\nsit\nfall\n", "s.csv has 3 columns but .*classes.txt names 4 classes"),
        ("classes.txt", "run\nrun\nsit\n", "names the class 'run' 2 times"),
        ("classes.txt", "0 run\n1 walk\n2 sit\n", "numbers its 3 classes otherwise than 1 to 3"),
        ("s.csv", "1,2,3\n1,x,3\n", "has 'x' in line 2, column 2, where a number belongs"),
        ("s.csv", "1,2,3\n1,2\n", "has 2 columns in line 2 and 3 in the first"),
        ("s.csv", "1,2,3\n1,nan,3\n", "no finite numbers for 1 of 2 videos, the first Sit/v2"),
        ("s.csv", "1,2,3\n1,1e300,3\n", "no finite numbers for 1 of 2 videos"),
        ("s.csv", "run,sit,walk\n1,2,3\n1,2,3\n", "has the column sit where the class list has walk"),
        ("s.csv", "", "s.csv is empty"),
        ("s.csv", "1,2,3\n" * 5, "s.csv has 5 rows but"),
    ],
)
def test_what_does_not_fit_together_is_one_sentence(place, file, text, words):
    (place / file).write_text(text)
    with pytest.raises(UserError, match=words):
        imported(place)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("s.h5:nosuch", "has no dataset 'nosuch': choose one of flat, names, test/logits, views"),
        ("s.h5", "lacks its dataset: write .*s.h5:NAME, one of flat"),
        ("s.h5:flat", "is float64 of the shape \\(6,\\): give numbers"),
        ("s.h5:names", "is object of the shape"),
        ("s.h5:elsewhere", "has no dataset 'elsewhere'"),
        ("list.h5:x", "cannot be read as HDF5"),
        ("no.csv", "cannot be read as CSV"),
    ],
)
def test_a_file_that_holds_no_such_scores_is_one_sentence(place, source, words):
    (place / "list.h5").write_text("no HDF5")
    with pytest.raises(UserError, match=words):
        imported(place, source)


def test_a_torn_hdf5_file_is_one_sentence(place):
    whole = (place / "s.h5").read_bytes()
    (place / "s.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="s.h5 cannot be read as HDF5"):
        imported(place, "s.h5:views")


def test_scores_that_are_no_probabilities_are_not_taken_as_such(place):
    with pytest.raises(UserError, match="gives Run/v1 scores from 1 to 3 that are no probabilities"):
        imported(place, "s.csv", "--kind", "probabilities")


def test_a_dataset_that_keeps_its_numbers_in_another_file_is_refused(place):
    (place / "raw").write_bytes(VALUES.tobytes())
    with h5py.File(place / "s.h5", "a") as file:
        file.create_dataset("raw", VALUES.shape, "f8", external=[(str(place / "raw"), 0, h5py.h5f.UNLIMITED)])
    with pytest.raises(UserError, match="keeps its numbers in other files"):
        imported(place, "s.h5:raw")
