"""Every frame of an intact video is extracted once and upright; every other video is quarantined with the reason."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import simplejpeg

from pipeline.common.errors import UserError
from pipeline.formats import manifest, quarantine
from pipeline.formats.jpeg_store import JpegStore
from pipeline.frames import __main__ as frames_command
from pipeline.frames.decoders import resample
from pipeline.frames.extract import Settings, extract
from tests.helpers.makevideo import (
    copy,
    pictures,
    promise,
    sound,
    truncate,
    video,
)

CLIPS = Path(__file__).parents[3] / "shared" / "clips"
SMALL = Settings((64, 48))
VARIABLE = {"vf": "select='lt(n,10)+not(mod(n,3))'", "fps_mode": "vfr"}  # 16 of 30 frames


def decoded(path, settings=SMALL):
    return [picture(jpeg) for jpeg in jpegs(extract("v", str(path), settings))]


def jpegs(got):
    return [got.data.read(length) for length in got.lengths]


def picture(jpeg):
    return simplejpeg.decode_jpeg(jpeg).astype(int)


def reason(path, **changes):
    got = extract("v", str(path), SMALL._replace(**changes))
    assert got.lengths == []
    assert got.quarantine_row.verdict == "bad"
    return got.quarantine_row.reason


def shared(name):
    if not (CLIPS / name).exists():
        pytest.skip(f"{CLIPS / name} is absent")
    return CLIPS / name


def run(folder, videos, *options, name="0000"):
    """The stage's command on `videos`; returns the files it wrote."""
    rows = [(str(i), str(path), "a", 0, 1, "0000") for i, path in enumerate(videos)]
    table = pd.DataFrame(rows, columns=list(manifest.VIDEO_COLUMNS))
    manifest.write_parquet(folder / "manifest.parquet", table, {})
    out, bad = folder / f"{name}.h5", folder / f"{name}.tsv"
    arguments = [str(folder / "manifest.parquet"), str(out), "--slice", "0000", "--quarantine", str(bad)]
    frames_command.main([*arguments, "--size", "64x48", *options])
    return out, bad


@pytest.mark.parametrize("decoder", ["pyav", "ffmpeg"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.avi", {}),
        ("b.avi", {"vcodec": "mpeg4", "bf": 2}),
        ("c.mp4", {"vcodec": "libx264"}),
        ("d.mkv", {"vcodec": "libx264"}),
        ("e.webm", {"vcodec": "libvpx"}),
        ("f.mpg", {"vcodec": "mpeg2video"}),
    ],
)
def test_every_frame_is_decoded_once_and_in_order(tmp_path, decoder, name, options):
    true = pictures(30, 64, 48).astype(int)
    got = decoded(video(tmp_path / name, 30, **options), SMALL._replace(decoder=decoder))
    distance = np.array([[abs(a - b).mean() for b in true] for a in got])
    assert distance.argmin(1).tolist() == list(range(30))
    assert distance.min(1).max() < 12


@pytest.mark.parametrize(("name", "count"), [("test.avi", 164), ("demo.mp4", 280), ("flipping_a_pancake.mkv", 310)])
def test_both_decoders_give_all_frames_of_real_clips(name, count):
    both = [extract("v", str(shared(name)), SMALL._replace(decoder=decoder)) for decoder in ("pyav", "ffmpeg")]
    assert [len(got.lengths) for got in both] == [count, count]
    assert [got.quarantine_row for got in both] == [None, None]


def test_both_decoders_give_the_same_frames():
    ours, theirs = (decoded(shared("test.avi"), Settings((340, 256), decoder=name)) for name in ("pyav", "ffmpeg"))
    assert max(abs(a - b).mean() for a, b in zip(ours, theirs, strict=True)) < 1


@pytest.mark.parametrize("decoder", ["pyav", "ffmpeg"])
def test_a_rotation_flag_turns_the_frames(tmp_path, decoder):
    upright = video(tmp_path / "a.mp4", vcodec="libx264", crf=5)
    turned = copy(upright, tmp_path / "b.mp4", {"display_rotation": 90})
    settings = Settings(48, decoder=decoder)
    a, b = decoded(upright, settings)[3], decoded(turned, settings)[3]
    assert b.shape == (64, 48, 3)
    assert abs(np.rot90(a) - b).mean() < 3


def test_a_rotated_phone_video_is_upright():
    assert decoded(shared("rotated_90.mov"), Settings(64))[0].shape == (114, 64, 3)


def test_odd_sizes_fit(tmp_path):
    odd = video(tmp_path / "a.avi", size=(63, 47))
    assert [decoded(odd, Settings(size))[0].shape[:2] for size in ((33, 21), 24)] == [(21, 33), (24, 32)]


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
@pytest.mark.parametrize("decoder", ["pyav", "ffmpeg"])
def test_a_variable_frame_rate_neither_repeats_nor_drops_frames(tmp_path, name, decoder):
    path = video(tmp_path / name, 30, vcodec="libx264", **VARIABLE)
    assert len(decoded(path, SMALL._replace(decoder=decoder))) == 16


def test_shrinking_does_not_alias(tmp_path):
    stripes = video(tmp_path / "a.mp4", size=(640, 480), vcodec="libx264", crf=1, vf="geq=lum='255*mod(X,2)':cb=128")
    luma = decoded(stripes, Settings((64, 48)))[0][..., 1]
    assert luma.std() < 4


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b""), "cannot be opened: Invalid data"),
        (lambda path: path.write_text("no video\n" * 999), "cannot be opened: Invalid data"),
        (lambda path: path.unlink(missing_ok=True), "cannot be opened: No such file"),
        (lambda path: sound(path.with_suffix(".mp4")).rename(path), "no video stream"),
        (lambda path: video(path, 1), "1 frame"),
        (lambda path: truncate(video(path, 60), 0.5), "is corrupt"),
        (lambda path: promise(video(path, 20), 23), "header promises 23 frames but 20 decode"),
    ],
)
def test_a_bad_video_has_its_reason(tmp_path, make, words):
    path = tmp_path / "a.avi"
    make(path)
    assert words in reason(path)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.avi", "a.mpg"])
@pytest.mark.parametrize("decoder", ["pyav", "ffmpeg"])
@pytest.mark.parametrize("fps", [0, 25])
def test_a_truncated_file_is_always_bad(tmp_path, name, decoder, fps):
    codec = {".mp4": "libx264", ".mkv": "libx264", ".webm": "libvpx", ".avi": "mpeg4", ".mpg": "mpeg1video"}
    path = tmp_path / name
    front = {"movflags": "faststart"} if name == "a.mp4" else {}
    truncate(video(path, 90, vcodec=codec[path.suffix], **front), 0.5)
    assert reason(path, decoder=decoder, fps=fps)


def test_a_video_that_lacks_two_frames_is_kept_with_a_doubt(tmp_path):
    got = extract("v", str(promise(video(tmp_path / "a.avi", 20), 22)), SMALL)
    assert (len(got.lengths), got.quarantine_row.verdict) == (20, "kept")
    assert got.quarantine_row.reason == "the header says 22 frames and 20 decode"


@pytest.mark.parametrize("decoder", ["pyav", "ffmpeg"])
def test_a_video_with_corrupted_data_is_bad(decoder):
    assert reason(shared("corrupted.mp4"), decoder=decoder)


def test_a_quarantine_row_is_the_same_in_every_run(tmp_path):
    path = truncate(video(tmp_path / "a.avi", 60), 0.5)
    assert len({reason(path, decoder="ffmpeg") for _ in range(3)}) == 1
    assert "0x" not in reason(path, decoder="ffmpeg")


@pytest.mark.parametrize("decoder", ["pyav", "ffmpeg"])
@pytest.mark.parametrize(("fps", "count"), [(10, 12), (25, 30), (60, 72)])
def test_a_frame_rate_is_reached_by_time_stamps(tmp_path, decoder, fps, count):
    path = video(tmp_path / "a.mp4", 30, vcodec="libx264")
    got = extract("v", str(path), SMALL._replace(fps=fps, decoder=decoder))
    assert (len(got.lengths), got.fps, got.quarantine_row) == (count, fps, None)


def test_a_gap_in_time_is_filled_with_the_frame_before_it(tmp_path):
    path = video(tmp_path / "a.mkv", 30, vcodec="libx264", **VARIABLE)
    ours, theirs = (decoded(path, SMALL._replace(fps=25, decoder=name)) for name in ("pyav", "ffmpeg"))
    assert len(ours) == len(theirs) == 28
    assert max(abs(a - b).mean() for a, b in zip(ours, theirs, strict=True)) < 1


def test_resampling_to_the_videos_own_rate_changes_nothing():
    assert list(resample([(n, n / 25, 1 / 25) for n in range(9)], 25)) == list(range(9))


def test_a_jump_of_the_time_stamps_is_an_error():
    with pytest.raises(Exception, match="time stamps jump by 5000 s at frame 1"):
        list(resample([("a", 0, 1), ("b", 5000, 1)], 25))


@pytest.mark.parametrize(("name", "at_least"), [("a.avi", 10), ("a.mkv", 10)])
def test_repair_keeps_the_frames_that_decode(tmp_path, name, at_least):
    path = truncate(video(tmp_path / name, 60, vcodec="mpeg4"), 0.5)
    got = extract("v", str(path), SMALL._replace(repair=True))
    assert (got.quarantine_row.verdict, got.fps) == ("repaired", 25)
    assert at_least < len(got.lengths) < 60
    assert f"{len(got.lengths)} frames were saved" in got.quarantine_row.reason


def test_a_failed_repair_reports_both_reasons(tmp_path):
    (tmp_path / "a.mp4").write_text("text")
    assert "Invalid data found when processing input; beyond repair:" in reason(tmp_path / "a.mp4", repair=True)


def test_a_slice_has_the_good_videos_and_quarantines_the_bad(tmp_path):
    good = [video(tmp_path / f"{n}.avi", 5 + n) for n in range(4)]
    (tmp_path / "bad.avi").write_bytes(b"")
    out, bad = run(tmp_path, [good[0], tmp_path / "bad.avi", *good[1:]])
    with JpegStore(out) as store:
        assert store.videos == ["0", "2", "3", "4"]
        assert [store.count(n) for n in range(4)] == [5, 6, 7, 8]
        assert (store.attributes["size"], store.attributes["fps"]) == ("64x48", "native")
    assert [row[:3] for row in quarantine.read([bad])] == [("1", "frames", "bad")]


def test_threads_change_no_byte(tmp_path):
    videos = [video(tmp_path / f"{n}.avi", 3 + 7 * (n % 2)) for n in range(6)]
    one, four = (run(tmp_path, videos, "--threads", str(n), name=f"t{n}")[0] for n in (1, 4))
    assert one.read_bytes() == four.read_bytes()


def test_too_many_bad_videos_are_a_user_error_and_the_quarantine_is_kept(tmp_path):
    good = video(tmp_path / "a.avi")
    with pytest.raises(UserError, match=r"1 of 2 videos are bad, a larger share than frames.max_bad_share 0.2"):
        run(tmp_path, [good, tmp_path / "absent.avi"])
    assert (tmp_path / "0000.tsv").exists()


@pytest.mark.parametrize(
    ("option", "text"), [("--size", "big"), ("--size", "1x2x3"), ("--fps", "fast"), ("--fps", "0")]
)
def test_an_invalid_size_or_rate_is_a_user_error(tmp_path, option, text):
    with pytest.raises(UserError, match=f"{option} is '{text}'"):
        run(tmp_path, [], option, text)


def test_a_job_needs_less_than_1_5_gib(tmp_path):
    videos = [video(tmp_path / "a.mp4", 40, (1280, 720), vcodec="libx264", preset="ultrafast")] * 12
    program = partial(subprocess.run, capture_output=True, text=True, check=True)
    root = Path(__file__).parents[2]
    code = (
        "import sys; from benchmarks import host; from tests.frames.test_frames import run; from pathlib import Path\n"
        "run(Path(sys.argv[1]), sys.argv[2:], '--threads', '4')\n"
        "print(host.largest())"
    )
    done = program(
        [sys.executable, "-c", code, str(tmp_path), *map(str, videos)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert float(done.stdout) < 1.5 * 1024
