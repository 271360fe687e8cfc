"""The import command: tensors that fit or not, class names, and the rules of maps.yaml."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.common.code_hash import reachable
from pipeline.common.errors import UserError
from pipeline.common.files import sha256
from pipeline.formats import weights
from pipeline.models import builders, registry
from pipeline.weights import __main__ as weights_command
from pipeline.weights.frameworks import convert
from pipeline.weights.frameworks.layouts import STEPS
from tests.helpers.loopback import PAGE

ROOT = Path(__file__).parents[2]

CLASSES = ["clap", "jump", "run", "wave"]
RESNET = {"width": 0.125, "depth": (1, 1, 1, 1)}
OPTIONS = ["--option", "width=0.125", "--option", "depth=[1, 1, 1, 1]"]


def narrow():
    torch.manual_seed(0)
    return builders.build("resnet_50", num_classes=len(CLASSES), **RESNET)


@pytest.fixture
def release(tmp_path):
    """A folder with a narrow ResNet's state dict and the names of its classes."""
    torch.save(narrow().state_dict(), tmp_path / "r.pth")
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    return tmp_path


def run_import(folder, *more, model="resnet_50", form="torchvision", options=OPTIONS):
    names = ["--format", form, "--model", model, "--out", str(folder / "w.safetensors")]
    weights_command.main(["import", str(folder / "r.pth"), *names, *options, *more])
    return weights.load(folder / "w.safetensors")


def test_an_import_records_its_classes_and_its_source_file(release):
    tensors, metadata = run_import(release, "--classes", str(release / "classes.txt"))
    assert metadata["classes"] == CLASSES
    assert metadata["heads"] == ["fc.weight", "fc.bias"]
    assert (metadata["file"], metadata["sha256"]) == ("r.pth", sha256(release / "r.pth"))
    assert all(torch.equal(tensors[name], value) for name, value in narrow().state_dict().items())


def test_an_import_without_its_head_has_no_classes(release):
    tensors, metadata = run_import(release, "--drop-head")
    assert narrow().state_dict().keys() - tensors.keys() == {"fc.weight", "fc.bias"}
    assert (metadata["num_classes"], metadata["classes"]) == (None, None)


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
        run_import(release, "--classes", str(release / "classes.txt"))
    assert not (release / "w.safetensors").exists()


def save_changed(folder, change):
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
def test_a_tensor_that_is_extra_missing_or_of_another_shape_is_named(release, change, words):
    save_changed(release, change)
    with pytest.raises(UserError, match=words):
        run_import(release)


def test_one_error_lists_every_misfit(release):
    save_changed(
        release, lambda s: (s.update(extra=torch.ones(2)), s.pop("bn1.weight"), s.update({"bn1.bias": torch.ones(3)}))
    )
    with pytest.raises(UserError, match=r"(?s)no place.*extra.*not in the file.*bn1.weight.*other shapes.*bn1.bias"):
        run_import(release)


def test_the_file_of_another_network_is_refused(release):
    with pytest.raises(
        UserError, match=r"does not fit the network vgg_16: \d+ tensors of the file.*layer1.*and \d+ more"
    ):
        run_import(release, model="vgg_16", options=["--option", "width=0.125"])


def test_two_tensors_for_one_name_are_refused():
    converted = convert.apply_rules({"a/w": np.ones(2), "b/w": np.ones(2)}, [["./w", "weight", ""]], {})
    with pytest.raises(UserError, match=r"1 tensors of the network have two in the file \(weight\)"):
        convert.refuse_misfits(converted, {"weight": (2,)}, "x", "a net")


def test_an_impossible_import_is_refused_with_what_is_possible(release):
    with pytest.raises(UserError, match="no rules from torchvision to the network 'i3d', only to resnet_50, vgg_16"):
        run_import(release, model="i3d")
    with pytest.raises(UserError, match="--option is 'width': write it as NAME=VALUE"):
        run_import(release, options=["--option", "width"])
    with pytest.raises(UserError, match="resnet_50 does not take the options"):
        run_import(release, options=["--option", "breadth=2"])
    for option in ("width=wide", "channels=3.5", "depth=3"):
        with pytest.raises(UserError, match=f"resnet_50 cannot be built with .*{option.partition('=')[0]}"):
            run_import(release, options=["--option", option])
    with pytest.raises(UserError, match="w.safetensors cannot be written .* name another place with --out"):
        run_import(release, "--out", str(release / "r.pth" / "w.safetensors"))


def test_a_mistake_at_the_shell_is_one_sentence_and_nothing_is_written(tmp_path):
    (tmp_path / "r.pth").write_bytes(PAGE)
    command = ["import", "r.pth", "--format", "caffe", "--model", "vgg_16", "--out", "w.safetensors"]
    done = subprocess.run([sys.executable, "-m", "pipeline.weights", *command], cwd=tmp_path, text=True,
                          capture_output=True, env={"PYTHONPATH": str(ROOT)})  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: r.pth is a web page, not weights")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["r.pth"]


def test_a_training_does_not_depend_on_the_importers_code():
    assert not [name for name in reachable("pipeline.train.fit") if name.startswith("pipeline.weights")]


# maps.yaml


def test_every_map_is_for_a_network_and_names_known_words_and_steps():
    words = convert.table()["words"]
    for entry in convert.table()["maps"]:
        assert entry["model"] in registry.entries()
        builders.shapes_of(entry["model"], 3, entry.get("options", {}))
        for source, target, steps in entry["rules"]:
            fills = set() if source else set(convert.FILLS)
            assert set(steps.split()) <= set(STEPS) | fills, (entry["format"], source)
            assert all(word in words for word in re.findall(r"\{\d:(\w+)\}", target))
