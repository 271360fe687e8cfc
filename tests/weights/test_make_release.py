"""Releases made ours in one go."""

import tarfile

import pytest
import torch

from pipeline.common.errors import UserError
from pipeline.common.files import write_tsv
from pipeline.models import builders
from pipeline.weights import make_release, releases


def table(folder, *files, framework="pytorch-i3d"):
    """A weights.tsv of i3d's files, without addresses or checksums."""
    known = {"model": "i3d", "framework": framework, "note": "n"}
    rows = [[{**known, "file": file}.get(column, "") for column in releases.PATTERNS] for file in files]
    write_tsv(folder / "weights.tsv", tuple(releases.PATTERNS), rows)
    return folder / "weights.tsv"


def test_a_release_has_no_head_and_names_itself_in_its_metadata(tmp_path):
    torch.manual_seed(0)
    net = builders.build("i3d", num_classes=4, channels=2)
    torch.save(net.state_dict(), tmp_path / "flow.pt")
    tensors, metadata = make_release.make("i3d.flow", tmp_path, table=table(tmp_path, "rgb.pt", "flow.pt"))
    assert net.state_dict().keys() - tensors.keys() == {"logits.conv3d.weight", "logits.conv3d.bias"}
    first = "Conv3d_1a_7x7.conv3d.weight"
    assert torch.allclose(tensors[first], net.state_dict()[first] * 0.05)  # flow in pixels, not a twentieth of it
    assert (metadata["release"], metadata["model"], metadata["options"]["channels"]) == ("i3d.flow", "i3d", 2)


def test_the_files_of_one_checkpoint_belong_together(tmp_path):
    files = ("a/model.ckpt.index", "a/model.ckpt.data-00000-of-00001", "b/model.ckpt.index")
    listed = table(tmp_path, *files, framework="tensorflow")
    assert [row["file"] for row in releases.release_rows("i3d.a", listed)] == list(files[:2])


def test_a_release_that_is_not_listed_is_refused_with_the_known_files(tmp_path):
    with pytest.raises(UserError, match="no release of i3d is called 'depth': its files are rgb.pt, flow.pt"):
        releases.release_rows("i3d.depth", table(tmp_path, "rgb.pt", "flow.pt"))


def test_a_release_that_cannot_be_downloaded_says_where_to_put_it(tmp_path):
    with pytest.raises(UserError, match="address is not known.*put it at .*rgb.pt.*weights release i3d"):
        make_release.make("i3d", tmp_path, table=table(tmp_path, "rgb.pt"))


def test_an_archive_with_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "readme").write_text("r")
    with tarfile.open(tmp_path / "i3d.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "readme", "readme")
    with pytest.raises(UserError, match="should hold one checkpoint but holds none"):
        make_release.make("i3d", tmp_path, table=table(tmp_path, "i3d.tar.gz", framework="tensorflow"))
