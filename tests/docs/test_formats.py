"""docs/formats: what the pages say of every file, compared with files that the stages make, both ways."""

import contextlib
import csv
import io
import json
import re
from fnmatch import fnmatch
from typing import NamedTuple

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors import safe_open

from tests.helpers import everyfile
from tests.helpers.workflow import ROOT

FORMATS = sorted((ROOT / "docs" / "formats").glob("*.md"))
KINDS = ("dataset", "attribute", "column", "metadata", "tensor", "key")
# What stands for a name in a documented path, as a pattern of fnmatch.
PLACES = {"<dataset>": "demo", "<run>": "*", "<name>": "*", "NNNN": "[0-9]" * 4, "N": "[0-9]", "S": "[0-9]"}
PLAIN = {str: "str", bool: "bool", int: "int", float: "float", list: "list", dict: "mapping", type(None): "null"}


class Entry(NamedTuple):
    """One row of a page's table."""

    kind: str
    name: str
    types: list[str]
    always: bool


class Section(NamedTuple):
    """What one heading documents: patterns of paths, their entries, and the example."""

    page: str
    paths: list[str]
    entries: list[Entry]
    example: str


def sections():
    for page in FORMATS:
        for text in re.split(r"^## ", page.read_text("utf-8"), flags=re.M)[1:]:
            heading, _, body = text.partition("\n")
            paths = [pattern(path) for path in re.findall(r"`([^`]+)`", heading)]
            example = re.search(r"```python\n(.*?)```", body, re.S)
            if paths:
                yield Section(page.name, paths, list(entries(body)), example[1] if example else "")


def pattern(path):
    return re.sub("|".join(PLACES), lambda place: PLACES[place[0]], path).replace("**", "*")


def entries(body):
    kind = ""
    for line in body.splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split(" | ")] if line.startswith("|") else []
        if not cells:
            kind = ""
        elif not kind:
            kind = cells[0] if cells[0] in KINDS else "another table"
        elif kind in KINDS and not cells[0].startswith("---"):
            types = cells[1].removesuffix(", not always")
            yield Entry(kind, cells[0], re.split(r",? or ", types.replace("`", "")), types == cells[1])


SECTIONS = list(sections())
OF_FILES = [section for section in SECTIONS if "/" in section.paths[0]]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with one file of every kind."""
    folder = tmp_path_factory.mktemp("formats")
    with pytest.MonkeyPatch.context() as patch:
        everyfile.make(folder, patch)
    benchmark = folder / "results/benchmarks/index/demo.tsv"
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text("\t".join(snakemakes_columns()) + "\n1.0\t0:00:01" + "\t1.0" * 8 + "\n")
    (folder / "logs").mkdir()
    (folder / "logs" / "index.log").write_text("demo: 8 of 9 listed videos\n")
    return folder


def snakemakes_columns():
    from snakemake.benchmark import BenchmarkRecord

    return BenchmarkRecord.get_header()


def found(path):
    """(kind, name) -> type, of what a file holds; None for a file that has no names."""
    readers = {
        ".h5": of_hdf5, ".parquet": of_parquet, ".safetensors": of_safetensors, ".json": of_json, ".pt": of_torch,
        ".tsv": of_text, ".csv": of_text,
    }  # fmt: skip
    return readers[path.suffix](path) if path.suffix in readers else None


def of_facts(facts, kind):
    return {(kind, name): PLAIN[type(value)] for name, value in facts.items()}


def of_hdf5(path):
    names = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            dtype = "str" if h5py.check_string_dtype(item.dtype) else str(item.dtype)
            names["dataset", re.sub(r"^split\d+\.seed\d+$", "splitN.seedS", name)] = (dtype, item.shape)

    with h5py.File(path) as file:
        file.visititems(visit)
        facts = {name: value.item() if isinstance(value, np.generic) else value for name, value in file.attrs.items()}
    return names | of_facts(facts, "attribute")


def of_parquet(path):
    schema = pq.read_schema(path)
    types = {
        ("column", field.name): re.sub(r"^fixed_size_list<.*: (\w+)>\[\d+\]$", r"\1[K]", str(field.type))
        for field in schema
    }
    return types | of_facts(json.loads(schema.metadata[b"actionbench"]), "metadata")


def of_safetensors(path):
    with safe_open(path, "np") as file:
        slices = {name: file.get_slice(name) for name in list(file.keys())}
        tensors = {("tensor", name): (part.get_dtype(), part.get_shape()) for name, part in slices.items()}
        return tensors | of_facts(json.loads(file.metadata()["actionbench"]), "metadata")


def of_json(path):
    return of_facts(json.loads(path.read_text("utf-8")), "key")


def of_torch(path):
    state = torch.load(path, weights_only=True)
    return {("key", name): PLAIN[dict if isinstance(value, dict) else type(value)] for name, value in state.items()}


def of_text(path):
    """A column's type: the narrowest that all its cells have."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
        assert rows, f"{path} has no rows to judge by"
    return {("column", name): [row[name] for row in rows] for name in rows[0]}


def fits(types, seen):
    """Whether what a file holds is one of the documented types."""
    if isinstance(seen, list):
        return all(any(fits_text(kind, cell) for kind in types) for cell in seen)
    if isinstance(seen, tuple):
        return any(fits_array(kind, *seen) for kind in types)
    return seen in types


def fits_text(kind, cell):
    patterns = {"int": r"-?\d+", "number": r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", "text": r".+", "empty": "", "NA": "NA"}
    return re.fullmatch(patterns[kind], cell) is not None


def fits_array(kind, dtype, shape):
    """`float16 (tracks, 426)`: the dtype, and a number or a name for each axis; a dtype alone fits any shape."""
    wanted, _, axes = kind.partition(" ")
    sizes = [axis for axis in axes.strip("()").split(",") if axis.strip()]
    alike = not axes or len(sizes) == len(shape)
    numbers = all(not size.strip().isdigit() or int(size) == n for size, n in zip(sizes, shape, strict=False))
    return alike and numbers and wanted in (dtype, {"F32": "float32", "I64": "int64"}.get(dtype))


def files(folder, section):
    every = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return [folder / path for path in every if any(fnmatch(path, wanted) for wanted in section.paths)]


@pytest.mark.parametrize("section", OF_FILES, ids=lambda section: section.paths[0])
def test_a_file_holds_what_its_page_says_and_nothing_else(made, section):
    contents = [found(path) for path in files(made, section)]
    assert contents, f"{section.page} documents {section.paths}, of which no stage makes one"
    if not section.entries:
        assert all(path.suffix not in (".h5", ".parquet", ".safetensors") for path in files(made, section))
        return
    for content in contents:
        documented = {(e.kind, e.name): e for e in section.entries}
        state_dict = ("tensor", "*") in documented
        unknown = [name for name in content if name not in documented and not (state_dict and name[0] == "tensor")]
        absent = [name for name, e in documented.items() if e.always and e.name != "*" and name not in content]
        assert (unknown, absent) == ([], []), "undocumented names, and documented ones that are not there"
        of = {name: documented.get(name, documented.get(("tensor", "*"))) for name in content}
        wrong = {name: (seen, of[name].types) for name, seen in content.items() if not fits(of[name].types, seen)}
        assert wrong == {}


@pytest.mark.parametrize("section", OF_FILES, ids=lambda section: section.paths[0])
def test_what_is_not_always_there_is_in_some_files_and_not_in_others(made, section):
    contents = [set(found(path) or ()) for path in files(made, section)]
    for entry in section.entries:
        if (
            not entry.always and entry.name != "release"
        ):  # made by `pipeline.weights release`, tests/weights/test_release.py
            there = [(entry.kind, entry.name) in content for content in contents]
            assert any(there), f"{entry.name} is in no file"


def test_every_path_is_made_by_a_stage(made):
    every = [path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()]
    for section in OF_FILES:
        for wanted in section.paths:
            assert any(fnmatch(path, wanted) for path in every), wanted


def test_no_file_of_a_stage_is_without_a_page(made):
    every = [path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()]
    paths = [wanted for section in OF_FILES for wanted in section.paths]
    ours = [path for path in every if path.startswith(("data/", "results/", "logs/"))]
    assert [path for path in ours if not any(fnmatch(path, wanted) for wanted in paths)] == []


def test_what_a_job_ran_in_has_the_documented_keys(made):
    page = next(section for section in SECTIONS if section.paths == ["environment"])
    with safe_open(next(made.rglob("weights.safetensors")), "np") as file:
        facts = json.loads(file.metadata()["actionbench"])["environment"]
    assert list(facts) == [entry.name for entry in page.entries] or set(facts) == {e.name for e in page.entries}
    assert all(fits(entry.types, PLAIN[type(facts[entry.name])]) for entry in page.entries)


@pytest.mark.parametrize("section", [s for s in SECTIONS if s.example], ids=lambda section: section.paths[0])
def test_an_example_reads_its_file_in_five_lines_without_our_code(made, monkeypatch, section):
    monkeypatch.chdir(made)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(section.example, section.page, "exec"), {})  # noqa: S102
    assert printed.getvalue().strip()
    assert len(list(filter(None, section.example.splitlines()))) <= 5
    assert "pipeline" not in section.example


def test_every_file_with_names_has_an_example():
    named = [section for section in OF_FILES if section.entries]
    assert [section.paths[0] for section in named if not section.example] == [
        "data/demo/shards/flow/[0-9][0-9][0-9][0-9].h5"
    ]
