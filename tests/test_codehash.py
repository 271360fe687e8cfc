"""The code hash: what re-runs a stage and what does not."""

import ast

from pipeline.codehash import code_hash, essence, imports, kernels, reachable


def test_comments_docstrings_and_layout_do_not_count():
    plain = "def f(a):\n    return a + 1\n"
    assert essence(plain) == essence('"""Doc."""\ndef f(a):  # why\n    """What."""\n\n    return (a +\n        1)\n')


def test_a_changed_constant_counts():
    assert essence("x = 1") != essence("x = 2")


def test_a_string_that_is_no_docstring_counts():
    assert essence("def f():\n    return 'a'") != essence("def f():\n    return 'b'")


def test_imports_are_followed():
    assert {"pipeline.flow", "pipeline.quantise", "pipeline.tvl1", "pipeline.tvl1.parameters"} <= reachable(
        "pipeline.flow"
    )
    assert "pipeline.train" not in reachable("pipeline.flow")


def test_modules_imported_on_demand_by_name_are_followed():
    assert "pipeline.importers.command" not in reachable("pipeline.weights")
    assert "pipeline.tvl1.driver" in reachable("pipeline.tvl1")


def test_relative_imports_are_resolved():
    assert list(imports(ast.parse("from . import b"), "pipeline.models.a")) == ["pipeline.models", "pipeline.models.b"]


def test_stages_have_different_hashes():
    assert code_hash("pipeline.flow") != code_hash("pipeline.frames")


def test_a_cuda_source_that_a_module_names_counts():
    assert [path.name for path in kernels("pipeline.tvl1.driver")] == ["tvl1.cu"]
    assert "pipeline.tvl1.driver" in reachable("pipeline.flow")
