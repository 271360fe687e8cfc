"""The rooms of the package: each stands above all that it imports, and no module stands outside a room."""

import re
from graphlib import TopologicalSorter
from xml.etree import ElementTree

import pytest

from tests.helpers.import_graph import MODULES, ROOT, imported

# From the ground up; docs/architecture.md draws them. A room imports rooms of lower floors alone.
FLOORS = (
    ("common",),
    ("formats", "demo", "fetch", "gpuslots"),
    ("config", "flow", "jobs"),
    ("index", "inputs"),
    ("frames", "shard", "models", "fuse", "idt", "provenance"),
    ("weights", "train", "score"),
    ("predict", "features"),  # to come
    ("tables",),
    ("workflow", "report"),
    ("plan", "why"),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room_of(name):
    return name.split(".")[1]


def test_no_module_stands_outside_a_room():
    assert {path.name for path in (ROOT / "pipeline").glob("*.py")} <= {"__init__.py", "__main__.py"}
    assert {room_of(name) for name in MODULES if name.count(".") > 0} - {"__main__"} <= set(FLOOR)


@pytest.mark.parametrize("room", [room for room in FLOOR if room not in ("predict", "features")])
def test_a_room_imports_lower_floors_alone(room):
    upwards = {
        f"{name} imports {other}"
        for name in MODULES
        if name.startswith(f"pipeline.{room}")
        for other in imported(name)
        if room_of(other) != room and FLOOR[room_of(other)] >= FLOOR[room]
    }
    assert upwards == set()


def test_no_modules_import_each_other_in_a_circle():
    graph = {name: imported(name) for name in MODULES}
    list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


def test_the_stages_rules_have_rooms_of_their_names():
    rules = {path.stem for path in (ROOT / "rules").glob("*.smk")} - {"common"}
    assert rules <= set(FLOOR)


def test_the_page_and_its_picture_show_every_room_and_no_other():
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| ([a-z, ]+) \|", page.partition("## The way")[0], re.M)
    assert {room for row in rows for room in row.split(", ")} - {"room"} == set(FLOOR)
    picture = ElementTree.parse(ROOT / "docs/pictures/rooms.svg").getroot()  # noqa: S314 (a file of this repository)
    texts = picture.findall("{http://www.w3.org/2000/svg}text")
    floors = {}
    for text in texts:
        floors.setdefault(float(text.get("y")), []).append(text.text.removesuffix(" (to come)"))
    assert [floors[y] for y in sorted(floors, reverse=True)] == [list(rooms) for rooms in FLOORS]
