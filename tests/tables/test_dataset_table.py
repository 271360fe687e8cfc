"""A data set's results table: published beside reproduced, n of N, and a reason in every row without a value."""

import csv
import os

import pytest

from pipeline.common.errors import UserError
from pipeline.formats import class_counts
from pipeline.tables import __main__ as tables_command
from pipeline.tables import dataset_table, entries, published, render, result_rows
from pipeline.tables.entries import Choice
from tests.helpers.madescores import I3D, known, share, write_scores


def results(root, dataset="ucf101", given=(), **choice):
    return dataset_table.dataset_results(dataset, known(*given), Choice(**choice), root)


def find_row(rows, method, split="mean", classes="all"):
    return next(row for row in rows if (row["method"], row["split"], row["classes"]) == (method, split, classes))


def test_reproduced_stands_beside_published_with_their_difference(tmp_path):
    for split, right in ((1, 6), (2, 8), (3, 10)):
        write_scores(tmp_path, split, share(right), listed=12, preset="demo", deviations="from scratch")
    mean = find_row(results(tmp_path), "Temporal")
    assert (mean["published"], mean["reproduced"], mean["difference"]) == ("83.7", "80.0", "-3.7")
    assert (mean["videos"], mean["splits"], mean["status"]) == ("30/36", "3/3", "reproduced")
    assert (mean["protocol"], mean["note"]) == ("25 frames x 10 crops", "preset demo; from scratch")
    assert mean["tables"] == "twostream_table4"


def test_the_interval_is_wilsons_over_all_the_splits_videos(tmp_path):
    for split in (1, 2, 3):
        write_scores(tmp_path, split, share(8))
    mean = find_row(results(tmp_path), "Temporal")
    assert (mean["low"], mean["high"]) == ("62.7", "90.5")  # 24 of 30


def test_a_value_of_one_split_is_compared_with_that_split_alone(tmp_path):
    write_scores(tmp_path, 1, share(6))
    found = [x for x in results(tmp_path) if x["method"] == "Scratch"]
    assert [(x["split"], x["published"], x["reproduced"], x["status"]) for x in found] == [
        ("1", "52.3", "60.0", "reproduced")
    ]


def test_a_mean_over_fewer_splits_than_the_papers_is_partial_and_says_so(tmp_path):
    write_scores(tmp_path, 1, share(6))
    for splits in ([1], [1, 2, 3]):
        mean = find_row(results(tmp_path, splits=splits), "Temporal")
        assert (mean["status"], mean["splits"], mean["note"]) == ("partial", "1/3", "1 of 3 splits")


def test_an_entrys_note_stands_before_the_note_of_its_scores(tmp_path):
    write_scores(tmp_path, 1, share(6), preset="demo")
    noted = {"method": "Temporal", "run": "temporal", "splits": [1], "note": "without a second data set"}
    made = find_row(results(tmp_path, given=[noted]), "Temporal", "1")
    assert made["note"] == "without a second data set; preset demo"


def test_an_entry_outside_tables_rows_does_not_say_what_it_needs(tmp_path):
    made = results(tmp_path, "own", given=[{**I3D, "published": []}], lacking=["kinetics"], rows=["two_stream.rgb"])
    assert made == []


def test_an_entry_without_scores_was_not_run(tmp_path):
    mean = find_row(results(tmp_path), "Temporal")
    assert (mean["published"], mean["status"], mean["note"]) == ("83.7", "not run", "no score file")


def test_every_row_has_a_value_or_a_reason(tmp_path):
    for dataset in ("ucf101", "hmdb51", "kinetics400"):
        found = results(tmp_path, dataset, lacking=["kinetics"])
        assert all(x.get("reproduced") or (x["status"] and x["note"]) for x in found)


def test_seeds_are_averaged_and_their_standard_deviation_is_shown(tmp_path):
    for seed, right in ((0, 6), (1, 8)):
        write_scores(tmp_path, 1, share(right), seed=seed)
    scratch = find_row(results(tmp_path, seeds=[0, 1]), "Scratch", "1")
    assert (scratch["reproduced"], scratch["std"], scratch["seeds"]) == ("70.0", "14.1", "0 1")
    assert scratch["videos"] == "10/10"
    short = find_row(results(tmp_path, seeds=[0, 1, 2]), "Scratch", "1")
    assert (short["status"], short["note"]) == ("partial", "2 of 3 seeds")


def test_values_that_no_run_regenerates_are_published_only_and_say_whose_they_are(tmp_path):
    found = results(tmp_path)
    idt = find_row(found, "Improved dense trajectories (IDT) [26, 27]")
    assert (idt["published"], idt["status"]) == ("85.9", "published only")
    assert idt["note"] == "another group's system, quoted by the paper"
    assert find_row(found, "FSTCN (SCI fusion)")["note"] == "no run in experiments/ regenerates it"
    assert not any(x["published"] for x in results(tmp_path, dataset="mine"))


def test_every_accuracy_of_a_data_set_is_in_its_table(tmp_path):
    for dataset in published.datasets():
        wanted = {(c.table, c.value) for c in published.cells() if c.dataset == dataset and c.metric != "points"}
        found = results(tmp_path, dataset)
        assert {(table, x["published"]) for x in found if "tables" in x for table in x["tables"].split()} == wanted


def test_a_users_own_data_set_has_measured_values_of_every_entry_with_demo_not_false(tmp_path):
    write_scores(tmp_path, 1, share(9), dataset="mine")
    found = results(tmp_path, dataset="mine", splits=[1])
    assert {(x["method"], x["split"], x["status"]) for x in found} == {
        ("Temporal", "1", "measured"), ("Temporal", "mean", "measured"),
    }  # fmt: skip


def test_groups_of_classes_have_rows(tmp_path):
    write_scores(tmp_path, 1, [0, 1] * 5, dataset="mine")
    found = results(tmp_path, dataset="mine", splits=[1], groups={"easy": ["a"], "hard": ["b"]})
    easy, hard = (find_row(found, "Temporal", "mean", group) for group in ("easy", "hard"))
    assert (easy["reproduced"], easy["videos"], hard["reproduced"]) == ("100.0", "5", "0.0")


def test_a_group_of_unknown_classes_is_refused(tmp_path):
    write_scores(tmp_path, 1, share(6))
    with pytest.raises(UserError, match="groups names the class z"):
        results(tmp_path, groups={"odd": ["z"]})


def test_an_entry_that_needs_another_data_set_says_which(tmp_path):
    needy = find_row(results(tmp_path, given=[I3D], lacking=["kinetics"]), "I3D")
    assert (needy["status"], needy["published"]) == ("needs kinetics", "96.5")
    assert list(entries.planned_scores(known(I3D), "ucf101", Choice(lacking=["kinetics"]))) == []
    assert find_row(results(tmp_path, given=[I3D]), "I3D")["status"] == "not run"


def test_top_5_cells_are_compared_with_top_5(tmp_path):
    write_scores(tmp_path, 2, [0, 0, 3, 5], dataset="kinetics400", run="two_stream.flow")
    found = [x for x in results(tmp_path, "kinetics400", [I3D], splits=[2]) if x["method"] == "I3D"]
    assert [(x["split"], x["metric"], x["published"], x["reproduced"]) for x in found] == [
        ("test", "top1", "61.5", "50.0"), ("test", "top5", "83.4", "75.0"),
    ]  # fmt: skip


def test_a_value_of_kinetics_test_clips_beside_validation_clips_is_partial(tmp_path):
    write_scores(tmp_path, 1, share(6), dataset="kinetics400", run="two_stream.flow")
    found = [x for x in results(tmp_path, "kinetics400", [I3D], splits=[1]) if x["published"] == "61.5"]
    assert [(x["reproduced"], x["status"]) for x in found if x["run"]] == [("60.0", "partial")]
    assert "measured on the validation clips" in found[0]["note"]


def test_rows_are_chosen_by_pattern_and_a_pattern_that_fits_none_is_refused(tmp_path):
    chosen = find_row(results(tmp_path, rows=["i3d.*"]), "Temporal")
    assert (chosen["status"], chosen["note"]) == ("not run", "two_stream.temporal is not among tables.rows")
    with pytest.raises(UserError, match=r"tables.rows has 'two\*', which fits no run: choose among"):
        entries.check_patterns(Choice(rows=["two*"]), [])


def test_an_entry_outside_tables_rows_has_no_row_where_nothing_was_published(tmp_path):
    assert results(tmp_path, dataset="mine", rows=["i3d.*"]) == []


def test_a_table_needs_the_score_files_of_its_entries(tmp_path):
    planned = list(entries.planned_scores(known(), "hmdb51", Choice(splits=[1, 2], seeds=[0, 7])))
    assert planned == [("two_stream.temporal", split, seed) for split in (1, 2) for seed in (0, 7)]


def test_class_counts_are_cached_and_counted_again_when_the_scores_change(tmp_path):
    path = write_scores(tmp_path, 1, share(6))
    assert sum(class_counts.read_or_count(path).top1) == 6
    beside = path.with_suffix(".hits.json")
    beside.write_text(beside.read_text().replace("[3, 3,", "[4, 3,"))
    assert sum(class_counts.read_or_count(path).top1) == 7  # read from the JSON
    write_scores(tmp_path, 1, share(9))
    os.utime(path, ns=(1, 1))
    assert sum(class_counts.read_or_count(path).top1) == 9
    beside.write_text("no JSON")
    assert sum(class_counts.read_or_count(path).top1) == 9


def test_markdown_and_latex_escape_their_markup_characters():
    text = (["a|b", "50 % & more"], [["x_y*", f"1 < 2{render.footnote_mark(1)}"]], ["#1 ~ ^"])
    made = render.markdown("T", text)
    assert r"| a\|b | 50 % & more |" in made
    assert r"| x\_y\* | 1 \< 2¹ |" in made
    assert r"a\textbar{}b & 50 \% \& more \\" in render.latex("T", text)
    assert r"x\_y* & 1 \textless{} 2\textsuperscript{1} \\" in render.latex("T", text)
    assert r"\#1 \textasciitilde{} \textasciicircum{}" in render.latex("T", text)


def test_a_data_sets_table_is_written_three_ways_and_shown(tmp_path, capsys):
    for split in (1, 2, 3):
        write_scores(tmp_path, split, share(8))
    out = tmp_path / "ucf101.csv"
    tables_command.main(["dataset", "ucf101", "--runs", str(tmp_path), "--out", str(out)])
    with open(out, newline="", encoding="utf-8") as file:
        assert csv.DictReader(file).fieldnames == list(result_rows.COLUMNS)
    assert "Temporal stream ConvNet" in out.with_suffix(".md").read_text("utf-8")
    assert r"\begin{table}" in out.with_suffix(".tex").read_text("utf-8")
    tables_command.main(["show", str(out)])
    shown = capsys.readouterr().out
    assert "83.7" in shown
    assert "another group's system" in shown


def test_groups_are_columns_when_shown(tmp_path):
    write_scores(tmp_path, 1, [0, 1] * 5, dataset="mine")
    found = results(tmp_path, dataset="mine", splits=[1], groups={"easy": ["a"], "hard": ["b"]})
    header, table, _ = dataset_table.compact([dict.fromkeys(result_rows.COLUMNS, "") | x for x in found])
    assert header[-2:] == ["easy", "hard"]
    assert [(row[0], *row[-2:]) for row in table] == [("Temporal", "100.0", "0.0")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "/no/such.csv"], "/no/such.csv cannot be read as the results table of a data set"),
        (["show", str(published.CELLS)], "has no column paper, so it is not the results table of a data set"),
        (["paper", "table_9", "--out", "x.csv"], "there is no table 'table_9': choose one of twostream_table1a"),
        (["dataset", "ucf101", "--choices", '{"ucf101": {"split": 1}}', "--out", "x.csv"], "--choices cannot be read"),
        (["dataset", "ucf101", "--choices", "[1]", "--out", "x.csv"], "--choices cannot be read"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_sentence(arguments, words):
    with pytest.raises(UserError) as caught:
        tables_command.main(arguments)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
