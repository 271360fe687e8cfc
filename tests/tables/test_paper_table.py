"""The papers' own tables: every printed cell, with what was reproduced beside it, in the paper's layout."""

import csv
from pathlib import Path

import pytest

from pipeline.tables import __main__ as tables_command
from pipeline.tables import paper_table, published
from pipeline.tables.entries import Choice
from tests.helpers.madescores import known, share, write_scores

FIELD = '"I3D, Figure 3",Inflated Inception-V1,"receptive field time,x,y"'


def paper(name, tmp_path, choices=None, given=(), architectures=None):
    return paper_table.paper_results(name, known(*given), choices or {"ucf101": Choice()}, tmp_path, architectures)


def test_a_papers_table_has_a_row_for_each_printed_cell(tmp_path):
    write_scores(tmp_path, 1, share(6))
    found = paper("twostream_table1a", tmp_path)
    assert [x["published"] for x in found] == ["42.5", "52.3", "70.8", "72.8", "72.7", "59.9"]
    assert [(x["reproduced"], x["status"]) for x in found[:2]] == [("", "published only"), ("60.0", "reproduced")]
    assert found[1]["run"] == "two_stream.temporal"


def test_a_papers_table_keeps_its_layout(tmp_path):
    for split in (1, 2, 3):
        write_scores(tmp_path, split, share(8))
    header, table, notes = paper_table.layout("twostream_table4", paper("twostream_table4", tmp_path))
    assert header == ["", "UCF-101", "HMDB-51"]
    assert table[6][:2] == ["Temporal stream ConvNet", "83.7 / 80.0"]
    assert table[2][1] == "–"
    assert "not run: hmdb51 is not among config.yaml's data sets" in notes


@pytest.mark.parametrize("name", published.tables())
def test_every_table_can_be_made_without_scores(name, tmp_path):
    tables_command.main(["paper", name, "--runs", str(tmp_path), "--out", str(tmp_path / "t.csv")])
    with open(tmp_path / "t.csv", newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [x["published"] for x in found] == [cell.value for cell in published.cells() if cell.table == name]
    assert all(x["status"] == "description" or x["note"] for x in found)
    assert (tmp_path / "t.md").read_text("utf-8").count("\n|") == 2 + len({x["row"] for x in found})
    assert (tmp_path / "t.tex").read_text("utf-8").count(r" \\") == 1 + len({x["row"] for x in found})


def test_published_facts_of_networks_stand_beside_those_of_the_code(tmp_path):
    path = tmp_path / "architectures.csv"
    path.write_text(
        "paper,architecture,quantity,at,published,computed,agrees,note\n"
        f'{FIELD},MaxPool3d_5a_2x2,"59,219,219","67,251,251",no,Four modules.\n'
        f'{FIELD},avg-pool,"99,539,539","107,571,571",no,Four modules.\n'
    )
    found = {(x["row"], x["column"]): x for x in paper("i3d_fig3", tmp_path, architectures=path)}
    field = found["after the 2x2x2 max-pool (MaxPool3d_5a)", "x"]
    assert (field["published"], field["reproduced"], field["status"]) == ("219", "251", "differs")
    assert field["note"] == "counted on the code's network; Four modules"
    assert found["after the 2x7x7 avg-pool", "time"]["reproduced"] == "107"


def test_every_counted_fact_has_a_row_in_architectures_tsv():
    path = Path(paper_table.__file__).with_name("architectures.tsv")
    with open(path, newline="", encoding="utf-8") as file:
        names = [(x["paper"], x["architecture"], x["quantity"], x["at"]) for x in csv.DictReader(file, delimiter="\t")]
    keys = [key for cell in published.cells() if (key := paper_table.architecture_key(cell))]
    assert len(keys) == 14 + 6 + 25 + 15
    assert [key for key in keys if not any(paper_table.matches(name, key) for name in names)] == []
