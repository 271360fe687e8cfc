"""Names as people have them: white space, names that are not UTF-8, and links without a target."""

import os

import pytest

from pipeline.formats import quarantine
from pipeline.formats.quarantine import QuarantineRow
from pipeline.index import membership
from pipeline.index.video_files import list_files
from tests.index.test_index import FOLDER, run, touch, ucf
from tests.index.test_membership import same_slices

ODD = [
    "fight/bad  clip.avi",
    " a/b.avi",
    "a/\u3000.avi",
    "a/b\u00a0c.avi",
    "a/\u202f",
    'a/"q" \u2028\x85\x0b.avi',
    "'a'",
]
UNLISTABLE = ["a/t\tab.avi", "a/line\nend.avi", "a/cr\r.avi", "a/caf\udce9.avi"]


def test_a_quarantine_table_keeps_every_name(tmp_path):
    rows = [QuarantineRow(name, "frames", "bad", "why") for name in ODD]
    quarantine.write(tmp_path / "q.tsv", rows)
    assert quarantine.read([tmp_path / "q.tsv"]) == rows


def test_line_ends_in_a_reason_become_spaces(tmp_path):
    quarantine.write(tmp_path / "q.tsv", [QuarantineRow("a", "frames", "bad", "no  key\r\n  frame \udce9\n")])
    assert quarantine.read([tmp_path / "q.tsv"])[0].reason == "no  key frame \\udce9"


def test_names_with_white_space_are_the_same_in_the_index_and_in_frames(tmp_path):
    root = touch(tmp_path / "v", *(name for name in ODD if name.endswith(".avi")), *FOLDER)
    assert same_slices(tmp_path, root)
    videos, _, _ = run(root, tmp_path / "out")
    assert set(ODD[:4]) <= set(videos["video_id"])


def test_a_name_that_no_list_can_have_is_a_row(tmp_path):
    root = touch(tmp_path / "v", *FOLDER, *UNLISTABLE, "\udcff/x.avi")
    videos, _, rows = run(root, tmp_path / "out")
    assert videos["video_id"].tolist() == sorted(FOLDER)
    escaped = {"a/t\\tab.avi", "a/line\\nend.avi", "a/cr\\r.avi", "a/caf\\udce9.avi", "\\udcff/x.avi"}
    assert set(rows) == escaped
    assert rows["a/caf\\udce9.avi"][2:] == ("ignored", "its name is not UTF-8, so no list can name it: rename it")
    assert len(membership.members(root, list_files(root), "folder", None, 4, 0)) == len(FOLDER)
    assert membership.folder_hashes(str(root), "folder", None, 4, 0).slices


def test_links_without_a_target_are_rows(tmp_path):
    root = touch(tmp_path / "v", *FOLDER)
    (root / "a/gone.avi").symlink_to("/nonexistent/x.avi")
    (root / "walk").symlink_to("/nonexistent/walk")
    (root / "b/self.avi").symlink_to("self.avi")
    (root / "a/again").symlink_to(root / "a")
    os.mkfifo(root / "b/pipe.avi")
    videos, _, rows = run(root, tmp_path / "out")
    assert videos["video_id"].tolist() == sorted(FOLDER)
    assert {name: row.verdict for name, row in rows.items()} == {
        "a/gone.avi": "missing",
        "walk": "missing",
        "b/self.avi": "missing",
        "a/again/": "ignored",
        "b/pipe.avi": "ignored",
    }
    assert rows["walk"].reason == "is a link to /nonexistent/walk, which does not exist"


def test_a_listed_video_that_is_a_dangling_link_is_one_row(tmp_path):
    (tmp_path / "v/A").mkdir(parents=True)
    (tmp_path / "v/A/v1.avi").symlink_to("/nonexistent/v1.avi")
    videos, _, rows = ucf(tmp_path, "B/v2.avi", "A/v3.avi", "B/v4.avi")
    assert (len(videos), list(rows)) == (3, ["A/v1.avi"])


@pytest.mark.parametrize("kept", [True, False])
def test_a_link_to_an_existing_clip_is_followed(tmp_path, kept):
    root = touch(tmp_path / "v", *FOLDER)
    target = touch(tmp_path, "clip.avi") / ("clip.avi" if kept else "none.avi")
    (root / "a/link.avi").symlink_to(target)
    assert ("a/link.avi" in run(root, tmp_path / "out")[0]["video_id"].tolist()) == kept
