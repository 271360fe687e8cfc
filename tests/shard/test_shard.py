"""Shards: packing keeps the bytes of the slices and checks the manifest; verify, export and import."""

import io
import itertools
import json
import shutil
import tarfile

import av
import numpy as np
import pytest
import simplejpeg

from pipeline.common import files
from pipeline.common.errors import UserError
from pipeline.formats import manifest, quarantine
from pipeline.formats.jpeg_store import JpegStore
from pipeline.formats.shards import INDEX_COLUMNS, SHARD_COLUMNS, ShardReader
from pipeline.shard import __main__ as shard_command
from pipeline.shard import verify
from tests.helpers.makeshards import (
    COUNTS,
    jpegs,
    manifest_file,
    packed,
    slice_file,
    slices,
)


def problems(folder, rgb=None):
    sentences = list(verify.find_problems(folder))
    return sentences + (list(verify.compare_with_rgb(folder, rgb)) if rgb else [])


def run(*arguments):
    shard_command.main([str(argument) for argument in arguments])


@pytest.mark.parametrize("modality", ["rgb", "flow", "backward"])
def test_packing_changes_no_byte_of_a_picture(tmp_path, modality):
    reader = ShardReader(packed(tmp_path, modality))
    assert reader.modality == modality
    for video in COUNTS:
        assert reader.jpegs(video, range(reader.count(video))) == jpegs(video, modality)


def test_the_pictures_of_a_video_are_contiguous(tmp_path):
    out = packed(tmp_path)
    data = b"".join(path.read_bytes() for path in sorted(out.glob("*.h5")))
    assert all(b"".join(jpegs(video)) in data for video in COUNTS)


def test_the_index_and_the_checksums_describe_the_shards(tmp_path):
    out = packed(tmp_path)
    index, metadata = manifest.read_parquet(out / "index.parquet", INDEX_COLUMNS)
    assert dict(zip(index["video_id"], index["pictures"], strict=True)) == COUNTS
    assert (metadata["modality"], metadata["classes"], metadata["settings"]["stage"]) == ("rgb", ["a", "b"], "rgb")
    rows = files.read_tsv(out / "shards.tsv", SHARD_COLUMNS)
    assert [files.sha256(out / f"{row['shard']}.h5") for row in rows] == [row["sha256"] for row in rows]


def test_a_shard_ends_with_the_video_that_reaches_its_size(tmp_path):
    assert len(list(packed(tmp_path).glob("*.h5"))) == 4
    where = ("--manifest", tmp_path / "manifest.parquet", "--quarantine", tmp_path / "quarantine.tsv")
    run("pack", *slices(tmp_path), *where, "--modality", "rgb", "--mib", 1, "--out", tmp_path / "one")
    assert len(list((tmp_path / "one").glob("*.h5"))) == 1


def test_packing_again_gives_the_same_bytes(tmp_path):
    first = {path.name: path.read_bytes() for path in packed(tmp_path).iterdir()}
    assert {path.name: path.read_bytes() for path in packed(tmp_path).iterdir()} == first


def test_only_bad_videos_may_be_missing_from_the_slices(tmp_path):
    assert len(ShardReader(packed(tmp_path, videos=(*COUNTS, "b/bad.avi"), bad=["b/bad.avi"])).videos) == 4
    with pytest.raises(UserError, match=r"b/lost.avi is in no slice and not in the quarantine"):
        packed(tmp_path, videos=(*COUNTS, "b/lost.avi"))


def test_duplicate_and_unknown_videos_are_refused(tmp_path):
    twice = [*slices(tmp_path), slice_file(tmp_path / "more.h5", ["a/1.avi"])]
    with pytest.raises(UserError, match=r"a/1.avi is not once in the manifest"):
        packed(tmp_path, files=twice)
    with pytest.raises(UserError, match=r"b/2.avi is not once in the manifest"):
        packed(tmp_path, videos=["a/1.avi", "a/2.avi", "b/1.avi"])


def test_slices_of_different_settings_are_refused_with_both_values(tmp_path):
    a = slice_file(tmp_path / "a.h5", ["a/1.avi", "a/2.avi"], quality=90)
    b = slice_file(tmp_path / "b.h5", ["b/1.avi", "b/2.avi"], quality=95)
    with pytest.raises(UserError, match="was made with quality 95 but 90 is expected"):
        packed(tmp_path, files=[a, b])


STAGE_SETTINGS = {
    "rgb": {"stage": "frames"},
    "flow": {"stage": "flow"},
    "backward": {"stage": "flow", "direction": "backward"},
}


def slices_of_modalities(folder, first, second):
    a = slice_file(folder / "a.h5", ["a/1.avi", "a/2.avi"], first, **STAGE_SETTINGS[first])
    return [a, slice_file(folder / "b.h5", ["b/1.avi", "b/2.avi"], second, **STAGE_SETTINGS[second])]


@pytest.mark.parametrize("modality", STAGE_SETTINGS)
def test_slices_are_packed_as_their_own_modality(tmp_path, modality):
    reader = ShardReader(packed(tmp_path, modality, files=slices_of_modalities(tmp_path, modality, modality)))
    assert (reader.modality, len(reader.videos)) == (modality, 4)


@pytest.mark.parametrize(("modality", "actual"), list(itertools.permutations(STAGE_SETTINGS, 2)))
def test_a_slice_of_another_modality_is_refused_with_both(tmp_path, modality, actual):
    with pytest.raises(UserError, match=f"b.h5 holds {actual} but --modality is {modality}"):
        packed(tmp_path, modality, files=slices_of_modalities(tmp_path, modality, actual))


def test_a_truncated_slice_is_refused_by_name(tmp_path):
    broken = slices(tmp_path)
    broken[1].write_bytes(broken[1].read_bytes()[:-500])
    with pytest.raises(UserError, match=r"rgb1.h5 is not a complete frames or flow file"):
        packed(tmp_path, files=broken)


def test_whole_shards_have_no_problems(tmp_path):
    rgb, flow, backward = (packed(tmp_path, modality) for modality in ("rgb", "flow", "backward"))
    assert problems(rgb) == problems(flow, rgb) == problems(backward, rgb) == []
    run("verify", backward, "--rgb", rgb)


def flip_a_byte(out):
    with JpegStore(out / "0001.h5") as store:
        begin = store.file_offset("jpeg")
    data = bytearray((out / "0001.h5").read_bytes())
    data[begin] ^= 1
    (out / "0001.h5").write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (flip_a_byte, ["0001.h5 has sha256", "picture 0 is no JPEG"]),
        (lambda out: (out / "0002.h5").unlink(), ["0002.h5 is missing"]),
        (lambda out: (out / "0002.h5").write_bytes(b"short"), ["0002.h5 has 5 bytes", "is not a complete"]),
        (lambda out: shutil.copy(out / "0000.h5", out / "0009.h5"), ["0009.h5 is not in shards.tsv"]),
        (lambda out: shutil.copy(out / "0000.h5", out / "0001.h5"), ["0001.h5 has", "not the 1 of index.parquet"]),
    ],
)
def test_verify_reports_every_difference_from_the_tables(tmp_path, damage, words):
    out = packed(tmp_path)
    damage(out)
    text = "\n".join(problems(out))
    assert all(word in text for word in words)
    with pytest.raises(UserError, match="problems"):
        run("verify", out)


def test_verify_compares_flow_with_frames(tmp_path):
    rgb = packed(tmp_path)
    sentences = problems(rgb, rgb)  # as many "flow" pictures as frames
    assert "a/1.avi has 5 flow pictures of 5 frames" in sentences
    assert len(sentences) == 4


def test_exported_frames_have_the_stored_bytes_and_can_be_imported(tmp_path):
    out = packed(tmp_path)
    run("export", out, tmp_path / "jpg", "--format", "jpg")
    assert (tmp_path / "jpg/a/2/img_00009.jpg").read_bytes() == jpegs("a/2.avi")[8]
    options = ("--manifest", tmp_path / "manifest.parquet", "--modality", "rgb", "--out", tmp_path / "again")
    run("import", tmp_path / "jpg", *options)
    assert problems(tmp_path / "again") == []
    reader = ShardReader(tmp_path / "again")
    assert all(reader.jpegs(video, range(count)) == jpegs(video) for video, count in COUNTS.items())


NAMINGS = {
    "TSN": lambda axis, n: f"flow_{axis}_{n + 1:05d}.jpg",
    "denseflow": lambda axis, n: f"flow_{axis}_{n:05d}.jpg",
    "dense_flow": lambda axis, n: f"{axis}_{n + 1:05d}.jpg",
}


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("class_folders", [True, False])
def test_flow_of_other_tools_is_imported(tmp_path, naming, class_folders):
    videos = {"a/x.avi": 4, "b/y.avi": 6}
    for video, count in videos.items():
        folder = tmp_path / "flow" / (video[:-4] if class_folders else video[2:-4])
        folder.mkdir(parents=True)
        for n in range(count):
            for axis, level in (("x", 100 + n), ("y", 200 - n)):
                picture = simplejpeg.encode_jpeg(np.full((24, 32, 1), level, np.uint8), colorspace="GRAY", quality=95)
                (folder / NAMINGS[naming](axis, n)).write_bytes(picture)
    options = ("--manifest", manifest_file(tmp_path, videos), "--modality", "flow", "--bound", 20)
    run("import", tmp_path / "flow", *options, "--out", tmp_path / "out")
    reader = ShardReader(tmp_path / "out", {"bound": 20})
    assert {video: reader.count(video) for video in videos} == videos
    x, y = reader.flow("b/y.avi", [5])[0]
    assert (x.shape, abs(x.astype(int) - 105).max() <= 1, abs(y.astype(int) - 195).max() <= 1) == ((24, 32), True, True)


@pytest.mark.parametrize("modality", ["flow", "backward"])
def test_exported_flow_can_be_imported_with_little_loss(tmp_path, modality):
    out = packed(tmp_path, modality)
    run("export", out, tmp_path / "jpg", "--format", "jpg")
    where = ("--manifest", tmp_path / "manifest.parquet", "--out", tmp_path / "again")
    run("import", tmp_path / "jpg", *where, "--modality", modality, "--bound", 20)
    assert ShardReader(tmp_path / "again").modality == modality
    before, after = (ShardReader(place).flow("a/2.avi", range(8)).astype(int) for place in (out, tmp_path / "again"))
    assert abs(before - after).mean() < 1


def test_import_quarantines_videos_with_missing_pictures(tmp_path):
    run("export", packed(tmp_path, "flow"), tmp_path / "jpg", "--format", "jpg")
    (tmp_path / "jpg/a/2/flow_x_00003.jpg").unlink()
    shutil.rmtree(tmp_path / "jpg/b/1")
    (tmp_path / "jpg/b/2/flow_y_00006.jpg").unlink()
    options = ("--manifest", tmp_path / "manifest.parquet", "--modality", "flow", "--bound", 20, "--max-bad-share", 0.8)
    run("import", tmp_path / "jpg", *options, "--out", tmp_path / "out")
    rows = {row.video_id: row.reason for row in quarantine.read([tmp_path / "out.quarantine.tsv"])}
    assert ShardReader(tmp_path / "out").videos == ["a/1.avi"]
    assert rows["a/2.avi"] == "flow_x picture 3 of 8 is missing"
    assert rows["b/1.avi"] == "there is no folder b/1 or 1"
    assert rows["b/2.avi"].startswith("it has 6 pictures such as flow_x_00001.jpg and 5 pictures such as flow_y")
    with pytest.raises(UserError, match="3 of 4 videos are bad"):
        run("import", tmp_path / "jpg", *options[:-2], "--out", tmp_path / "out")


@pytest.mark.parametrize("modality", ["flow", "backward"])
def test_imported_flow_needs_a_bound(tmp_path, modality):
    where = ("--manifest", manifest_file(tmp_path), "--out", tmp_path / "out")
    with pytest.raises(UserError, match="--bound is missing"):
        run("import", tmp_path, *where, "--modality", modality)


def test_a_webdataset_has_one_sample_per_video(tmp_path):
    run("export", packed(tmp_path), tmp_path / "wds", "--format", "webdataset", "--mib", 0)
    run("export", packed(tmp_path), tmp_path / "one", "--format", "webdataset")
    assert len(list((tmp_path / "wds").iterdir())) == len(COUNTS)
    with tarfile.open(tmp_path / "one/000000.tar") as tar:
        files = {entry.name: tar.extractfile(entry).read() for entry in tar}
    assert files["a/2.00009.jpg"] == jpegs("a/2.avi")[8]
    assert (files["b/1.cls"], json.loads(files["b/1.json"])["video_id"]) == (b"1", "b/1.avi")
    assert len(files) == sum(COUNTS.values()) + 2 * len(COUNTS)


def test_previews_show_every_picture(tmp_path):
    for modality in ("rgb", "flow", "backward"):
        out = packed(tmp_path, modality, bound=20)
        run("export", out, tmp_path / modality, "--format", "mp4", "--videos", "a/2.avi")
        with av.open(io.BytesIO((tmp_path / modality / "a/2.mp4").read_bytes())) as video:
            assert sum(1 for _ in video.decode(video=0)) == COUNTS["a/2.avi"] - (modality != "rgb")


def test_an_unknown_video_cannot_be_exported(tmp_path):
    with pytest.raises(UserError, match=r"z.avi is not in .*, which has b/1.avi and others"):
        run("export", packed(tmp_path), tmp_path / "x", "--format", "jpg", "--videos", "z.avi")


def test_exported_names_are_unique(tmp_path):
    from pipeline.shard.export import export_names

    reader = ShardReader(packed(tmp_path))
    reader._rows["a/1.mp4"] = reader._rows["a/1.avi"]
    assert len(set(export_names(reader, reader.videos).values())) == len(reader.videos)
