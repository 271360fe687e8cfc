"""The code hash: which changes re-run a stage."""

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
def test_code_that_can_change_a_result_counts(line, other):
    assert not same(line, other)


def test_imports_are_followed():
    assert {"pipeline.flow.tvl1.parameters", "pipeline.formats.flow_levels"} <= reachable("pipeline.flow.flow_slices")
    assert "pipeline.train.fit" not in reachable("pipeline.flow.flow_slices")


def test_the_imports_of_a_main_are_not_followed():
    assert reachable("pipeline.weights.__main__") == {"pipeline.weights", "pipeline.weights.__main__"}


def test_modules_that_no_result_depends_on_are_not_hashed():
    hashed = reachable(*(f"pipeline.{name}" for modules in STAGES.values() for name in modules))
    unhashed = {
        "common.cli",
        "common.log",
        "common.environment",
        "common.errors",
        "train.tensorboard",
        "workflow.stage_settings",
    }
    assert hashed.isdisjoint(f"pipeline.{name}" for name in unhashed)


def test_modules_imported_on_demand_by_name_are_followed():
    assert "pipeline.flow.tvl1.driver" in reachable("pipeline.flow.tvl1")


def test_relative_imports_are_resolved():
    assert list(imports(ast.parse("from . import b"), "pipeline.models.a")) == ["pipeline.models", "pipeline.models.b"]


def test_only_the_parts_of_the_index_share_a_hash():
    hashes = {stage: stage_hash(stage) for stage in STAGES}
    assert len(set(hashes.values())) == len(hashes) - 2
    assert hashes["index"] == hashes["splits"] == hashes["coverage"]


def test_every_module_of_a_stage_exists():
    assert [name for modules in STAGES.values() for name in modules if not reachable(f"pipeline.{name}")] == []


def test_the_cuda_source_is_hashed_for_flow_and_not_for_training():
    assert [path.name for path in cuda_sources("pipeline.flow.tvl1.driver")] == ["tvl1.cu"]
    assert "pipeline.flow.tvl1.driver" in reachable(*(f"pipeline.{name}" for name in STAGES["flow"]))
    training = reachable(*(f"pipeline.{name}" for stage in ("train", "score", "kmeans") for name in STAGES[stage]))
    assert not [name for name in training if name.startswith("pipeline.flow")]


@pytest.mark.parametrize(
    "stage", [stage for stage in STAGES if any(name.endswith("__main__") for name in STAGES[stage])]
)
def test_the_imports_of_a_main_are_hashed_through_the_stages_modules(stage):
    roots = [f"pipeline.{name}" for name in STAGES[stage]]
    mains = [name for name in roots if name.endswith("__main__")]
    unhashed = {f"pipeline.{name}" for name in UNHASHED}
    assert {other for name in mains for other in imported(name)} - unhashed - reachable(*roots) == set()


@pytest.mark.parametrize("stage", STAGES)
def test_class_counts_are_hashed_for_tables_and_not_for_stages_that_write_scores(stage):
    roots = [f"pipeline.{name}" for name in STAGES[stage]]
    counts = "pipeline.formats.class_counts" in closure(*roots)
    writes_scores = stage in ("score", "select_views", "fuse", "idt_classify")
    assert ("pipeline.formats.class_counts" in reachable(*roots)) == (counts and not writes_scores)
