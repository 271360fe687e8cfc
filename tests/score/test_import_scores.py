"""Imported scores become score files, and inconsistent files are refused in one sentence."""

import h5py
import numpy as np
import pytest

from pipeline.common.errors import UserError
from pipeline.formats import scores
from pipeline.score import __main__ as score_command
from pipeline.score import import_scores

VALUES = np.array([[3, 1, 2.5], [0, 1, 5]])


@pytest.fixture
def folder(tmp_path):
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


def import_file(folder, source="s.csv", *options):
    arguments = [
        "--logits",
        str(folder / source),
        "--videos",
        str(folder / "list.txt"),
        "--out",
        str(folder / "out.parquet"),
    ]
    score_command.main(["import", *arguments, "--classes", str(folder / "classes.txt"), *options])
    return scores.read(folder / "out.parquet", None if options else "logits")


@pytest.mark.parametrize("source", ["s.csv", "s.h5:test/logits"])
def test_hdf5_and_csv_become_the_same_score_file(folder, source):
    result = import_file(folder, source)
    assert (result.videos, result.labels.tolist()) == (["Run/v1", "Sit/v2"], [0, 2])
    assert result.values == pytest.approx(VALUES)
    assert (result.metadata["classes"], result.metadata["videos"], result.metadata["kind"]) == (
        ["run", "walk", "sit"],
        2,
        "logits",
    )


def test_every_view_is_a_row(folder):
    import_file(folder, "s.h5:views")
    result = scores.read_views(folder / "out.parquet")
    assert result.table["clip"].to_pylist() == [0, 1, 2] * 2
    assert result.values[4] == pytest.approx(VALUES[1] + 1)


def test_name_split_and_kind_can_be_given(folder):
    metadata = import_file(folder, "s.csv", "--run", "idt", "--split", "1", "--kind", "decisions").metadata
    assert (metadata["run"], metadata["split"], metadata["kind"], metadata["average"]) == (
        "idt",
        1,
        "decisions",
        "decisions",
    )


@pytest.mark.parametrize("header", ["run,walk,sit", "a,b,c", "0,1,2"])
def test_a_header_of_a_csv_file_is_recognised(folder, header):
    (folder / "s.csv").write_text(f"{header}\n3,1,2.5\n0,1,5\n")
    assert import_file(folder).values == pytest.approx(VALUES)


def test_numbered_classes_are_read_in_the_order_of_their_numbers(folder):
    (folder / "classes.txt").write_text("2 walk\n1 run\n3 sit still\n")
    assert import_scores.read_classes(folder / "classes.txt") == ["run", "walk", "sit still"]


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
def test_names_in_a_list_may_contain_spaces(folder, text, videos):
    (folder / "list.txt").write_text(text)
    assert import_scores.read_list(folder / "list.txt", 3) == (videos, [0, 1])


@pytest.mark.parametrize(
    ("file", "text", "message"),
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
        ("classes.txt", "0 run\n1 walk\n2 sit\n", "does not number its 3 classes 1 to 3"),
        ("s.csv", "1,2,3\n1,x,3\n", "has 'x' in line 2, column 2, where a number belongs"),
        ("s.csv", "1,2,3\n1,2\n", "has 2 columns in line 2 and 3 in the first"),
        ("s.csv", "1,2,3\n1,nan,3\n", "no finite numbers for 1 of 2 videos, the first Sit/v2"),
        ("s.csv", "1,2,3\n1,1e300,3\n", "no finite numbers for 1 of 2 videos"),
        ("s.csv", "run,sit,walk\n1,2,3\n1,2,3\n", "has the column sit where the class list has walk"),
        ("s.csv", "", "s.csv is empty"),
        ("s.csv", "1,2,3\n" * 5, "s.csv has 5 rows but"),
    ],
)
def test_inconsistent_files_are_a_user_error(folder, file, text, message):
    (folder / file).write_text(text)
    with pytest.raises(UserError, match=message):
        import_file(folder)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("s.h5:nosuch", "has no dataset 'nosuch': choose one of flat, names, test/logits, views"),
        ("s.h5", "lacks its dataset: write .*s.h5:NAME, one of flat"),
        ("s.h5:flat", "is float64 of the shape \\(6,\\): write numbers"),
        ("s.h5:names", "is object of the shape"),
        ("s.h5:elsewhere", "has no dataset 'elsewhere'"),
        ("list.h5:x", "cannot be read as HDF5"),
        ("no.csv", "cannot be read as CSV"),
    ],
)
def test_a_file_without_usable_scores_is_a_user_error(folder, source, message):
    (folder / "list.h5").write_text("no HDF5")
    with pytest.raises(UserError, match=message):
        import_file(folder, source)


def test_a_truncated_hdf5_file_is_a_user_error(folder):
    content = (folder / "s.h5").read_bytes()
    (folder / "s.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="s.h5 cannot be read as HDF5"):
        import_file(folder, "s.h5:views")


def test_scores_that_are_no_probabilities_are_refused_as_such(folder):
    with pytest.raises(UserError, match="gives Run/v1 scores from 1 to 3 that are no probabilities"):
        import_file(folder, "s.csv", "--kind", "probabilities")


def test_an_external_dataset_is_refused(folder):
    (folder / "raw").write_bytes(VALUES.tobytes())
    with h5py.File(folder / "s.h5", "a") as file:
        file.create_dataset("raw", VALUES.shape, "f8", external=[(str(folder / "raw"), 0, h5py.h5f.UNLIMITED)])
    with pytest.raises(UserError, match="keeps its numbers in other files"):
        import_file(folder, "s.h5:raw")


def import_shifted(folder, videos, shift, classes=5, right=0.9):
    """Import scores that are right for a share of the videos, of classes 0 to K - 2, with labels plus `shift`."""
    rng = np.random.default_rng(1)
    labels = np.arange(videos) % (classes - 1)
    predicted = np.where(rng.random(videos) < right, labels, rng.integers(0, classes, videos))
    (folder / "classes.txt").write_text("".join(f"class {number}\n" for number in range(classes)))
    (folder / "list.txt").write_text("".join(f"v{n} {label + shift}\n" for n, label in enumerate(labels)))
    np.savetxt(folder / "s.csv", np.eye(classes)[predicted], delimiter=",")
    return import_file(folder)


def test_labels_from_one_are_refused_although_the_last_class_has_no_video(folder):
    with pytest.raises(UserError, match=r"no video the label 0 \(class 0\); .* 9\d.\d % if they count from 1"):
        import_shifted(folder, 200, shift=1)
    assert not (folder / "out.parquet").exists()
    import_shifted(folder, 200, shift=0)


def test_a_few_videos_with_labels_from_one_give_a_warning(folder, capsys):
    metadata = import_shifted(folder, 4, shift=1, right=1).metadata
    assert "warning: " in (text := "".join(capsys.readouterr()))
    assert "top-1 is 0.0 % with these labels and 100.0 % if they count from 1: if they do" in text
    assert metadata["deviations"] == "scores imported from s.csv; no video has label 0"


def test_a_first_class_without_videos_is_accepted_if_the_scores_agree(folder, capsys):
    (folder / "list.txt").write_text("v1 1\nv2 2\n")
    (folder / "s.csv").write_text("0,1,0\n0,0,1\n")
    assert import_file(folder).labels.tolist() == [1, 2]
    assert "warning" not in "".join(capsys.readouterr())
