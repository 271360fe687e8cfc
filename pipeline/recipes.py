"""The recipes in experiments/*.yaml: what a run trains on what, a preset's differences applied."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.config import check_schema, load_yaml, merge
from pipeline.errors import UserError

Recipe = dict[str, Any]

REQUIRED = (
    "net", "options", "modality", "length", "crop", "mean_subtraction", "rgb_jitter", "sampling", "batch", "rate",
    "drops", "steps", "momentum", "weight_decay", "protocol", "train_protocol", "average", "threads",
)  # fmt: skip
PROSE = ("deviations", "cost", "threads")  # keys whose change trains nothing anew


class Experiment(NamedTuple):
    """One paper's file under one preset: recipes by run, fusions by name, the table's rows."""

    name: str
    paper: str
    runs: dict[str, Recipe]
    fusions: dict[str, dict[str, Any]]
    rows: list[dict[str, Any]]

    def run(self, name: str) -> Recipe:
        """One run's recipe, or a UserError with the runs there are."""
        if name not in self.runs:
            raise UserError(f"experiment {self.name} has no run {name!r}: choose one of {', '.join(self.runs)}")
        return self.runs[name]


def load(path: Path | str, preset: str) -> Experiment:
    """Read an experiment; whatever it lacks or misspells is a UserError with the key."""
    document = load_yaml(path)
    check_schema(document, "experiment", str(path))
    if preset not in document["presets"]:
        raise UserError(f"{path} has no preset {preset!r}: choose one of {', '.join(document['presets'])}")
    runs = {name: _recipe(document, name, preset, path) for name in document["runs"]}
    fusions = document.get("fusions", {})
    _check_names(path, runs, fusions, document["rows"])
    return Experiment(Path(path).stem, document["paper"], runs, fusions, document["rows"])


def recipe_hash(recipe: Recipe) -> str:
    """Twelve hex digits over what decides the weights; prose and threads do not."""
    decisive = {key: value for key, value in recipe.items() if key not in PROSE}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:12]


def _recipe(document: dict[str, Any], run: str, preset: str, path: Path | str) -> Recipe:
    difference = document["presets"][preset]
    layers = (document.get("common", {}), document["runs"][run], difference.get("common", {}), difference.get(run, {}))
    recipe: Recipe = {"options": {}}
    for layer in layers:
        recipe = merge(recipe, layer)
    if missing := [key for key in REQUIRED if key not in recipe]:
        raise UserError(f"{path}: run {run} has no {missing[0]}: add it to the run or to common")
    return recipe


def _check_names(
    path: Path | str, runs: dict[str, Recipe], fusions: dict[str, Any], rows: list[dict[str, str]]
) -> None:
    if both := sorted(set(runs) & set(fusions)):
        raise UserError(f"{path}: {both[0]} is both a run and a fusion: rename one of them")
    for name, fusion in fusions.items():
        if unknown := [run for run in fusion["scores"] if run not in runs]:
            raise UserError(f"{path}: fusion {name} uses {unknown[0]}, which is not a run: runs are {', '.join(runs)}")
        if len(fusion.get("weights", fusion["scores"])) != len(fusion["scores"]):
            given = len(fusion["weights"])
            raise UserError(f"{path}: fusion {name} has {given} weights for {len(fusion['scores'])} scores: match them")
    for row in rows:
        if row.get("run") not in {None, *runs, *fusions}:
            raise UserError(f"{path}: row {row['method']!r} points at {row['run']!r}, which is no run or fusion")
