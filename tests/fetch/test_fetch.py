"""Fetching whole data sets: from this machine, from a server, from what a killed run left behind."""

import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv, sha256, write_tsv
from pipeline.fetch.__main__ import main
from pipeline.fetch.sources import COLUMNS
from tests.fetch.test_archives import write_targz, write_zip
from tests.helpers.killing import tree
from tests.helpers.loopback import PAGE, Act, Loopback, loopback
from tests.helpers.rarwriter import rar4

CLIPS = {
    f"UCF-101/{name}/v_{name}_g0{n}.avi": random.Random(name).randbytes(30_000 + int(n)) for name in "AB" for n in "12"
}
LISTS = {"ucfTrainTestlist/classInd.txt": b"1 A\n2 B\n", "ucfTrainTestlist/trainlist01.txt": b"A/v_A_g01.avi 1\n"}
QUICK = ["--attempts=2", "--connect-timeout=2", "--read-timeout=0.3", "--first-wait=0.01"]


@pytest.fixture
def web() -> Iterator[Loopback]:
    with loopback() as server:
        yield server


def write_table(folder: Path, *rows: dict[str, str]) -> Path:
    empty = dict.fromkeys(COLUMNS, "")
    write_tsv(
        folder / "sources.tsv", COLUMNS, [(empty | {"dataset": "d", "kind": "archive"} | row).values() for row in rows]
    )
    return folder / "sources.tsv"


def fetch(folder: Path, *more: str) -> dict[str, bytes]:
    main(["--dataset=d", f"--out={folder / 'out'}", f"--sources={folder / 'sources.tsv'}", *QUICK, *more])
    return tree(folder / "out")


def marker_rows(folder: Path) -> list[dict[str, str]]:
    return read_tsv(folder / "out/fetched.tsv")


def write_archives(folder: Path) -> str:
    """UCF-101's two archives in a folder, and a table without URLs."""
    (folder / "local").mkdir(exist_ok=True)
    rar4(folder / "local/UCF101.rar", CLIPS)
    write_zip(folder / "local/splits.zip", LISTS)
    write_table(folder, {"file": "UCF101.rar", "unpack": "videos"}, {"file": "splits.zip", "unpack": "lists"})
    return f"--archives={folder / 'local'}"


def serve_archives(folder: Path, web: Loopback, *acts: Callable[[bytes], Act]) -> None:
    """The same on a server, which answers for the RAR with these acts."""
    write_archives(folder)
    data = (folder / "local/UCF101.rar").read_bytes()
    rar = web.serve("/UCF101.rar", *[act(data) for act in acts or [Act]])
    lists = web.serve("/splits.zip", Act((folder / "local/splits.zip").read_bytes()))
    write_table(
        folder,
        {"file": "UCF101.rar", "unpack": "videos", "url": rar},
        {"file": "splits.zip", "unpack": "lists", "url": lists},
    )


def test_local_archives_become_videos_and_lists(tmp_path):
    files = fetch(tmp_path, write_archives(tmp_path))
    assert {name.removeprefix("videos"): data for name, data in files.items() if name.endswith(".avi")} == {
        name.removeprefix("UCF-101"): data for name, data in CLIPS.items()
    }
    assert files["lists/classInd.txt"] == b"1 A\n2 B\n"


def test_the_marker_lists_every_archive_and_its_source(tmp_path):
    fetch(tmp_path, write_archives(tmp_path))
    rar = tmp_path / "local/UCF101.rar"
    assert marker_rows(tmp_path)[0] == {
        "file": "UCF101.rar",
        "bytes": str(rar.stat().st_size),
        "sha256": sha256(rar),
        "source": "local",
        "members": "4",
    }


def test_a_download_gives_what_local_archives_give(tmp_path, web):
    serve_archives(tmp_path, web, lambda data: Act(data, cut=50_000), lambda data: Act(data))
    files = fetch(tmp_path)
    shutil.rmtree(tmp_path / "out")
    expected = fetch(tmp_path, write_archives(tmp_path))
    assert {name: files[name] for name in files if name.startswith(("videos", "lists"))} == {
        name: expected[name] for name in expected if name.startswith(("videos", "lists"))
    }


def test_running_again_downloads_nothing_and_changes_nothing(tmp_path, web):
    serve_archives(tmp_path, web)
    first = fetch(tmp_path)
    web.asked.clear()
    assert fetch(tmp_path) == first
    assert web.asked == []


def test_archives_that_are_not_kept_are_not_needed_again(tmp_path, web):
    serve_archives(tmp_path, web)
    first = fetch(tmp_path, "--no-keep-archives")
    web.asked.clear()
    assert fetch(tmp_path, "--no-keep-archives") == first
    assert web.asked == []
    assert not (tmp_path / "out/archives/UCF101.rar").exists()


def test_the_users_own_archives_are_never_deleted(tmp_path):
    fetch(tmp_path, write_archives(tmp_path), "--no-keep-archives")
    assert (tmp_path / "local/UCF101.rar").exists()


def test_an_archive_put_into_the_download_folder_by_hand_is_not_deleted(tmp_path):
    write_table(tmp_path, {"file": "a.rar", "unpack": "videos"})
    (tmp_path / "out/archives").mkdir(parents=True)
    rar4(tmp_path / "out/archives/a.rar", CLIPS)
    assert "archives/a.rar" in fetch(tmp_path, "--no-keep-archives")


def test_a_lost_clip_comes_back(tmp_path):
    first = fetch(tmp_path, write_archives(tmp_path))
    (tmp_path / "out/videos/A/v_A_g01.avi").unlink()
    assert fetch(tmp_path, write_archives(tmp_path)) == first


def test_a_mirror_is_used_and_recorded_when_the_primary_url_fails(tmp_path, web):
    data = rar4(tmp_path / "a", CLIPS).read_bytes()
    good = web.serve("/good", Act(data))
    bad = [web.serve("/page", Act(PAGE)), web.serve("/cut", Act(data[:-40_000])), web.serve("/gone", Act(PAGE, 404))]
    write_table(tmp_path, {"file": "a.rar", "unpack": "videos", "url": bad[0], "mirrors": " ".join([*bad[1:], good])})
    fetch(tmp_path)
    assert marker_rows(tmp_path)[0]["source"] == good
    assert read_tsv(tmp_path / "out/checksums.tsv")[0]["url"] == good


def test_a_wrong_checksum_is_never_unpacked(tmp_path, web):
    rar4(tmp_path / "a", CLIPS)
    url = web.serve("/a", Act((tmp_path / "a").read_bytes()))
    write_table(tmp_path, {"file": "a.rar", "unpack": "videos", "url": url, "sha256": "0" * 64})
    digest = sha256(tmp_path / "a")
    with pytest.raises(UserError, match=rf"a\.rar could not be downloaded .*sha256 {digest} where 0{{64}}"):
        fetch(tmp_path)
    assert not (tmp_path / "out/videos").exists()


def test_a_recorded_checksum_is_checked_at_every_later_download(tmp_path, web):
    serve_archives(tmp_path, web)
    fetch(tmp_path)
    (tmp_path / "out/archives/UCF101.rar").unlink()
    (tmp_path / "out/videos/A/v_A_g01.avi").unlink()
    web.serve("/UCF101.rar", Act(rar4(tmp_path / "b", {"UCF-101/A/other.avi": b"1"}).read_bytes()))
    with pytest.raises(UserError, match="is on record"):
        fetch(tmp_path)


def test_when_every_url_fails_the_error_says_where_to_put_the_file(tmp_path, web):
    url = web.serve("/x", Act(PAGE, 404))
    write_table(tmp_path, {"file": "UCF101.rar", "unpack": "videos", "url": url, "mirrors": web.serve("/y", Act(PAGE))})
    with pytest.raises(UserError) as error:
        fetch(tmp_path)
    assert str(error.value) == (
        f"UCF101.rar could not be downloaded from any of its 2 addresses (last: {web.address}/y answered with a web"
        f" page, not an archive): put it at {tmp_path}/out/archives/UCF101.rar and run again"
    )


def test_an_archive_put_where_the_error_says_is_used(tmp_path, web):
    write_table(tmp_path, {"file": "a.rar", "unpack": "videos", "url": web.serve("/x", Act(PAGE, 404))})
    with pytest.raises(UserError):
        fetch(tmp_path)
    rar4(tmp_path / "out/archives/a.rar", CLIPS)
    assert fetch(tmp_path)["videos/A/v_A_g01.avi"] == CLIPS["UCF-101/A/v_A_g01.avi"]
    assert marker_rows(tmp_path)[0]["source"] == "local"


def test_a_local_archive_that_is_a_web_page_is_reported_and_kept(tmp_path):
    option = write_archives(tmp_path)
    (tmp_path / "local/UCF101.rar").write_bytes(PAGE)
    with pytest.raises(UserError, match=r"local/UCF101\.rar is a web page, not an archive: put the right file there"):
        fetch(tmp_path, option)
    assert (tmp_path / "local/UCF101.rar").read_bytes() == PAGE


def test_a_damaged_archive_can_be_replaced_by_a_good_one(tmp_path, web):
    serve_archives(tmp_path, web)
    whole = (tmp_path / "local/UCF101.rar").read_bytes()
    (tmp_path / "local/UCF101.rar").write_bytes(whole[:-30_000])
    with pytest.raises(UserError, match=r"local/UCF101\.rar cannot be unpacked"):
        fetch(tmp_path, f"--archives={tmp_path / 'local'}")
    (tmp_path / "local/UCF101.rar").write_bytes(whole)
    assert "fetched.tsv" in fetch(tmp_path, f"--archives={tmp_path / 'local'}")


def test_a_local_archive_of_the_wrong_length_is_named_with_both_lengths(tmp_path):
    option = write_archives(tmp_path)
    write_table(tmp_path, {"file": "UCF101.rar", "unpack": "videos", "bytes": "6932971618"})
    with pytest.raises(UserError, match=r"has \d+ bytes where 6932971618 are expected"):
        fetch(tmp_path, option)


def test_a_missing_archive_without_url_is_reported_with_its_expected_path(tmp_path):
    option = write_archives(tmp_path)
    (tmp_path / "local/splits.zip").unlink()
    with pytest.raises(UserError, match=rf"splits\.zip is not on this machine .* {tmp_path}/local/splits\.zip"):
        fetch(tmp_path, option)


def test_an_archive_without_files_is_an_error(tmp_path):
    option = write_archives(tmp_path)
    rar4(tmp_path / "local/UCF101.rar", {})
    with pytest.raises(UserError, match=r"UCF101\.rar cannot be unpacked: it holds no files"):
        fetch(tmp_path, option)


def test_a_file_where_the_output_folder_should_be_is_named(tmp_path):
    option = write_archives(tmp_path)
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match=r"out.* cannot be used"):
        fetch(tmp_path, option)


def test_a_failed_run_leaves_no_marker_of_an_earlier_one(tmp_path):
    option = write_archives(tmp_path)
    fetch(tmp_path, option)
    (tmp_path / "local/splits.zip").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(UserError, match=r"splits\.zip cannot be unpacked"):
        fetch(tmp_path, option)
    assert not (tmp_path / "out/fetched.tsv").exists()


def test_the_clips_of_a_changed_archive_are_replaced(tmp_path):
    option = write_archives(tmp_path)
    fetch(tmp_path, option)
    rar4(tmp_path / "local/UCF101.rar", {"UCF-101/C/new.avi": b"new"})
    files = fetch(tmp_path, option)
    assert [name for name in files if name.startswith("videos/")] == ["videos/C", "videos/C/new.avi"]


def test_a_folder_that_holds_another_data_set_is_not_touched(tmp_path):
    option = write_archives(tmp_path)
    first = fetch(tmp_path, option)
    write_table(tmp_path, {"file": "hmdb51_org.rar", "unpack": "videos"})
    with pytest.raises(UserError, match=r"out holds another data set, from UCF101\.rar"):
        fetch(tmp_path, option)
    assert tree(tmp_path / "out") == first


def test_the_files_of_a_removed_row_are_deleted(tmp_path):
    option = write_archives(tmp_path)
    fetch(tmp_path, option)
    write_table(tmp_path, {"file": "UCF101.rar", "unpack": "videos"})
    assert "lists" not in fetch(tmp_path, option)


def test_two_archives_with_different_clips_of_one_name_are_an_error(tmp_path):
    rar4(tmp_path / "a.rar", {"T/A/a.avi": b"1"})
    rar4(tmp_path / "b.rar", {"T/A/a.avi": b"2"})
    write_table(tmp_path, {"file": "a.rar", "unpack": "videos"}, {"file": "b.rar", "unpack": "videos"})
    with pytest.raises(UserError, match=r"b\.rar holds another .*videos/A/a\.avi than is there"):
        fetch(tmp_path, f"--archives={tmp_path}")


def test_hmdb51s_rar_of_rars(tmp_path):
    inner = {
        name: rar4(tmp_path / name, {f"{name}/#1_{name}.avi": name.encode()}).read_bytes() for name in ("kiss", "wave")
    }
    rar4(tmp_path / "org.rar", {f"{name}.rar": data for name, data in inner.items()})
    rar4(tmp_path / "splits.rar", {"testTrainMulti_7030_splits/kiss_test_split1.txt": b"a.avi 1\n"})
    write_table(tmp_path, {"file": "org.rar", "unpack": "videos"}, {"file": "splits.rar", "unpack": "lists"})
    files = fetch(tmp_path, f"--archives={tmp_path}")
    assert files["videos/kiss/#1_kiss.avi"] == b"kiss"
    assert files["lists/kiss_test_split1.txt"] == b"a.avi 1\n"
    assert [row["members"] for row in marker_rows(tmp_path)] == ["2", "1"]


def serve_kinetics(folder: Path, web: Loopback) -> None:
    """Two training parts in a list, replacements, and annotations."""
    urls = []
    for number in range(2):
        data = write_targz(folder / "tar", {f"./clip{number}.mp4": bytes([number]) * 5000}).read_bytes()
        urls.append(web.serve(f"/400/train/part_{number}.tar.gz", Act(data)))
    fixed = write_targz(folder / "tar", {"replacement/clip0.mp4": b"good"}).read_bytes()
    csv, listing = web.serve("/c", Act(b"label\nkiss\n")), web.serve("/l", Act("\n".join(urls).encode()))
    write_table(
        folder,
        {"file": "annotations/train.csv", "kind": "plain", "unpack": "lists", "url": csv},
        {"file": "train/list.txt", "kind": "list", "unpack": "videos/train", "url": listing},
        {"file": "fixed.tgz", "unpack": "videos/replacement", "url": web.serve("/f", Act(fixed))},
    )


def test_kinetics_list_of_parts_replacements_and_annotations(tmp_path, web):
    serve_kinetics(tmp_path, web)
    files = fetch(tmp_path)
    assert files["videos/train/clip0.mp4"] == bytes(5000)
    assert files["videos/train/clip1.mp4"] == b"\1" * 5000
    assert "good" in files["videos/replacement/replacement/clip0.mp4"].decode()
    assert files["lists/train.csv"] == b"label\nkiss\n"
    assert [row["file"] for row in marker_rows(tmp_path)][1:4] == [
        "train/list.txt",
        "train/part_0.tar.gz",
        "train/part_1.tar.gz",
    ]


def test_one_missing_part_does_not_stop_the_others_and_comes_alone_next_time(tmp_path, web):
    serve_kinetics(tmp_path, web)
    good = web.acts["/400/train/part_0.tar.gz"]
    web.acts["/400/train/part_0.tar.gz"] = [Act(PAGE, 404)]
    with pytest.raises(UserError, match=r"^train/part_0\.tar\.gz could not be downloaded from its address"):
        fetch(tmp_path, "--no-keep-archives")
    assert (tmp_path / "out/videos/train/clip1.mp4").exists()
    web.acts["/400/train/part_0.tar.gz"] = good
    web.asked.clear()
    fetch(tmp_path, "--no-keep-archives")
    assert [path for path, _ in web.asked] == ["/400/train/part_0.tar.gz"]


def test_parts_downloaded_by_other_means_are_found_in_their_folders(tmp_path, web):
    serve_kinetics(tmp_path, web)
    (tmp_path / "k400_targz/train").mkdir(parents=True)
    write_targz(tmp_path / "k400_targz/train/part_0.tar.gz", {"mine.mp4": b"mine"})
    assert fetch(tmp_path, f"--archives={tmp_path / 'k400_targz'}")["videos/train/mine.mp4"] == b"mine"


def test_the_command_reports_an_error_in_one_sentence(tmp_path):
    write_table(tmp_path, {"file": "a.rar", "unpack": "videos"})
    command = [
        sys.executable,
        "-m",
        "pipeline.fetch",
        "--dataset=d",
        f"--out={tmp_path}/out",
        f"--sources={tmp_path}/sources.tsv",
    ]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1].startswith("error: a.rar is not on this machine")
    assert "Traceback" not in process.stderr
