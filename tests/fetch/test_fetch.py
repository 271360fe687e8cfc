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


def table(folder: Path, *rows: dict[str, str]) -> Path:
    empty = dict.fromkeys(COLUMNS, "")
    write_tsv(
        folder / "sources.tsv", COLUMNS, [(empty | {"dataset": "d", "kind": "archive"} | row).values() for row in rows]
    )
    return folder / "sources.tsv"


def fetch(folder: Path, *more: str) -> dict[str, bytes]:
    main(["--dataset=d", f"--out={folder / 'out'}", f"--sources={folder / 'sources.tsv'}", *QUICK, *more])
    return tree(folder / "out")


def fetched(folder: Path) -> list[dict[str, str]]:
    return read_tsv(folder / "out/fetched.tsv")


def local(folder: Path) -> str:
    """UCF-101's two archives in a folder, and a table without addresses."""
    (folder / "given").mkdir(exist_ok=True)
    rar4(folder / "given/UCF101.rar", CLIPS)
    write_zip(folder / "given/splits.zip", LISTS)
    table(folder, {"file": "UCF101.rar", "unpack": "videos"}, {"file": "splits.zip", "unpack": "lists"})
    return f"--archives={folder / 'given'}"


def remote(folder: Path, web: Loopback, *acts: Callable[[bytes], Act]) -> None:
    """The same on a server, which answers for the RAR with these acts."""
    local(folder)
    data = (folder / "given/UCF101.rar").read_bytes()
    rar = web.serve("/UCF101.rar", *[act(data) for act in acts or [Act]])
    lists = web.serve("/splits.zip", Act((folder / "given/splits.zip").read_bytes()))
    table(
        folder,
        {"file": "UCF101.rar", "unpack": "videos", "url": rar},
        {"file": "splits.zip", "unpack": "lists", "url": lists},
    )


def test_local_archives_become_videos_and_lists(tmp_path):
    got = fetch(tmp_path, local(tmp_path))
    assert {name.removeprefix("videos"): data for name, data in got.items() if name.endswith(".avi")} == {
        name.removeprefix("UCF-101"): data for name, data in CLIPS.items()
    }
    assert got["lists/classInd.txt"] == b"1 A\n2 B\n"


def test_the_marker_says_what_came_from_where(tmp_path):
    fetch(tmp_path, local(tmp_path))
    rar = tmp_path / "given/UCF101.rar"
    assert fetched(tmp_path)[0] == {
        "file": "UCF101.rar",
        "bytes": str(rar.stat().st_size),
        "sha256": sha256(rar),
        "source": "local",
        "members": "4",
    }


def test_a_download_gives_what_local_archives_give(tmp_path, web):
    remote(tmp_path, web, lambda data: Act(data, cut=50_000), lambda data: Act(data))
    got = fetch(tmp_path)
    shutil.rmtree(tmp_path / "out")
    want = fetch(tmp_path, local(tmp_path))
    assert {name: got[name] for name in got if name.startswith(("videos", "lists"))} == {
        name: want[name] for name in want if name.startswith(("videos", "lists"))
    }


def test_running_again_downloads_nothing_and_changes_nothing(tmp_path, web):
    remote(tmp_path, web)
    once = fetch(tmp_path)
    web.asked.clear()
    assert fetch(tmp_path) == once
    assert web.asked == []


def test_archives_that_are_not_kept_are_not_needed_again(tmp_path, web):
    remote(tmp_path, web)
    once = fetch(tmp_path, "--no-keep-archives")
    web.asked.clear()
    assert fetch(tmp_path, "--no-keep-archives") == once
    assert web.asked == []
    assert not (tmp_path / "out/archives/UCF101.rar").exists()


def test_archives_the_user_gave_are_never_removed(tmp_path):
    fetch(tmp_path, local(tmp_path), "--no-keep-archives")
    assert (tmp_path / "given/UCF101.rar").exists()


def test_an_archive_put_beside_the_downloads_by_hand_is_not_removed_either(tmp_path):
    table(tmp_path, {"file": "a.rar", "unpack": "videos"})
    (tmp_path / "out/archives").mkdir(parents=True)
    rar4(tmp_path / "out/archives/a.rar", CLIPS)
    assert "archives/a.rar" in fetch(tmp_path, "--no-keep-archives")


def test_a_lost_clip_comes_back(tmp_path):
    once = fetch(tmp_path, local(tmp_path))
    (tmp_path / "out/videos/A/v_A_g01.avi").unlink()
    assert fetch(tmp_path, local(tmp_path)) == once


def test_a_mirror_takes_over_and_is_named(tmp_path, web):
    data = rar4(tmp_path / "a", CLIPS).read_bytes()
    good = web.serve("/good", Act(data))
    bad = [web.serve("/page", Act(PAGE)), web.serve("/cut", Act(data[:-40_000])), web.serve("/gone", Act(PAGE, 404))]
    table(tmp_path, {"file": "a.rar", "unpack": "videos", "url": bad[0], "mirrors": " ".join([*bad[1:], good])})
    fetch(tmp_path)
    assert fetched(tmp_path)[0]["source"] == good
    assert read_tsv(tmp_path / "out/checksums.tsv")[0]["url"] == good


def test_a_wrong_checksum_is_never_unpacked(tmp_path, web):
    rar4(tmp_path / "a", CLIPS)
    url = web.serve("/a", Act((tmp_path / "a").read_bytes()))
    table(tmp_path, {"file": "a.rar", "unpack": "videos", "url": url, "sha256": "0" * 64})
    with pytest.raises(UserError, match=rf"a\.rar could not be had .*sha256 {sha256(tmp_path / 'a')} where 0{{64}}"):
        fetch(tmp_path)
    assert not (tmp_path / "out/videos").exists()


def test_a_checksum_recorded_once_is_checked_ever_after(tmp_path, web):
    remote(tmp_path, web)
    fetch(tmp_path)
    (tmp_path / "out/archives/UCF101.rar").unlink()
    (tmp_path / "out/videos/A/v_A_g01.avi").unlink()
    web.serve("/UCF101.rar", Act(rar4(tmp_path / "b", {"UCF-101/A/other.avi": b"1"}).read_bytes()))
    with pytest.raises(UserError, match="is on record"):
        fetch(tmp_path)


def test_when_every_source_fails_one_sentence_says_which_file_to_put_where(tmp_path, web):
    url = web.serve("/x", Act(PAGE, 404))
    table(tmp_path, {"file": "UCF101.rar", "unpack": "videos", "url": url, "mirrors": web.serve("/y", Act(PAGE))})
    with pytest.raises(UserError) as error:
        fetch(tmp_path)
    assert str(error.value) == (
        f"UCF101.rar could not be had from any of its 2 addresses (last: {web.address}/y answered with a web page,"
        f" not an archive): put it at {tmp_path}/out/archives/UCF101.rar and run again"
    )


def test_putting_it_there_is_enough(tmp_path, web):
    table(tmp_path, {"file": "a.rar", "unpack": "videos", "url": web.serve("/x", Act(PAGE, 404))})
    with pytest.raises(UserError):
        fetch(tmp_path)
    rar4(tmp_path / "out/archives/a.rar", CLIPS)
    assert fetch(tmp_path)["videos/A/v_A_g01.avi"] == CLIPS["UCF-101/A/v_A_g01.avi"]
    assert fetched(tmp_path)[0]["source"] == "local"


def test_a_local_archive_that_is_a_page_is_named_and_left_alone(tmp_path):
    given = local(tmp_path)
    (tmp_path / "given/UCF101.rar").write_bytes(PAGE)
    with pytest.raises(UserError, match=r"given/UCF101\.rar is a web page, not an archive: put the right file there"):
        fetch(tmp_path, given)
    assert (tmp_path / "given/UCF101.rar").read_bytes() == PAGE


def test_a_damaged_archive_can_be_replaced_by_a_good_one(tmp_path, web):
    remote(tmp_path, web)
    whole = (tmp_path / "given/UCF101.rar").read_bytes()
    (tmp_path / "given/UCF101.rar").write_bytes(whole[:-30_000])
    with pytest.raises(UserError, match=r"given/UCF101\.rar cannot be unpacked"):
        fetch(tmp_path, f"--archives={tmp_path / 'given'}")
    (tmp_path / "given/UCF101.rar").write_bytes(whole)
    assert "fetched.tsv" in fetch(tmp_path, f"--archives={tmp_path / 'given'}")


def test_a_local_archive_of_the_wrong_length_is_named_with_both_lengths(tmp_path):
    given = local(tmp_path)
    table(tmp_path, {"file": "UCF101.rar", "unpack": "videos", "bytes": "6932971618"})
    with pytest.raises(UserError, match=r"has \d+ bytes where 6932971618 are expected"):
        fetch(tmp_path, given)


def test_a_missing_local_archive_without_address_is_named_with_its_place(tmp_path):
    given = local(tmp_path)
    (tmp_path / "given/splits.zip").unlink()
    with pytest.raises(UserError, match=rf"splits\.zip is not on this machine .* {tmp_path}/given/splits\.zip"):
        fetch(tmp_path, given)


def test_an_archive_without_files_is_an_error(tmp_path):
    given = local(tmp_path)
    rar4(tmp_path / "given/UCF101.rar", {})
    with pytest.raises(UserError, match=r"UCF101\.rar cannot be unpacked: it holds no files"):
        fetch(tmp_path, given)


def test_a_file_where_the_output_folder_should_be_is_named(tmp_path):
    given = local(tmp_path)
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match=r"out.* cannot be used"):
        fetch(tmp_path, given)


def test_a_failed_run_leaves_no_marker_of_an_earlier_one(tmp_path):
    given = local(tmp_path)
    fetch(tmp_path, given)
    (tmp_path / "given/splits.zip").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(UserError, match=r"splits\.zip cannot be unpacked"):
        fetch(tmp_path, given)
    assert not (tmp_path / "out/fetched.tsv").exists()


def test_a_changed_archive_takes_its_old_clips_along(tmp_path):
    given = local(tmp_path)
    fetch(tmp_path, given)
    rar4(tmp_path / "given/UCF101.rar", {"UCF-101/C/new.avi": b"new"})
    got = fetch(tmp_path, given)
    assert [name for name in got if name.startswith("videos/")] == ["videos/C", "videos/C/new.avi"]


def test_a_folder_that_holds_another_data_set_is_not_touched(tmp_path):
    given = local(tmp_path)
    once = fetch(tmp_path, given)
    table(tmp_path, {"file": "hmdb51_org.rar", "unpack": "videos"})
    with pytest.raises(UserError, match=r"out holds another data set, from UCF101\.rar"):
        fetch(tmp_path, given)
    assert tree(tmp_path / "out") == once


def test_a_row_taken_out_of_the_table_takes_its_files_along(tmp_path):
    given = local(tmp_path)
    fetch(tmp_path, given)
    table(tmp_path, {"file": "UCF101.rar", "unpack": "videos"})
    assert "lists" not in fetch(tmp_path, given)


def test_two_archives_with_different_clips_of_one_name_are_an_error(tmp_path):
    rar4(tmp_path / "a.rar", {"T/A/a.avi": b"1"})
    rar4(tmp_path / "b.rar", {"T/A/a.avi": b"2"})
    table(tmp_path, {"file": "a.rar", "unpack": "videos"}, {"file": "b.rar", "unpack": "videos"})
    with pytest.raises(UserError, match=r"b\.rar holds another .*videos/A/a\.avi than is there"):
        fetch(tmp_path, f"--archives={tmp_path}")


def test_hmdb51s_rar_of_rars(tmp_path):
    inner = {
        name: rar4(tmp_path / name, {f"{name}/#1_{name}.avi": name.encode()}).read_bytes() for name in ("kiss", "wave")
    }
    rar4(tmp_path / "org.rar", {f"{name}.rar": data for name, data in inner.items()})
    rar4(tmp_path / "splits.rar", {"testTrainMulti_7030_splits/kiss_test_split1.txt": b"a.avi 1\n"})
    table(tmp_path, {"file": "org.rar", "unpack": "videos"}, {"file": "splits.rar", "unpack": "lists"})
    got = fetch(tmp_path, f"--archives={tmp_path}")
    assert got["videos/kiss/#1_kiss.avi"] == b"kiss"
    assert got["lists/kiss_test_split1.txt"] == b"a.avi 1\n"
    assert [row["members"] for row in fetched(tmp_path)] == ["2", "1"]


def kinetics(folder: Path, web: Loopback) -> None:
    """Two training parts in a list, replacements, and annotations."""
    urls = []
    for number in range(2):
        data = write_targz(folder / "tar", {f"./clip{number}.mp4": bytes([number]) * 5000}).read_bytes()
        urls.append(web.serve(f"/400/train/part_{number}.tar.gz", Act(data)))
    fixed = write_targz(folder / "tar", {"replacement/clip0.mp4": b"good"}).read_bytes()
    csv, listing = web.serve("/c", Act(b"label\nkiss\n")), web.serve("/l", Act("\n".join(urls).encode()))
    table(
        folder,
        {"file": "annotations/train.csv", "kind": "plain", "unpack": "lists", "url": csv},
        {"file": "train/list.txt", "kind": "list", "unpack": "videos/train", "url": listing},
        {"file": "fixed.tgz", "unpack": "videos/replacement", "url": web.serve("/f", Act(fixed))},
    )


def test_kinetics_list_of_parts_replacements_and_annotations(tmp_path, web):
    kinetics(tmp_path, web)
    got = fetch(tmp_path)
    assert got["videos/train/clip0.mp4"] == bytes(5000)
    assert got["videos/train/clip1.mp4"] == b"\1" * 5000
    assert "good" in got["videos/replacement/replacement/clip0.mp4"].decode()
    assert got["lists/train.csv"] == b"label\nkiss\n"
    assert [row["file"] for row in fetched(tmp_path)][1:4] == [
        "train/list.txt",
        "train/part_0.tar.gz",
        "train/part_1.tar.gz",
    ]


def test_one_missing_part_does_not_stop_the_others_and_comes_alone_next_time(tmp_path, web):
    kinetics(tmp_path, web)
    good = web.acts["/400/train/part_0.tar.gz"]
    web.acts["/400/train/part_0.tar.gz"] = [Act(PAGE, 404)]
    with pytest.raises(UserError, match=r"^train/part_0\.tar\.gz could not be had from its address"):
        fetch(tmp_path, "--no-keep-archives")
    assert (tmp_path / "out/videos/train/clip1.mp4").exists()
    web.acts["/400/train/part_0.tar.gz"] = good
    web.asked.clear()
    fetch(tmp_path, "--no-keep-archives")
    assert [path for path, _ in web.asked] == ["/400/train/part_0.tar.gz"]


def test_parts_downloaded_by_other_means_are_found_in_their_folders(tmp_path, web):
    kinetics(tmp_path, web)
    (tmp_path / "k400_targz/train").mkdir(parents=True)
    write_targz(tmp_path / "k400_targz/train/part_0.tar.gz", {"mine.mp4": b"mine"})
    assert fetch(tmp_path, f"--archives={tmp_path / 'k400_targz'}")["videos/train/mine.mp4"] == b"mine"


def test_the_command_ends_in_one_sentence(tmp_path):
    table(tmp_path, {"file": "a.rar", "unpack": "videos"})
    command = [
        sys.executable,
        "-m",
        "pipeline.fetch",
        "--dataset=d",
        f"--out={tmp_path}/out",
        f"--sources={tmp_path}/sources.tsv",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: a.rar is not on this machine")
    assert "Traceback" not in done.stderr
