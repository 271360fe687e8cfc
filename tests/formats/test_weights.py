"""Importing by hand: what fits, what is left over, whose classes; and the list of releases."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.common.code_hash import reachable
from pipeline.common.errors import UserError
from pipeline.common.files import sha256, write_tsv
from pipeline.fetch.download import RetryPolicy
from pipeline.formats import weights
from pipeline.models import builders
from pipeline.weights import __main__ as weights_command
from pipeline.weights import releases
from pipeline.weights.frameworks import convert
from pipeline.weights.frameworks.layouts import STEPS
from tests.helpers.loopback import PAGE, Act, loopback

ROOT = Path(__file__).parents[2]

CLASSES = ["clap", "jump", "run", "wave"]
RESNET = {"width": 0.125, "depth": (1, 1, 1, 1)}
OPTIONS = ["--option", "width=0.125", "--option", "depth=[1, 1, 1, 1]"]
QUICK = RetryPolicy(connect=2, read=0.3, attempts=2, first_wait=0.01, longest_wait=0.02)


def narrow(seed=0):
    torch.manual_seed(seed)
    return builders.build("resnet_50", num_classes=len(CLASSES), **RESNET)


@pytest.fixture
def release(tmp_path):
    """A folder with a narrow ResNet's state dict and the names of its classes."""
    torch.save(narrow().state_dict(), tmp_path / "r.pth")
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    return tmp_path


def imported(folder, *more, model="resnet_50", form="torchvision", options=OPTIONS):
    names = ["--format", form, "--model", model, "--out", str(folder / "w.safetensors")]
    weights_command.main(["import", str(folder / "r.pth"), *names, *options, *more])
    return weights.load(folder / "w.safetensors")


def test_an_import_carries_its_classes_and_where_it_came_from(release):
    tensors, facts = imported(release, "--classes", str(release / "classes.txt"))
    assert facts["classes"] == CLASSES
    assert facts["heads"] == ["fc.weight", "fc.bias"]
    assert (facts["file"], facts["sha256"]) == ("r.pth", sha256(release / "r.pth"))
    assert all(torch.equal(tensors[name], value) for name, value in narrow().state_dict().items())


def test_a_head_is_matched_by_the_names_of_its_classes(release):
    imported(release, "--classes", str(release / "classes.txt"))
    net, order = narrow(seed=1).eval(), [2, 0, 3, 1]
    facts = weights.initialise(net, release / "w.safetensors", [CLASSES[index] for index in order])
    x = torch.randn(1, 3, 224, 224)
    assert torch.equal(net(x), narrow().eval()(x)[:, order])
    assert facts["classes"] == [CLASSES[index] for index in order]


def test_a_head_of_other_classes_is_refused_with_the_names_that_differ(release):
    imported(release, "--classes", str(release / "classes.txt"))
    with pytest.raises(
        UserError, match="4 classes and the data set 3; in the weights alone: jump, wave; .*alone: swim"
    ):
        weights.initialise(narrow(), release / "w.safetensors", ["run", "clap", "swim"])


def test_a_head_without_names_is_not_guessed(release):
    imported(release)
    with pytest.raises(UserError, match="4 classes without names: import it again with --classes"):
        weights.initialise(narrow(), release / "w.safetensors", CLASSES)


def test_without_its_head_an_import_begins_any_data_set(release):
    tensors, facts = imported(release, "--drop-head")
    assert not {"fc.weight", "fc.bias"} & set(tensors)
    assert facts["num_classes"] is None
    net = builders.build("resnet_50", num_classes=9, **RESNET)
    head = net.fc.weight.clone()
    weights.initialise(net, release / "w.safetensors", list("abcdefghi"))
    assert torch.equal(net.fc.weight, head)
    assert torch.equal(net.conv1.weight, narrow().conv1.weight)


def test_weights_of_another_width_do_not_begin_a_network(release):
    imported(release, "--drop-head")
    wider = builders.build("resnet_50", num_classes=9, width=0.25, depth=(1, 1, 1, 1))
    with pytest.raises(UserError, match="holds a resnet_50 with .*width.*0.125.* tensors, first .* do not fit"):
        weights.initialise(wider, release / "w.safetensors", list("abcdefghi"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clap\njump\nrun\n", "names 3 classes but .* has 4"),
        ("clap\njump\nrun\nrun\n", "names 'run' 2 times"),
        (None, "cannot be read as a list of class names"),
    ],
)
def test_a_list_of_classes_must_fit_the_head(release, text, words):
    if text is None:
        (release / "classes.txt").unlink()
    else:
        (release / "classes.txt").write_text(text)
    with pytest.raises(UserError, match=words):
        imported(release, "--classes", str(release / "classes.txt"))
    assert not (release / "w.safetensors").exists()


def changed(folder, change):
    state = dict(narrow().state_dict())
    change(state)
    torch.save(state, folder / "r.pth")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.update(extra=torch.ones(2)), r"1 tensors of the file have no place in the network \(extra\)"),
        (lambda s: s.pop("bn1.weight"), r"1 tensors of the network are not in the file \(bn1.weight\)"),
        (
            lambda s: s.update({"conv1.weight": torch.ones(16, 3, 7, 7)}),
            r"1 tensors have other shapes, .* \(conv1.weight \(16, 3, 7, 7\) against \(8, 3, 7, 7\)\)",
        ),
    ],
)
def test_a_tensor_left_over_on_either_side_or_of_another_shape_is_named(release, change, words):
    changed(release, change)
    with pytest.raises(UserError, match=words):
        imported(release)


def test_all_that_is_wrong_stands_in_one_sentence(release):
    changed(
        release, lambda s: (s.update(extra=torch.ones(2)), s.pop("bn1.weight"), s.update({"bn1.bias": torch.ones(3)}))
    )
    with pytest.raises(UserError, match=r"(?s)no place.*extra.*not in the file.*bn1.weight.*other shapes.*bn1.bias"):
        imported(release)


def test_another_nets_file_is_refused(release):
    with pytest.raises(
        UserError, match=r"does not fit the network vgg_16: \d+ tensors of the file.*layer1.*and \d+ more"
    ):
        imported(release, model="vgg_16", options=["--option", "width=0.125"])


def test_two_tensors_for_one_place_are_refused():
    made = convert.apply({"a/w": np.ones(2), "b/w": np.ones(2)}, [["./w", "weight", ""]], {})
    with pytest.raises(UserError, match=r"1 tensors of the network have two in the file \(weight\)"):
        convert.refuse_misfits(made, {"weight": (2,)}, "x", "a net")


def test_what_cannot_be_asked_for_is_refused_with_what_can(release):
    with pytest.raises(UserError, match="no rules from torchvision to the network 'i3d', only to resnet_50, vgg_16"):
        imported(release, model="i3d")
    with pytest.raises(UserError, match="--option is 'width': write it as NAME=VALUE"):
        imported(release, options=["--option", "width"])
    with pytest.raises(UserError, match="resnet_50 does not take the options"):
        imported(release, options=["--option", "breadth=2"])
    for option in ("width=wide", "channels=3.5", "depth=3"):
        with pytest.raises(UserError, match=f"resnet_50 cannot be built with .*{option.partition('=')[0]}"):
            imported(release, options=["--option", option])
    with pytest.raises(UserError, match="w.safetensors cannot be written .* name another place with --out"):
        imported(release, "--out", str(release / "r.pth" / "w.safetensors"))


def test_a_mistake_at_the_shell_is_one_sentence_and_nothing_is_written(tmp_path):
    (tmp_path / "r.pth").write_bytes(PAGE)
    command = ["import", "r.pth", "--format", "caffe", "--model", "vgg_16", "--out", "w.safetensors"]
    done = subprocess.run([sys.executable, "-m", "pipeline.weights", *command], cwd=tmp_path, text=True,
                          capture_output=True, env={"PYTHONPATH": str(ROOT)})  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: r.pth is a web page, not weights")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["r.pth"]


def test_the_importers_are_no_part_of_the_code_of_a_training():
    assert not [name for name in reachable("pipeline.train.fit") if name.startswith("pipeline.weights")]


# maps.yaml


def test_every_map_is_for_a_network_and_names_known_words_and_steps():
    words = convert.table()["words"]
    for entry in convert.table()["maps"]:
        assert entry["model"] in builders.names()
        builders.shapes_of(entry["model"], 3, entry.get("options", {}))
        for source, target, steps in entry["rules"]:
            fills = set() if source else set(convert.FILLS)
            assert set(steps.split()) <= set(STEPS) | fills, (entry["format"], source)
            assert all(word in words for word in re.findall(r"\{\d:(\w+)\}", target))


# weights.tsv


def test_every_release_is_of_a_format_and_network_that_can_be_imported():
    known = {(entry["format"], entry["model"]) for entry in convert.table()["maps"]}
    assert {(row["framework"], row["model"]) for row in releases.rows()} <= known


def test_a_name_that_begins_the_checksum_agrees_with_it():
    for row in releases.rows():
        if row["framework"] == "torchvision":
            assert row["sha256"].startswith(row["file"].rpartition("-")[2].removesuffix(".pth"))


def test_what_is_not_known_is_said_in_the_note():
    words = {"sha256": "sha256", "licence": "licence", "score": "score"}
    for row in releases.rows():
        assert all(row[column] or word in row["note"] for column, word in words.items()), row["file"]
        assert row["checked"] or "not tried" in row["note"], row["file"]


def listing(folder, **cells):
    """A table of one row."""
    row = dict.fromkeys(releases.PATTERNS, "") | {"model": "vgg_16", "framework": "caffe", "file": "v.caffemodel"}
    row |= {"note": "ours", **cells}
    write_tsv(folder / "t.tsv", list(row), [list(row.values())])
    return releases.rows(folder / "t.tsv")[0]


@pytest.mark.parametrize(
    "cells", [{"sha256": "ABC"}, {"url": "ftp://x"}, {"file": "/etc/x"}, {"framework": "keras"}, {"note": ""}]
)
def test_a_malformed_cell_is_refused_with_its_line(tmp_path, cells):
    with pytest.raises(UserError, match=rf"line 2: {next(iter(cells))} is .* but must match"):
        listing(tmp_path, **cells)


def test_who_has_not_got_the_weights_is_told_what_to_put_where():
    said = releases.where("resnet_50")
    assert "resnet50-0676ba61.pth from https://download.pytorch.org/models/resnet50-0676ba61.pth" in said
    assert "put it at data/weights/resnet50-0676ba61.pth" in said
    assert "pipeline.weights release resnet_50 makes it ours" in said
    assert "imagenet-resnet-50-dag.mat from" in releases.where("resnet_50.matconvnet")
    assert ". " not in said
    with pytest.raises(UserError, match="lists no weights of 'fstcn', only of .*vgg_16"):
        releases.where("fstcn")


def test_a_download_is_held_to_its_checksum_and_comes_once(tmp_path):
    body = b"weights" * 1000
    with loopback() as web:
        row = listing(tmp_path, url=web.serve("/v", Act(body)), sha256=hashlib.sha256(body).hexdigest()[:8])
        for _ in range(2):
            assert releases.fetch(row, tmp_path / "w", QUICK).read_bytes() == body
        assert len(web.asked) == 1
    assert [path.name for path in (tmp_path / "w").iterdir()] == ["v.caffemodel"]


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (Act(b"other weights" * 100), "has the sha256 [0-9a-f]{64} but weights.tsv says 00000000"),
        (Act(PAGE), "could not be had .*web page"),
        (Act(PAGE, 404), "could not be had .*404"),
    ],
)
def test_what_cannot_be_had_ends_in_where_to_put_it(tmp_path, act, words):
    with loopback() as web:
        row = listing(tmp_path, url=web.serve("/v", act), sha256="00000000")
        with pytest.raises(UserError, match=f"{words}.*put it at .*w/v.caffemodel"):
            releases.fetch(row, tmp_path / "w", QUICK)
    assert not list((tmp_path / "w").iterdir())


def test_a_wrong_file_put_there_by_hand_is_noticed(tmp_path):
    (tmp_path / "v.caffemodel").write_bytes(b"other weights")
    with pytest.raises(UserError, match="has the sha256 .* but weights.tsv says 00000000: delete it"):
        releases.fetch(listing(tmp_path, sha256="00000000"), tmp_path, QUICK)
    with pytest.raises(UserError, match="its address is not known"):
        releases.fetch(listing(tmp_path, file="other.caffemodel"), tmp_path, QUICK)
