"""Weights files: tensors and metadata come back as they were saved."""

import pytest
import torch
from safetensors.torch import save_file

from pipeline.common.errors import UserError
from pipeline.formats import weights


def test_a_state_dict_and_its_metadata_come_back_as_saved(tmp_path):
    tensors = {"a": torch.randn(2, 3).T, "n": torch.tensor(7)}  # a transposed tensor is not contiguous
    weights.save(tmp_path / "w.safetensors", tensors, {"classes": ["run", "jump"], "split": 1})
    loaded, metadata = weights.load(tmp_path / "w.safetensors")
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())
    assert metadata == weights.load_metadata(tmp_path / "w.safetensors") == {"classes": ["run", "jump"], "split": 1}


@pytest.mark.parametrize("load", [weights.load, weights.load_metadata])
def test_a_file_of_another_kind_is_refused(tmp_path, load):
    (tmp_path / "torn").write_bytes(b"torn")
    save_file({"a": torch.zeros(1)}, tmp_path / "without_metadata")
    for name in ("torn", "without_metadata", "missing"):
        with pytest.raises(UserError, match=f"{name} is not a weights file of this pipeline"):
            load(tmp_path / name)
