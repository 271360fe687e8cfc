"""What ffmpeg shows of a file is extracted, by both decoders; a file that is cut off or damaged is a row with a reason.

The witness is ffmpeg's own decoding. Clips that other people recorded are read from ../shared and skipped without it.
"""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import simplejpeg

from pipeline.common.errors import UserError
from pipeline.common.files import DiskFull
from pipeline.frames import extract as extract_module
from pipeline.frames.extract import ExtractedVideo, Settings, extract
from pipeline.frames.frame_slices import write_slice
from pipeline.frames.video import encode_jpeg
from tests.helpers.makevideo import copy, truncate, video

SHARED = Path(__file__).parents[3] / "shared"
DECODERS = ["pyav", "ffmpeg"]
SIZE = (64, 48)
H264 = {"vcodec": "libx264", "crf": 5}
CUT = {  # the options of a file of 50 frames; a part of its bytes is a bad video
    "a.avi": {"vcodec": "mjpeg"},
    "b.avi": {"vcodec": "huffyuv", "pix_fmt": "yuv422p"},
    "c.avi": {"vcodec": "cinepak", "pix_fmt": "rgb24"},
    "d.avi": {"vcodec": "libx264"},
    "e.mkv": {"vcodec": "libx264", "cluster_time_limit": 200},
    "f.webm": {"vcodec": "libvpx", "cluster_time_limit": 200},
    "g.ogv": {"vcodec": "libtheora"},
    "h.mp4": {"vcodec": "libx264", "movflags": "faststart"},
    "i.mp4": {"vcodec": "libx264", "movflags": "frag_keyframe+empty_moov", "g": 10},
    "j.wmv": {"vcodec": "wmv2"},
    "k.flv": {"vcodec": "flv"},
    "l.mpg": {"vcodec": "mpeg2video"},
    "m.gif": {"vcodec": "gif", "pix_fmt": "rgb8"},
    "n.mxf": {"vcodec": "mpeg2video"},
}
DUE = [  # file of ../shared/failing, size, frames at the native rate and at 25 a second; None is a bad video
    ("B01_metadata/latin1.avi", SIZE, 25, 25),
    ("B02_avi_null_frames/null_frames.avi", SIZE, 23, 51),
    ("B02_avi_null_frames/gap_mjpeg.avi", SIZE, 45, 50),
    ("B03_theora_duplicates/still_end.ogv", SIZE, 18, 48),
    ("B04_truncated_avi/half_huffyuv.avi", SIZE, None, None),
    ("B04_truncated_avi/half_mjpeg.avi", SIZE, None, None),
    ("B05_truncated_mkv/half_no_duration.mkv", SIZE, None, None),
    ("B05_truncated_mkv/half_of_1s.mkv", SIZE, None, None),
    ("B05_truncated_mkv/half_starts_at_30s.mkv", SIZE, None, None),
    ("B06_display_matrix/hflip.mp4", 72, 25, 25),
    ("B06_display_matrix/vflip.mp4", 72, 25, 25),
    ("B06_display_matrix/rot90_hflip.mp4", 72, 25, 25),
    ("B06_display_matrix/rot45.mp4", 72, 25, 25),
    ("B06_display_matrix/rot89_5.mp4", 72, 25, 25),
    ("B07_first_stream/cover_first.mkv", SIZE, 25, 25),
    ("B07_first_stream/cover_first.wmv", SIZE, 25, 25),
    ("B07_first_stream/preview_first.mp4", SIZE, 25, 25),
    ("B08_pixel_shape/sar_64_45.mp4", 72, 25, 25),
    ("B08_pixel_shape/clap_crop.mp4", 72, 50, 50),
    ("B09_time_reset/twice.ts", SIZE, 50, 50),
    ("B09_time_reset/starts_at_0_36.ts", SIZE, 50, 50),
    ("B10_vfr_decoder_ffmpeg/jitter.mp4", SIZE, 51, 50),
    ("B11_open_gop_cut/h264_open_gop_cut.mp4", SIZE, 50, 50),
    ("B11_open_gop_cut/hevc_open_gop_cut.mp4", SIZE, 50, 50),
]


def run(path, decoder="pyav", size=SIZE, fps=0):
    return extract("v", str(path), Settings(size, 95, fps, decoder))


def pictures(extracted):
    return [simplejpeg.decode_jpeg(extracted.data.read(length)).astype(int) for length in extracted.lengths]


def witness(path, shape, fps=0):
    """The pictures of ffmpeg itself, scaled to a shape (H, W, 3) and stored as JPEGs."""
    height, width = shape[:2]
    filters = f"{f'fps={fps},' if fps else ''}scale={width}:{height}:flags=area:out_range=full:out_color_matrix=bt601"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-i", f"file:{path}", "-vf", filters]
    command += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    luma, chroma = height * width, height * width // 4
    frames = np.frombuffer(data, np.uint8).reshape(-1, luma + 2 * chroma)
    half = (-1, height // 2, width // 2)
    planes = (part.reshape(half) for part in np.split(frames[:, luma:], 2, axis=1))
    every = zip(frames[:, :luma].reshape(-1, height, width), *planes, strict=True)
    return [simplejpeg.decode_jpeg(encode_jpeg(frame, 95)).astype(int) for frame in every]


def same_as_ffmpeg(path, decoder, size=SIZE, fps=0, limit=4):
    extracted = run(path, decoder, size, fps)
    assert extracted.lengths, extracted.quarantine_row
    got = pictures(extracted)
    expected = witness(path, got[0].shape, fps)
    assert len(got) == len(expected)
    assert max(abs(a - b).mean() for a, b in zip(got, expected, strict=True)) < limit
    return extracted


def bad(path, decoder="pyav", **changes):
    extracted = run(path, decoder, **changes)
    assert extracted.lengths == []
    assert extracted.quarantine_row.verdict == "bad"
    return extracted.quarantine_row.reason


def shared(name):
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is absent")
    return path


def replace(path, old, new):
    data = path.read_bytes()
    assert data.count(old) >= 1
    path.write_bytes(data.replace(old, new))
    return path


# No exception of one video ends its slice.


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_title_that_is_no_utf_8_changes_nothing(tmp_path, decoder):
    path = video(tmp_path / "a.avi", 25, metadata="title=Molly")
    replace(path, b"Molly", b"M\xfcnch")
    extracted = run(path, decoder)
    assert (len(extracted.lengths), extracted.quarantine_row) == (25, None)


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_picture_that_no_jpeg_can_hold_is_a_bad_video(tmp_path, decoder):
    path = video(tmp_path / "a.avi", 3, (4000, 4), vcodec="ffv1")
    assert "256000x256" in bad(path, decoder, size=256)


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_colon_in_a_folder_is_no_protocol(tmp_path, monkeypatch, decoder):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cam:1").mkdir()
    video(tmp_path / "a.avi", 5).rename("cam:1/a.avi")
    assert len(run("cam:1/a.avi", decoder).lengths) == 5


def test_any_exception_is_a_row_with_its_name_and_counted_in_the_log(tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise LookupError("no such tint")

    monkeypatch.setattr(extract_module, "extract_complete", fail)
    videos = [("a", "a.avi"), ("b", "b.avi")]
    rows = write_slice(videos, lambda video: extract(*video, Settings(SIZE)), tmp_path / "0000.h5", {}, 1)
    assert [row.reason for row in rows] == ["LookupError: no such tint"] * 2
    log = capsys.readouterr().err
    assert "2 of 2 videos are bad by an unexpected exception: 2 LookupError" in log
    assert "Traceback" in log


@pytest.mark.parametrize(
    "error",
    [KeyboardInterrupt(), MemoryError(), OSError(28, "full"), DiskFull(Path("a"), 0, 0), UserError("no")],
    ids=lambda error: type(error).__name__,
)
def test_what_is_not_about_one_video_ends_the_job(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(extract_module, "extract_complete", fail)
    with pytest.raises(type(error)):
        run("a.avi")


# Null frames, unchanged pictures and time stamps.


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("fps", [0, 10, 25, 30])
def test_null_frames_of_an_avi_are_no_pictures(tmp_path, decoder, fps):
    keep = "lt(n,10)+not(mod(n,3))"
    path = video(tmp_path / "a.avi", 30, vcodec="mjpeg", vf=f"select='{keep}'", fps_mode="passthrough")
    extracted = same_as_ffmpeg(path, decoder, fps=fps)
    assert extracted.quarantine_row is None
    assert fps or len(extracted.lengths) == 16


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("fps", [0, 25])
def test_unchanged_pictures_of_theora_are_no_errors(tmp_path, decoder, fps):
    path = video(tmp_path / "a.ogv", 10, vcodec="libtheora", vf="tpad=stop=12:stop_mode=clone")
    assert same_as_ffmpeg(path, decoder, fps=fps).quarantine_row is None


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("fps", [0, 10, 25])
def test_time_stamps_that_begin_anew_lose_no_pictures(tmp_path, decoder, fps):
    path = video(tmp_path / "a.ts", 25, **H264)
    path.write_bytes(path.read_bytes() * 2)
    extracted = same_as_ffmpeg(path, decoder, fps=fps)
    assert (len(extracted.lengths), extracted.quarantine_row) == ({0: 50, 10: 20, 25: 50}[fps], None)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.mp4"])
@pytest.mark.parametrize("fps", [0, 10])
def test_a_late_start_takes_the_frames_of_ffmpegs_fps_filter(tmp_path, decoder, name, fps):
    path = video(tmp_path / name, 25, output_ts_offset=0.36, muxdelay=0, **H264)
    same_as_ffmpeg(path, decoder, fps=fps)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("fps", [0, 10, 25, 60])
def test_time_stamps_with_jitter_lose_no_pictures(tmp_path, decoder, fps):
    jitter = "settb=1/90000,setpts='3600*N-3599*eq(N,20)+1700*eq(mod(N,5),3)'"
    clock = {"enc_time_base": "1:90000", "video_track_timescale": 90000, "fps_mode": "passthrough"}
    path = video(tmp_path / "a.mp4", 30, vf=jitter, **clock, **H264)
    extracted = same_as_ffmpeg(path, decoder, fps=fps)
    assert fps or len(extracted.lengths) == 30


# Files that are cut off.


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("fps", [0, 25])
@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("name", CUT)
def test_a_file_that_is_cut_off_is_bad(tmp_path, name, share, fps, decoder):
    path = video(tmp_path / name, 50, **CUT[name])
    assert len(run(path, decoder, fps=fps).lengths) == 50
    assert bad(truncate(path, share), decoder, fps=fps)


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_transport_stream_that_ends_within_a_packet_is_bad(tmp_path, decoder):
    path = video(tmp_path / "a.ts", 50, **H264)
    path.write_bytes(path.read_bytes()[: 188 * 40 + 100])
    assert bad(path, decoder)


@pytest.mark.parametrize("options", [{"live": 1}, {"output_ts_offset": 30}])
@pytest.mark.parametrize("decoder", DECODERS)
def test_a_matroska_file_without_duration_or_with_a_late_start_is_cut_off(tmp_path, options, decoder):
    path = video(tmp_path / "a.mkv", 50, **H264, **options)
    assert len(run(path, decoder).lengths) == 50
    assert bad(truncate(path, 0.7), decoder)


def test_longer_sound_makes_nothing_bad(tmp_path):
    path = video(tmp_path / "a.mp4", 25, **H264)
    both = tmp_path / "b.mkv"
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", "sine=duration=9", "-i", str(path)]
    subprocess.run([*program, "-c:v", "copy", str(both)], check=True)
    assert run(both).quarantine_row is None


# Orientation, stream, shape of the pixels, cropping.

MATRICES = {  # the matrix of a track header, without its last column
    "hflip": (-1, 0, 0, 1),
    "vflip": (1, 0, 0, -1),
    "turn": (0, 1, -1, 0),
    "turn back": (0, -1, 1, 0),
    "half": (-1, 0, 0, -1),
    "transpose": (0, 1, 1, 0),
    "antitranspose": (0, -1, -1, 0),
    "odd": (0.8, 0.6, -0.6, 0.8),
    "nearly a turn": (0.0087, 1, -1, 0.0087),
}


def set_matrix(path, values):
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40
    for place, value in zip((0, 4, 12, 16), values, strict=True):
        data[start + place : start + place + 4] = round(value * 65536).to_bytes(4, "big", signed=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("name", MATRICES)
def test_a_display_matrix_shows_what_ffmpeg_shows(tmp_path, decoder, name):
    path = set_matrix(video(tmp_path / "a.mp4", 3, (96, 72), **H264), MATRICES[name])
    extracted = same_as_ffmpeg(path, decoder, size=72, limit=5)
    extracted.data.seek(0)
    turned = abs(MATRICES[name][0]) < 0.5
    assert pictures(extracted)[0].shape[:2] == ((96, 72) if turned else (72, 96))


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(("name", "mark"), [("a.mkv", "attached_pic"), ("a.mp4", "0")])
def test_a_cover_or_preview_before_the_video_is_not_taken(tmp_path, decoder, name, mark):
    first = video(tmp_path / "first.mp4", 1 if mark == "attached_pic" else 4, (32, 32), fps=4, **H264)
    main = video(tmp_path / "main.mp4", 25, (96, 72), **H264)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(first), "-i", str(main), "-map", "0"]
    command += ["-map", "1", "-c", "copy", "-disposition:v:0", mark, str(tmp_path / name)]
    subprocess.run(command, check=True)
    assert len(same_as_ffmpeg(tmp_path / name, decoder).lengths) == 25


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_short_side_keeps_the_aspect_ratio_of_pixels_that_are_not_square(tmp_path, decoder):
    path = video(tmp_path / "a.mp4", 3, (96, 72), vf="setsar=64/45", **H264)
    assert pictures(run(path, decoder, size=72))[0].shape == (72, 136, 3)
    assert pictures(run(path, decoder, size=(96, 72)))[0].shape == (72, 96, 3)
    turned = set_matrix(path, MATRICES["turn"])
    assert pictures(run(turned, decoder, size=72))[0].shape == (136, 72, 3)


def add_clean_aperture(path, width, height):
    """Insert a `clap` box for the middle of the frame at the end of the sample entry."""
    data = bytearray(path.read_bytes())
    numbers = (width, 1, height, 1, 0, 1, 0, 1)
    box = (40).to_bytes(4, "big") + b"clap" + b"".join(number.to_bytes(4, "big") for number in numbers)
    entry = data.index(b"avc1", data.index(b"stsd")) - 4
    end = entry + int.from_bytes(data[entry : entry + 4], "big")
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        start = data.index(name, data.index(b"moov")) - 4
        size = int.from_bytes(data[start : start + 4], "big") + len(box)
        data[start : start + 4] = size.to_bytes(4, "big")
    data[end:end] = box
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_clean_aperture_is_cropped(tmp_path, decoder):
    path = add_clean_aperture(video(tmp_path / "a.mp4", 3, (160, 120), **H264), 80, 60)
    extracted = same_as_ffmpeg(path, decoder, size=60)
    extracted.data.seek(0)
    assert pictures(extracted)[0].shape == (60, 80, 3)


@pytest.mark.parametrize("decoder", DECODERS)
def test_leading_pictures_after_a_cut_leave_the_rest(tmp_path, decoder):
    gop = {"g": 12, "bf": 3, "x264-params": "open-gop=1:scenecut=0:keyint=12"}
    path = video(tmp_path / "a.mp4", 60, **H264, **gop)
    cut = copy(path, tmp_path / "b.mkv", {"ss": 1})
    same_as_ffmpeg(cut, decoder)


# Files that other people recorded.


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(("name", "size", "native", "resampled"), DUE, ids=[row[0] for row in DUE])
def test_reported_files(name, size, native, resampled, decoder):
    path = shared(f"failing/{name}")
    if native is None:
        assert bad(path, decoder)
        assert bad(path, decoder, fps=25)
        return
    assert len(same_as_ffmpeg(path, decoder, size=size, limit=5).lengths) == native
    assert len(same_as_ffmpeg(path, decoder, size=size, fps=25, limit=5).lengths) == resampled


def test_all_clips_of_ucf101_decode_to_their_frame_counts():
    folder = shared("real/ucf101")
    lines = shared("annotations/ucf101/frame_counts.tsv").read_text().splitlines()[1:]
    counts = {name: int(count) for name, count in (line.split("\t") for line in lines)}
    clips = sorted(folder.rglob("*.avi"))
    assert len(clips) == 119
    extracted = {clip.stem: run(clip) for clip in clips}
    assert {name: len(result.lengths) for name, result in extracted.items()} == {
        name: counts[name] for name in extracted
    }
    for clip in clips[::15]:
        assert len(run(clip, "ffmpeg").lengths) == counts[clip.stem]


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("folder", ["real/hmdb51", "real/kinetics"])
def test_real_clips_are_sound(folder, decoder):
    clips = [path for path in shared(folder).rglob("*") if path.suffix in (".avi", ".mp4", ".mkv")]
    results = {path.name: run(path, decoder) for path in clips}
    assert [name for name, result in results.items() if result.quarantine_row] == []
    assert all(len(r.lengths) == 83 for name, r in results.items() if name.startswith("hmdb51_Turnk"))


def test_sound_clips_of_several_sources_are_sound():
    clips = [path for path in shared("clips").rglob("*.*") if path.suffix in (".avi", ".mp4", ".mkv", ".mov")]
    results: dict[str, ExtractedVideo] = {path.name: run(path) for path in clips}
    assert [name for name, result in results.items() if result.quarantine_row] == ["corrupted.mp4"]
