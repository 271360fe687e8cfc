"""The recipes in experiments/*.yaml: what a run trains on what, a preset's differences applied."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.errors import UserError
from pipeline.common.paths import EXPERIMENTS
from pipeline.config.settings import check_schema, load_yaml, merge

Recipe = dict[str, Any]

REQUIRED = ("net", "stack", "short_side", "crop", "batch", "rate", "steps", "protocol")
# What a recipe has unless it says otherwise; experiments/README.md tells what each key means.
DEFAULTS: Recipe = {
    "options": {},
    # the clip: pipeline.inputs.clip_sampling
    "frames": None, "stride": 1, "spread": False, "past_end": "hold", "flow_stack": "places", "distance": 9,
    "mean_subtraction": False, "bound": None,
    # the crop: pipeline.inputs.crops
    "place": "random", "scales": [1.0], "side_jitter": 0.0, "flip": True, "rgb_jitter": 0.0,
    # the training: pipeline.train.trainer
    "sampling": "epoch", "partner": None, "init": {}, "trains": "all", "freeze_bn": False, "loss": "sum",
    "micro_batch": None, "bn_batch": None, "optimiser": "sgd", "momentum": 0.9, "epsilon": 1e-8, "weight_decay": 0.0,
    "clip_gradient": None, "drops": [], "factor": 0.1, "warmup": 0, "plateau": None, "precision": "fp32",
    # the test
    "train_protocol": "25 frames x centre", "average": "probabilities",
    "threads": 8, "deviations": "", "cost": "",
}  # fmt: skip
PROSE = ("deviations", "cost", "threads")  # keys whose change trains nothing anew
TESTED = ("protocol", "train_protocol", "average")  # keys that scoring reads and training does not


class Experiment(NamedTuple):
    """One paper's file under one preset: recipes by run, fusions by name, the table's rows."""

    name: str
    paper: str
    runs: dict[str, Recipe]
    fusions: dict[str, dict[str, Any]]
    rows: list[dict[str, Any]]
    systems: tuple[str, ...] = ()  # what rules of their own score, without a recipe

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
    runs = {name: _recipe(document, name, preset, path) for name in document.get("runs", {})}
    fusions, systems = document.get("fusions", {}), tuple(document.get("systems", ()))
    _check_names(path, runs, fusions, document["rows"], systems)
    return Experiment(Path(path).stem, document["paper"], runs, fusions, document["rows"], systems)


def experiment_file(name: str) -> Path:
    """The file of an experiment, by its name in experiments/ or by its own path."""
    return Path(name) if name.endswith((".yaml", ".yml")) else EXPERIMENTS / f"{name}.yaml"


def presets(path: Path | str) -> frozenset[str]:
    """The presets of an experiment's file."""
    return frozenset(load_yaml(path)["presets"])


def recipe_hash(recipe: Recipe) -> str:
    """Twelve hex digits over what decides the weights; prose, threads and the test do not."""
    decisive = {key: value for key, value in recipe.items() if key not in (*PROSE, *TESTED)}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:12]


def _recipe(document: dict[str, Any], run: str, preset: str, path: Path | str) -> Recipe:
    difference = document["presets"][preset]
    layers = (document.get("common", {}), document["runs"][run], difference.get("common", {}), difference.get(run, {}))
    recipe: Recipe = merge({}, DEFAULTS)
    for layer in layers:
        parts = {**recipe["init"], **layer.get("init", {})}  # a source replaces another one whole
        whole = {key: layer[key] for key in ("stack",) if key in layer}  # its order and its inputs are the net's
        recipe = {**merge(recipe, layer), **whole, "init": {part: source for part, source in parts.items() if source}}
    if missing := [key for key in REQUIRED if key not in recipe]:
        raise UserError(f"{path}: run {run} has no {missing[0]}: add it to the run or to common")
    return recipe


def _check_names(
    path: Path | str, runs: dict[str, Recipe], fusions: dict[str, Any], rows: list[dict[str, Any]],
    systems: tuple[str, ...],
) -> None:  # fmt: skip
    if both := sorted(set(runs) & set(fusions) | set(systems) & {*runs, *fusions}):
        raise UserError(f"{path}: {both[0]} is both a run and a fusion: rename one of them")
    known = {*runs, *fusions, *systems}
    for name, fusion in fusions.items():
        _check_known(f"{path}: fusion {name}", fusion["scores"], known - {name})
        if len(fusion.get("weights", fusion["scores"])) != len(fusion["scores"]):
            given = len(fusion["weights"])
            raise UserError(f"{path}: fusion {name} has {given} weights for {len(fusion['scores'])} scores: match them")
    for name, recipe in runs.items():
        sources = (source.get("run", source.get("kmeans")) for source in recipe["init"].values())
        _check_known(f"{path}: run {name}", [source for source in sources if source], set(runs))
    for row in rows:
        if row.get("run") not in {None, *known}:
            raise UserError(f"{path}: row {row['method']!r} points at {row['run']!r}, which is no run or fusion")


def _check_known(what: str, used: list[str], known: set[str]) -> None:
    """Names without a dot are this experiment's own; `idt.idt` is another's."""
    if unknown := [name for name in used if "." not in name and name not in known]:
        raise UserError(f"{what} uses {unknown[0]}, which is not a run: runs are {', '.join(sorted(known))}")
