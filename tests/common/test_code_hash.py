"""The code hash: what re-runs a stage and what does not."""

import ast

import pytest

from pipeline.common.code_hash import STAGES, UNHASHED, cuda_sources, hashed_source, imports, reachable, stage_hash
from tests.helpers.import_graph import closure, imported


def same(old, new):
    return hashed_source(old) == hashed_source(new)


def test_comments_docstrings_and_layout_do_not_count():
    plain = "def f(a):\n    return a + 1\n"
    assert same(plain, '"""Doc."""\ndef f(a):  # why\n    """What."""\n\n    return (a +\n        1)\n')


def test_a_changed_constant_counts():
    assert not same("x = 1", "x = 2")


def test_a_string_that_is_no_docstring_counts():
    assert not same("def f():\n    return 'a'", "def f():\n    return 'b'")


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("raise UserError('no such file')", "raise UserError(f'{path} is not there: mend it') from None"),
        ("log.say(f'{n} done')", "log.say('done', n)"),
        ("for x in log.progress(a, 3, 'one'): pass", "for x in log.progress(a, len(a), 'two'): pass"),
        ("p.add_argument('--a', type=int, help='x')", "p.add_argument('--a', type=int, help='y', metavar='N')"),
        ("p = cli.parser(__doc__)", "p = cli.parser(f.__doc__)"),
        ("class DiskFull(UserError):\n  def __init__(s): super().__init__('a')",
         "class DiskFull(UserError):\n  def __init__(s): super().__init__('b')"),
        ("def _words(a): return 'x'\ndef f(a):\n  raise UserError(_words(a))",
         "def _words(a): return 'y'\ndef f(a):\n  raise UserError(_words(a))"),
    ],
)  # fmt: skip
def test_the_wording_of_errors_logs_and_help_does_not_count(line, other):
    assert same(line.replace(" from None", ""), other.replace(" from None", ""))


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("raise BadVideo('short')", "raise BadVideo('cut off')"),  # it is in quarantine.tsv
        ("if a > 1: raise UserError('x')", "if a > 2: raise UserError('x')"),
        ("p.add_argument('--a', default=1)", "p.add_argument('--a', default=2)"),
        ("for x in log.progress(a, 3, 'one'): pass", "for x in log.progress(b, 3, 'one'): pass"),
        ("def _f(a): return 1\nx = _f(0)", "def _f(a): return 2\nx = _f(0)"),
    ],
)
def test_what_decides_a_result_counts(line, other):
    assert not same(line, other)


def test_imports_are_followed():
    assert {"pipeline.flow.tvl1.parameters", "pipeline.formats.flow_levels"} <= reachable("pipeline.flow.flow_slices")
    assert "pipeline.train.fit" not in reachable("pipeline.flow.flow_slices")


def test_the_imports_of_a_main_are_not_followed():
    assert reachable("pipeline.weights.__main__") == {"pipeline.weights", "pipeline.weights.__main__"}


def test_what_no_result_depends_on_is_not_hashed():
    everything = reachable(*(f"pipeline.{name}" for modules in STAGES.values() for name in modules))
    told = {"common.cli", "common.log", "common.environment", "common.errors", "train.tensorboard", "workflow.targets"}
    assert everything.isdisjoint(f"pipeline.{name}" for name in told)


def test_modules_imported_on_demand_by_name_are_followed():
    assert "pipeline.flow.tvl1.driver" in reachable("pipeline.flow.tvl1")


def test_relative_imports_are_resolved():
    assert list(imports(ast.parse("from . import b"), "pipeline.models.a")) == ["pipeline.models", "pipeline.models.b"]


def test_stages_have_different_hashes_but_for_the_parts_of_the_index():
    hashes = {stage: stage_hash(stage) for stage in STAGES}
    assert len(set(hashes.values())) == len(hashes) - 2
    assert hashes["index"] == hashes["splits"] == hashes["coverage"]


def test_every_module_of_a_stage_is_there():
    assert [name for modules in STAGES.values() for name in modules if not reachable(f"pipeline.{name}")] == []


def test_a_cuda_source_that_a_module_names_counts_in_the_flow_and_in_no_training():
    assert [path.name for path in cuda_sources("pipeline.flow.tvl1.driver")] == ["tvl1.cu"]
    assert "pipeline.flow.tvl1.driver" in reachable(*(f"pipeline.{name}" for name in STAGES["flow"]))
    trained = reachable(*(f"pipeline.{name}" for stage in ("train", "score", "kmeans") for name in STAGES[stage]))
    assert not [name for name in trained if name.startswith("pipeline.flow")]


@pytest.mark.parametrize(
    "stage", [stage for stage in STAGES if any(name.endswith("__main__") for name in STAGES[stage])]
)
def test_what_a_main_imports_is_hashed_with_its_science(stage):
    roots = [f"pipeline.{name}" for name in STAGES[stage]]
    mains = [name for name in roots if name.endswith("__main__")]
    unhashed = {f"pipeline.{name}" for name in UNHASHED}
    assert {other for name in mains for other in imported(name)} - unhashed - reachable(*roots) == set()


@pytest.mark.parametrize("stage", STAGES)
def test_stages_that_count_hash_how_and_stages_that_write_scores_do_not(stage):
    roots = [f"pipeline.{name}" for name in STAGES[stage]]
    counts = "pipeline.formats.class_counts" in closure(*roots)
    writes_scores = stage in ("score", "select_views", "fuse", "idt_classify")
    assert ("pipeline.formats.class_counts" in reachable(*roots)) == (counts and not writes_scores)
