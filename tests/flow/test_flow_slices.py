"""The flow stage: one picture fewer than frames for any batches and direction, and every setting in the file."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import simplejpeg

from pipeline.common.errors import UserError
from pipeline.flow import __main__ as flow_command
from pipeline.flow import flow_slices, tvl1
from pipeline.formats.flow_levels import dequantise
from pipeline.formats.jpeg_store import JpegStore, JpegStoreWriter
from tests.helpers.makevideo import pictures
from tests.helpers.workflow import snakemake

SHIFT = 2


def write_frames(path, *counts, width=64, order=1):
    writer = JpegStoreWriter(path, {"stage": "frames", "size": f"{width}x48"})
    for count in counts:
        jpegs = [simplejpeg.encode_jpeg(np.ascontiguousarray(p)) for p in pictures(count, width, 48)][::order]
        writer.add(f"v{count}", map(len, jpegs), io.BytesIO(b"".join(jpegs)), 25.0)
    writer.close()
    return path


def run(tmp_path, *options, counts=(2, 5), order=1):
    frames = write_frames(tmp_path / "frames.h5", *counts, order=order)
    flow_command.main([str(frames), str(tmp_path / "flow.h5"), "--backend", "cpu", *options])
    return JpegStore(tmp_path / "flow.h5")


def flow_jpegs(tmp_path, *options, **video):
    """Every video's flow pictures."""
    with run(tmp_path, *options, **video) as store:
        return [list(store.pictures(number)) for number in range(len(store.videos))]


def dry_run(folder, *arguments, **options):
    """The output of a dry run."""
    run = snakemake(folder, "-n", *arguments, **options)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


def right(frames):
    """A flow function that returns a motion of SHIFT pixels to the right."""
    shape = (len(frames) - 1, 2, *frames.shape[1:])
    return np.broadcast_to(np.array([SHIFT, 0], np.float32).reshape(1, 2, 1, 1), shape)


@pytest.mark.parametrize("count", [2, 3, *(flow_slices.MAX_PAIRS + n for n in range(3)), 2 * flow_slices.MAX_PAIRS + 1])
def test_flow_is_always_one_fewer_than_frames(count):
    jpeg = simplejpeg.encode_jpeg(np.zeros((16, 16, 3), np.uint8))
    assert len(flow_slices.video_flow(iter([jpeg] * count), right, 20, 90)) == count - 1


def test_batches_overlap_by_one_frame():
    batches = [batch.tolist() for batch in flow_slices.batches(iter([np.array(n) for n in range(8)]), 3)]
    assert batches == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7]]


def test_batches_of_large_frames_are_smaller(monkeypatch):
    monkeypatch.setattr(flow_slices, "BATCH_BYTES", 3 * 8 * 100)
    assert [len(batch) for batch in flow_slices.batches(iter([np.zeros((10, 10), np.uint8)] * 8))] == [4, 4, 2]


def test_threads_do_not_change_the_pictures():
    jpegs = [simplejpeg.encode_jpeg(np.ascontiguousarray(picture)) for picture in pictures(9, 64, 48)]
    with ThreadPoolExecutor(3) as pool:
        assert flow_slices.video_flow(iter(jpegs), right, 20, 90, pool.map) == flow_slices.video_flow(
            iter(jpegs), right, 20, 90
        )


def test_a_single_frame_makes_no_batch():
    assert list(flow_slices.batches(iter([np.array(0)]), 3)) == []


def test_a_picture_stacks_x_above_y():
    field = right(np.zeros((2, 16, 24)))[0]
    picture = simplejpeg.decode_jpeg(flow_slices.encode_flow(field, 20, 90), colorspace="GRAY")
    x, y = dequantise(picture.reshape(2, 16, 24), 20)
    assert abs(x - SHIFT).max() < 0.2
    assert abs(y).max() < 0.2


def test_a_slice_of_flow_has_the_same_videos_and_one_picture_fewer_each(tmp_path):
    with run(tmp_path, counts=(2, 5, 3)) as store:
        assert store.videos == ["v2", "v5", "v3"]
        assert [store.count(n) for n in range(3)] == [1, 4, 2]
        assert store.fps.tolist() == [25, 25, 25]


def test_every_parameter_is_an_attribute_of_the_file(tmp_path):
    with run(tmp_path, "--bound", "15", "--parameters", '{"warps": 3}') as store:
        attributes = store.attributes
    expected = {"stage": "flow", "algorithm": "tvl1", "bound": 15, "quality": 90, "size": "64x48", "warps": 3}
    assert attributes | expected == attributes
    assert set(tvl1.resolve("opencv")) < set(attributes)


def test_threads_change_no_byte(tmp_path):
    both = []
    for threads in ("1", "2"):
        run(tmp_path, "--threads", threads).__exit__()
        both.append((tmp_path / "flow.h5").read_bytes())
    assert both[0] == both[1]


def test_backward_flow_is_the_forward_flow_of_the_reversed_video_reversed(tmp_path, monkeypatch):
    # Batches of 3 pairs, so that the two directions have different batches.
    monkeypatch.setattr(flow_slices, "BATCH_BYTES", 3 * 8 * 64 * 48)
    back = flow_jpegs(tmp_path, "--direction", "backward", counts=(2, 9))
    assert [pictures[::-1] for pictures in back] == flow_jpegs(tmp_path, counts=(2, 9), order=-1)
    assert back != flow_jpegs(tmp_path, counts=(2, 9))


def test_backward_flow_undoes_forward_flow():
    rows, columns = np.mgrid[:48, :64]
    wave = np.stack([128 + 60 * np.sin((columns - t) / 5) + 60 * np.cos(rows / 6) for t in range(3)]).astype(np.uint8)

    def forward(frames):
        return tvl1.flow(frames, backend="cpu", threads=1)

    assert np.median(forward(wave)[:, 0]) == pytest.approx(1, abs=0.1)
    assert np.median(flow_slices.backward_flow(forward)(wave)[:, 0]) == pytest.approx(-1, abs=0.1)


def test_only_backward_flow_has_the_attribute_direction(tmp_path):
    with run(tmp_path, "--direction", "backward") as store:
        back = store.attributes
    with run(tmp_path, "--direction", "forward") as store:
        assert {**store.attributes, "direction": "backward"} == back
        assert "direction" not in store.attributes


def test_the_workflow_makes_backward_flow_without_forward_flow_and_with_its_settings(tmp_path):
    output = dry_run(tmp_path, "-p", "data/demo/shards/backward", config={"flow": {"bound": 15, "quality": 80}})
    assert output.count("output: data/demo/backward/") == 4
    assert "data/demo/flow" not in output
    commands = [line for line in output.splitlines() if "pipeline.flow" in line]
    assert all("--direction backward" in line and "--bound 15 --quality 80" in line for line in commands)
    assert len(commands) == 4


def test_the_workflow_makes_no_backward_flow_for_tables_without_it(tmp_path):
    output = dry_run(tmp_path, "-p", "results/tables/demo.csv")
    assert output.count("--direction forward") == output.count("output: data/demo/flow/") == 4
    assert "data/demo/backward" not in output


@pytest.mark.parametrize(
    ("text", "words"), [("{", "is not JSON"), ("[1]", "must be a JSON object"), ('{"wraps": 3}', "wraps")]
)
def test_invalid_parameters_are_a_user_error(tmp_path, text, words):
    with pytest.raises(UserError, match=words):
        run(tmp_path, "--parameters", text)


def test_an_incomplete_frames_file_is_a_user_error(tmp_path):
    (tmp_path / "frames.h5").write_bytes(b"half")
    with pytest.raises(UserError, match="is not a complete frames or flow file"):
        flow_command.main([str(tmp_path / "frames.h5"), str(tmp_path / "flow.h5")])
