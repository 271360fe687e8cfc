"""Results tables: published beside reproduced, n of N, no row without a reason."""

import pandas as pd
import pytest

from pipeline import recipes, scores, tables
from pipeline.errors import UserError
from pipeline.files import read_tsv

PUBLISHED = read_tsv(tables.PUBLISHED, tables.PUBLISHED_COLUMNS)
ROWS = [
    {
        "method": "Temporal", "run": "temporal",
        "published": {"table": "twostream_table4", "row": "Temporal stream ConvNet"},
    },
    {
        "method": "Scratch", "run": "temporal", "only": "published",
        "published": {"table": "twostream_table1a", "row": "From scratch", "column": "dropout 0.9"},
    },
    {"method": "IDT", "published": {"table": "twostream_table4", "row": "Improved dense trajectories (IDT) [26, 27]"}},
]  # fmt: skip


def write_scores(root, split, right, wrong, listed):
    """Scores of `right` videos of class a recognised and `wrong` of class b not, of `listed` in the split."""
    count = right + wrong
    columns = {name: [0] * count for name in scores.SCHEMA.names} | {"flip": [False] * count}
    columns |= {"video_id": [f"v{n}" for n in range(count)], "label": [0] * right + [1] * wrong}
    facts = {
        "kind": "logits", "average": "logits", "classes": ["a", "b"], "videos": listed, "seed": 0, "preset": "demo",
        "protocol": "25 frames x 10 crops", "deviations": "from scratch", "run": "two_stream.temporal",
    }  # fmt: skip
    path = tables.score_file(root, split, "two_stream.temporal")
    scores.write(path, {**columns, "scores": [[1.0, 0.0]] * count}, facts)


def made(root, dataset="ucf101", splits=(1, 2, 3), groups=None):
    experiment = recipes.Experiment("two_stream", "paper", {}, {}, ROWS)
    return tables.table(dataset, [experiment], splits, root, groups or {})


def test_every_cell_of_published_tsv_is_whole():
    assert {row["dataset"] for row in PUBLISHED} <= {"ucf101", "hmdb51", "kinetics"}
    assert {row["split"] for row in PUBLISHED} <= {"1", "2", "3", "mean"}
    assert all(0 < float(row["value"]) < 100 and row["table"] and row["row"] and row["column"] for row in PUBLISHED)
    keys = [(row["table"], row["row"], row["column"]) for row in PUBLISHED]
    assert len(set(keys)) == len(keys)


def test_reproduced_stands_beside_published_with_their_difference(tmp_path):
    for split, right in ((1, 6), (2, 8), (3, 10)):
        write_scores(tmp_path, split, right, 10 - right, listed=12)
    mean = made(tmp_path).query("method == 'Temporal' and split == 'mean'").iloc[0]
    assert (mean["published"], mean["reproduced"], mean["difference"]) == ("83.7", "80.0", "-3.7")
    assert (mean["videos"], mean["status"]) == ("30/36", "reproduced")
    assert mean["note"] == "preset demo; from scratch"


def test_a_value_of_one_split_is_compared_with_that_split_alone(tmp_path):
    write_scores(tmp_path, 1, 6, 4, listed=10)
    rows = made(tmp_path).query("method == 'Scratch'")
    assert rows[["split", "published", "reproduced"]].to_numpy().tolist() == [["1", "52.3", "60.0"]]


def test_a_mean_over_fewer_splits_than_the_papers_says_so(tmp_path):
    write_scores(tmp_path, 1, 6, 4, listed=10)
    mean = made(tmp_path, splits=(1,)).query("method == 'Temporal' and split == 'mean'").iloc[0]
    assert mean["status"] == "partial"
    assert mean["note"].startswith("1 of 3 splits")


def test_a_row_without_scores_says_that_it_was_not_run(tmp_path):
    rows = made(tmp_path).query("method == 'Temporal'")
    assert set(rows["status"]) == {"not run"}
    assert rows.query("split == 'mean'").iloc[0]["published"] == "83.7"


def test_other_groups_results_are_quoted_where_they_were_published(tmp_path):
    assert made(tmp_path).query("method == 'IDT'")[["published", "status"]].to_numpy().tolist() == [
        ["85.9", "published only"]
    ]
    assert made(tmp_path, dataset="mine").query("method == 'IDT'").empty


def test_a_data_set_of_ones_own_has_measured_values(tmp_path):
    write_scores(tmp_path, 1, 9, 1, listed=10)
    rows = made(tmp_path, dataset="mine", splits=(1,))
    assert set(rows["status"]) == {"measured"}
    assert set(rows["published"]) == {""}


def test_groups_of_classes_have_rows_of_their_own(tmp_path):
    write_scores(tmp_path, 1, 6, 4, listed=10)
    rows = made(tmp_path, dataset="mine", splits=(1,), groups={"easy": ["a"], "hard": ["b"]})
    found = rows.query("classes != 'all'")[["classes", "reproduced", "videos"]].to_numpy().tolist()
    assert found == [["easy", "100.0", "6"], ["hard", "0.0", "4"]]


def test_a_group_of_unknown_classes_is_refused(tmp_path):
    write_scores(tmp_path, 1, 6, 4, listed=10)
    with pytest.raises(UserError, match="groups name the class z"):
        made(tmp_path, groups={"odd": ["z"]})


def test_a_row_that_points_nowhere_is_refused():
    with pytest.raises(UserError, match="no row 'Nobody' in table twostream_table4"):
        tables.published_value(PUBLISHED, {"table": "twostream_table4", "row": "Nobody"}, "ucf101")


def test_a_row_with_two_values_must_name_its_column():
    with pytest.raises(UserError, match="has 2 values for ucf101: name the column"):
        tables.published_value(PUBLISHED, {"table": "twostream_table1a", "row": "From scratch"}, "ucf101")


def test_the_table_is_a_csv_and_can_be_shown(tmp_path, capsys):
    root = tmp_path / "runs"
    write_scores(root, 1, 6, 4, listed=10)
    made(root).to_csv(tmp_path / "t.csv", index=False)
    assert list(pd.read_csv(tmp_path / "t.csv").columns) == list(tables.COLUMNS)
    tables.main(["show", str(tmp_path / "t.csv")])
    assert "83.7" in capsys.readouterr().out
