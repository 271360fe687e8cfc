"""ST-ResNet's recipes: the facts that the paper prints, and its chain of trainings from end to end on tiny clips."""

import torch

from pipeline import weights


def test_weights_tell_the_inputs_in_the_order_that_the_network_takes_them(tmp_path):
    stack = {"rgb": 1, "flow": 10, "difference": 1}
    weights.save(tmp_path / "w.safetensors", {"a": torch.zeros(1)}, {"recipe": {"stack": stack}})
    assert list(weights.load_facts(tmp_path / "w.safetensors")["recipe"]["stack"]) == list(stack)
