"""The published numbers: every cell is complete, and none is missing or differs from the facts file."""

import pytest
import yaml

from pipeline.common.errors import UserError
from pipeline.tables import published
from pipeline.tables.published import referenced_cells
from tests.helpers.workflow import SHARED

FACTS = SHARED / "published" / "published.yaml"
CELLS = published.cells()
PAPERS = ("twostream", "fstcn", "stresnet", "actionvlad", "i3d")  # whose tables are held to the facts file
FIVE = [cell for cell in CELLS if cell.table.split("_")[0] in PAPERS]


def test_every_cell_has_a_table_and_a_unique_position():
    assert {cell.table for cell in CELLS} == set(published.tables())
    places = [(cell.table, cell.row, cell.column) for cell in CELLS]
    assert len(set(places)) == len(places)
    assert all(cell.column in published.tables()[cell.table].columns.split(" | ") for cell in CELLS)
    assert all(cell.row and cell.value.strip() == cell.value != "" for cell in CELLS)


def test_every_accuracy_is_a_percentage_of_a_data_set_and_split():
    accuracies = [cell for cell in CELLS if cell.metric in published.ACCURACIES]
    assert all(0 < float(cell.value) < 100 and cell.dataset and cell.split for cell in accuracies)


def test_the_five_papers_accuracies_are_of_three_data_sets():
    accuracies = [cell for cell in FIVE if cell.metric in published.ACCURACIES]
    assert {cell.dataset for cell in accuracies} == {"ucf101", "hmdb51", "kinetics400"}
    assert {cell.split for cell in accuracies} == {"1", "mean", "test"}
    assert all((cell.split == "test") == (cell.dataset == "kinetics400") for cell in accuracies)


def test_values_that_are_not_accuracies_have_no_split():
    others = [cell for cell in CELLS if cell.metric not in published.ACCURACIES]
    assert {cell.metric for cell in others if cell in FIVE} == {"fact", "points", "top-5 error"}
    assert {cell.split for cell in others} == {""}
    assert {cell.whose for cell in CELLS} == {"own", "quoted"}


def test_every_table_says_its_paper_title_and_metric():
    assert all(table.paper and table.title and table.metric for table in published.tables().values())
    assert len({published.tables()[cell.table].paper for cell in FIVE}) == len(PAPERS)


@pytest.mark.skipif(not FACTS.exists(), reason="the shared folder with the papers' facts is not beside this checkout")
def test_no_cell_of_the_five_papers_is_missing_or_different():
    wanted = {
        (table["id"], row["name"], column): value
        for table in yaml.safe_load(FACTS.read_text("utf-8"))
        for row in table["rows"]
        for column, value in zip(table["columns"], row["values"], strict=True)
        if value is not None
    }
    found = {(cell.table, cell.row, cell.column): cell.value for cell in FIVE}
    assert set(found) == set(wanted)
    same = {place for place, value in wanted.items() if found[place] == str(value) or number(found[place]) == value}
    assert set(wanted) - same == set()


def number(text):
    try:
        return float(text)
    except ValueError:
        return None


@pytest.mark.skipif(not FACTS.exists(), reason="the shared folder with the papers' facts is not beside this checkout")
def test_no_column_of_the_five_papers_is_missing_or_out_of_order():
    for table in yaml.safe_load(FACTS.read_text("utf-8")):
        assert published.tables()[table["id"]].columns.split(" | ") == table["columns"]
        assert published.tables()[table["id"]].paper == table["paper"]


def test_a_reference_without_a_column_is_one_value_a_data_set():
    found = referenced_cells([{"table": "twostream_table4", "row": "Temporal stream ConvNet"}])
    assert [(cell.dataset, cell.split, cell.value) for cell in found] == [
        ("ucf101", "mean", "83.7"), ("hmdb51", "mean", "54.6"),
    ]  # fmt: skip


def test_a_column_may_leave_out_its_data_sets_name():
    found = referenced_cells([{"table": "i3d_table2", "row": "(e) Two-Stream I3D", "column": "RGB + Flow"}])
    assert {cell.dataset: cell.value for cell in found} == {"ucf101": "93.4", "hmdb51": "66.4", "kinetics400": "74.2"}


def test_a_data_set_in_the_rows_name_is_understood():
    found = referenced_cells([{"table": "stresnet_table3", "row": "HMDB51", "column": "ST-ResNet*"}])
    assert [(cell.dataset, cell.value) for cell in found] == [("hmdb51", "66.41")]


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ({"table": "twostream_table9", "row": "x"}, "no accuracies of a table 'twostream_table9'"),
        ({"table": "twostream_table4", "row": "Nobody"}, "twostream_table4 has no row 'Nobody': choose one of 'Impr"),
        (
            {"table": "i3d_table2", "row": "(a) LSTM", "column": "Sound"},
            "i3d_table2 has no column 'Sound' in row '(a) LSTM': choose one of 'UCF-101 RGB'",
        ),
        (
            {"table": "twostream_table1a", "row": "From scratch"},
            "has 2 values for ucf101: name the column, one of 'dropout 0.5', 'dropout 0.9'",
        ),
    ],
)
def test_a_reference_that_points_nowhere_or_twice_is_one_sentence(reference, words):
    with pytest.raises(UserError) as caught:
        referenced_cells([reference])
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cell_is_named_by_what_distinguishes_it():
    names = {(cell.table, cell.row, cell.column): published.method(cell) for cell in CELLS}
    assert names["twostream_table4", "Spatial stream ConvNet", "UCF-101"] == "Spatial stream ConvNet"
    assert names["stresnet_table3", "UCF101", "ST-ResNet"] == "ST-ResNet"
    assert names["i3d_table2", "(a) LSTM", "HMDB-51 RGB"] == "(a) LSTM, RGB"
    assert names["twostream_table3", "row 2", "accuracy"] == "Pre-trained + last layer, uni-directional, averaging"
