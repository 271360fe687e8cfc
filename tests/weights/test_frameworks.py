"""Readers of other frameworks' files: what was written is what is read, and nothing else is taken for it."""

import os
import pickle
import re

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipeline.common.errors import UserError
from pipeline.weights.frameworks.crc32c import crc32c
from pipeline.weights.frameworks.protobuf import FormatError
from pipeline.weights.frameworks.readers import READERS, read
from pipeline.weights.frameworks.sstable import decompress_snappy
from tests.helpers import weightfiles as wf

A = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5) / 7
B = np.array([3, -1], np.float32)
LAYERS = {"conv1": [A, B], "fc8": [A.reshape(6, 20), np.arange(6, dtype=np.float32)]}
BLOBS = {f"{name}/{index}": array for name, arrays in LAYERS.items() for index, array in enumerate(arrays)}
NAMES = {f"scope/layer_{number}/w": np.full((number + 1, 2), number, np.float32) for number in range(23)}
VARIABLES = NAMES | {"scope/layer_1/b": B, "deep": A, "global_step": np.array(700_000, np.int64)}


def same(tensors, expected):
    assert tensors.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(tensors[name], array, err_msg=name)
        assert tensors[name].shape == array.shape, name


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("pack", [True, False])
@pytest.mark.parametrize("double", [True, False])
def test_caffe_layers_of_every_version_and_encoding(tmp_path, version, pack, double):
    wf.caffemodel(tmp_path / "net.caffemodel", LAYERS, version, pack=pack, double=double)
    same(read("caffe", tmp_path / "net.caffemodel"), BLOBS)


def test_caffes_legacy_blobs_have_four_axes(tmp_path):
    wf.caffemodel(tmp_path / "net.caffemodel", LAYERS, 1, legacy=True)
    found = read("caffe", tmp_path / "net.caffemodel")
    assert found["fc8/0"].shape == (1, 1, 6, 20)
    assert found["conv1/1"].shape == (1, 1, 1, 2)
    np.testing.assert_array_equal(found["fc8/0"][0, 0], LAYERS["fc8"][0])


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("name", ["model.ckpt", "model.ckpt.index", "model.ckpt.data-00000-of-0000{}"])
def test_a_tensorflow_bundle_under_any_of_its_names(tmp_path, shards, name):
    wf.bundle(tmp_path / "model.ckpt", VARIABLES, shards, strings=["_CHECKPOINTABLE_OBJECT_GRAPH"])
    same(read("tensorflow", tmp_path / name.format(shards)), VARIABLES)


@pytest.mark.parametrize("compress", [True, False])
def test_a_v1_tensorflow_checkpoint_with_and_without_slices(tmp_path, compress):
    wf.single(tmp_path / "inception_v1.ckpt", VARIABLES, halves=["deep", "scope/layer_7/w"], compress=compress)
    same(read("tensorflow", tmp_path / "inception_v1.ckpt"), VARIABLES)


@pytest.mark.parametrize(
    ("packed", "plain"),
    [
        (b"\x00", b""),
        (b"\x04\x0cabcd", b"abcd"),
        (b"\x0a\x04ab" + bytes([4 << 2 | 1, 2]), b"ababababab"),  # a copy that reaches into itself
        (b"\x08\x0cabcd" + bytes([3 << 2 | 2, 4, 0]), b"abcdabcd"),
        (b"\x08\x0cabcd" + bytes([3 << 2 | 3, 4, 0, 0, 0]), b"abcdabcd"),
        (b"\x46" + bytes([60 << 2, 69]) + b"x" * 70, b"x" * 70),
    ],
)
def test_every_snappy_element_is_decompressed(packed, plain):
    assert decompress_snappy(memoryview(packed)) == plain
    assert decompress_snappy(memoryview(wf.snappy(plain))) == plain


@pytest.mark.parametrize(
    "packed", [b"\x05\x0cabcd", b"\x03\x0cabcd", b"\x04\x0cab", b"\x08\x0cabcd\x0e\x05\x00", b"\xff" * 6, b""]
)
def test_a_broken_snappy_block_is_refused(packed):
    with pytest.raises(FormatError):
        decompress_snappy(memoryview(packed))


@pytest.mark.parametrize("size", [2000, 1 << 20, 1 << 31, (1 << 35) - 1])
def test_a_snappy_block_that_claims_more_than_it_can_hold_is_refused_before_memory_is_used(size):
    packed = wf.varint(size) + b"\x0cabcd"
    with pytest.raises(FormatError, match=rf"a Snappy block of {len(packed)} bytes claims {size} bytes but can hold"):
        decompress_snappy(memoryview(packed))


def test_the_densest_snappy_block_is_within_the_bound():
    assert decompress_snappy(memoryview(wf.snappy(bytes(100_000)))) == bytes(100_000)


def test_crc32c_has_the_published_check_values():
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720's check value
    assert crc32c(bytes(32)) == 0x8A9136AA


@pytest.mark.parametrize("how", [{}, {"do_compression": True}, {"inside": "net"}])
def test_a_dag_of_matconvnet_up_to_v7(tmp_path, how):
    wf.dag(tmp_path / "net.mat", {"conv1_filter": A, "bn_moments": A[0, 0, :, :2]}, **how)
    same(read("matconvnet", tmp_path / "net.mat"), {"conv1_filter": A, "bn_moments": A[0, 0, :, :2]})


def test_a_dag_of_one_parameter(tmp_path):
    wf.dag(tmp_path / "net.mat", {"conv1_filter": A})
    same(read("matconvnet", tmp_path / "net.mat"), {"conv1_filter": A})


@pytest.mark.parametrize("old", [True, False])
def test_a_simplenn_takes_the_names_that_matconvnet_gives_its_parameters(tmp_path, old):
    layers = {"conv1": [A, B[None]], "fc8": [A[..., :1, :], B[None]]}
    wf.simple(tmp_path / "net.mat", layers, old)
    same(
        read("matconvnet", tmp_path / "net.mat"),
        {"conv1f": A, "conv1b": B[None], "fc8f": A[..., :1, :], "fc8b": B[None]},
    )


def test_v73_reverses_hdf5s_axes(tmp_path):
    wf.dag_v73(tmp_path / "dag.mat", {"conv1_filter": A, "conv1_bias": B[None]})
    same(read("matconvnet", tmp_path / "dag.mat"), {"conv1_filter": A, "conv1_bias": B[None]})
    wf.simple_v73(tmp_path / "simple.mat", {"conv1": [A, B[None]]})
    same(read("matconvnet", tmp_path / "simple.mat"), {"conv1f": A, "conv1b": B[None]})


STATE = {"conv.weight": torch.from_numpy(A), "conv.bias": torch.from_numpy(B), "n": torch.tensor(3)}


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": s}])
@pytest.mark.parametrize("zipped", [True, False])
def test_state_dicts_at_the_top_or_under_their_usual_keys(tmp_path, wrap, zipped):
    torch.save(wrap(STATE), tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    same(read("torchvision", tmp_path / "w.pth"), {name: tensor.numpy() for name, tensor in STATE.items()})


def test_data_parallels_prefix_is_removed_and_half_precision_becomes_single(tmp_path):
    torch.save({f"module.{name}": tensor.half() for name, tensor in STATE.items()}, tmp_path / "w.pth")
    found = read("torchvision", tmp_path / "w.pth")
    assert set(found) == set(STATE)
    assert found["conv.weight"].dtype == np.float32


def test_safetensors_are_state_dicts_too(tmp_path):
    save_file(STATE, tmp_path / "w.safetensors")
    same(read("pytorch-i3d", tmp_path / "w.safetensors"), {name: tensor.numpy() for name, tensor in STATE.items()})


class Malice:
    """What a pickle runs when it is loaded without care."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("zipped", [True, False, None])
def test_a_pickle_with_code_in_it_is_refused_and_does_not_run(tmp_path, zipped):
    trace, file = tmp_path / "it ran", tmp_path / "w.pth"
    if zipped is None:
        file.write_bytes(pickle.dumps({"conv.weight": Malice(trace)}))
    else:
        torch.save({**STATE, "x": Malice(trace)}, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match=r"w\.pth cannot be read as torchvision weights") as caught:
        read("torchvision", file)
    assert "\n" not in str(caught.value)
    assert not trace.exists()
    assert "weights_only" not in str(caught.value)  # torch's advice to run it
    if zipped is not None:
        assert re.search(r"not only tensors but the code \w+\.mkdir, which was not run", str(caught.value))


def written(folder):
    """A small file of every format and form."""
    torch.save(STATE, folder / "new.pth")
    torch.save(STATE, folder / "old.pth", _use_new_zipfile_serialization=False)
    save_file(STATE, folder / "w.safetensors")
    wf.caffemodel(folder / "net.caffemodel", LAYERS)
    wf.dag(folder / "plain.mat", {"conv1_filter": A, "b": B})
    wf.dag(folder / "packed.mat", {"conv1_filter": A, "b": B}, do_compression=True)
    wf.dag_v73(folder / "v73.mat", {"conv1_filter": A, "b": B})
    wf.single(folder / "v1.ckpt", VARIABLES)
    wf.single(folder / "v1.snappy", VARIABLES, compress=True)
    wf.bundle(folder / "v2.ckpt", VARIABLES)
    return {
        "new.pth": "torchvision", "old.pth": "pytorch-i3d", "w.safetensors": "torchvision", "net.caffemodel": "caffe",
        "plain.mat": "matconvnet", "packed.mat": "matconvnet", "v73.mat": "matconvnet", "v1.ckpt": "tensorflow",
        "v1.snappy": "tensorflow",
        "v2.ckpt.index": "tensorflow", "v2.ckpt.data-00000-of-00001": "tensorflow",
    }  # fmt: skip


def outcome(form, path):
    """Its tensors, or the sentence."""
    try:
        return read(form, path)
    except UserError as error:
        return str(error)


def test_a_truncated_file_is_refused_in_one_sentence(tmp_path):
    for name, form in written(tmp_path).items():
        whole, expected = (tmp_path / name).read_bytes(), read(form, tmp_path / name)
        for size in [0, 1, *range(3, len(whole), max(len(whole) // 40, 1)), len(whole) - 1]:
            (tmp_path / name).write_bytes(whole[:size])
            found = outcome(form, tmp_path / name)
            if isinstance(found, str):
                assert "\n" not in found, (name, size)
            else:  # nothing but padding behind the last tensor was lost
                assert len(whole) - size < 600, (name, size)
                same(found, expected)
        (tmp_path / name).write_bytes(whole)


def test_a_changed_byte_gives_tensors_or_one_sentence(tmp_path):
    generator = np.random.default_rng(0)
    for name, form in written(tmp_path).items():
        whole = bytearray((tmp_path / name).read_bytes())
        for _ in range(60):
            place, value = generator.integers(len(whole)), generator.integers(256)
            changed = whole.copy()
            changed[place] = value
            (tmp_path / name).write_bytes(changed)
            found = outcome(form, tmp_path / name)
            assert name in found if isinstance(found, str) else all(isinstance(a, np.ndarray) for a in found.values())
        (tmp_path / name).write_bytes(whole)


def test_a_changed_number_in_a_tensorflow_file_is_noticed_with_both_checksums(tmp_path):
    wf.bundle(tmp_path / "m", VARIABLES)
    data = tmp_path / "m.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1] + b"\xee")
    with pytest.raises(UserError, match=r"has the checksum [0-9a-f]{8} but the index says [0-9a-f]{8}"):
        read("tensorflow", tmp_path / "m")


def test_a_changed_number_in_a_table_is_noticed_with_both_checksums(tmp_path):
    wf.single(tmp_path / "v1.ckpt", {"w": np.full(9, 7.5, np.float32)})
    whole, number = (tmp_path / "v1.ckpt").read_bytes(), np.float32(7.5).tobytes()
    (tmp_path / "v1.ckpt").write_bytes(whole.replace(number, np.float32(8.5).tobytes(), 1))
    with pytest.raises(UserError, match="block at byte 0 has the checksum [0-9a-f]{8} but records [0-9a-f]{8}"):
        read("tensorflow", tmp_path / "v1.ckpt")


@pytest.mark.parametrize("form", READERS)
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html>Not found</html>", "is a web page, not weights"),
        (b"", "has 0 bytes"),
        (b"\x1f\x8b\x08" + bytes(50), "is a gzip archive, not weights: unpack it"),
        (b"version https://git-lfs.github.com/spec/v1\n", "cannot be read|holds 0 tensors"),
        (bytes(5000), "cannot be read|holds 0 tensors"),
    ],
)
def test_a_file_that_holds_no_weights_is_refused(tmp_path, form, content, words):
    (tmp_path / "file.mat").write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        read(form, tmp_path / "file.mat")
    assert re.search(r"file\.mat", str(caught.value))


@pytest.mark.parametrize("form", READERS)
def test_a_missing_file_is_named(tmp_path, form):
    with pytest.raises(UserError, match=r"nothing\.pth"):
        read(form, tmp_path / "nothing.pth")


def test_an_unknown_format_is_refused_with_the_known(tmp_path):
    with pytest.raises(UserError, match="no format 'keras': choose one of torchvision"):
        read("keras", tmp_path / "x")
