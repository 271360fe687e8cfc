"""The experiments of experiments/*.yaml: recipes, fusions and table rows, a preset's differences applied."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.errors import UserError
from pipeline.common.paths import EXPERIMENTS
from pipeline.config.fields import defaults, object_schema, required, setting
from pipeline.config.fusion_methods import FUSION_INPUTS, FUSION_METHODS
from pipeline.config.recipe import RENAMED, Recipe, from_mapping
from pipeline.config.settings import check_schema, load_yaml, merge, read_schema


@dataclass(frozen=True, kw_only=True)
class Fusion:
    """Scores of several runs, combined into one."""

    scores: list[str] = setting(
        "runs or fusions of this experiment, or `experiment.run` of another",
        {"type": "array", "minItems": 1, "items": {"type": "string"}},
    )
    method: str = setting(
        f"one of {', '.join(FUSION_METHODS)}; `pipeline.fuse --help` says what each does",
        {"enum": list(FUSION_METHODS)},
    )
    input: str = setting("what is combined: `logits`, `probabilities` or `l2`-normalised scores",
                         {"enum": list(FUSION_INPUTS)})  # fmt: skip
    weights: list[float] = setting(
        "of the method weighted, one a score", {"type": "array", "items": {"type": "number"}}, []
    )


class Experiment(NamedTuple):
    """One paper's file under one preset: recipes by run, fusions by name, the rows of its results tables."""

    name: str
    paper: str
    runs: dict[str, Recipe]
    fusions: dict[str, Fusion]
    rows: list[dict[str, Any]]
    systems: tuple[str, ...] = ()  # what rules of their own score, without a recipe

    def run(self, name: str) -> Recipe:
        """One run's recipe, or a UserError with the runs there are."""
        if name not in self.runs:
            raise UserError(f"experiment {self.name} has no run {name!r}: choose one of {', '.join(self.runs)}")
        return self.runs[name]


def load(path: Path | str, preset: str) -> Experiment:
    """Read an experiment; a key that is missing, misspelt or of an earlier version is a UserError."""
    document = read_document(path)
    if preset not in document["presets"]:
        raise UserError(f"{path} has no preset {preset!r}: choose one of {', '.join(document['presets'])}")
    runs = {name: _recipe(document, name, preset, path) for name in document.get("runs", {})}
    fusions = {name: Fusion(**values) for name, values in document.get("fusions", {}).items()}
    systems = tuple(document.get("systems", ()))
    _check_names(path, runs, fusions, document["rows"], systems)
    return Experiment(Path(path).stem, document["paper"], runs, fusions, document["rows"], systems)


def read_document(path: Path | str) -> dict[str, Any]:
    """An experiment's file as it is written, checked against its schema."""
    document = load_yaml(path)
    check_schema(document, experiment_schema(), str(path))
    return document


def experiment_schema() -> dict[str, Any]:
    """The JSON schema of a file in experiments/: keys of recipes and fusions are those of their dataclasses."""
    schema = read_schema("experiment")
    schema["$defs"]["recipe"] = object_schema(Recipe, RENAMED)
    schema["$defs"]["fusion"] = object_schema(Fusion, {"of": "input"}, tuple(required(Fusion)))
    return schema


def experiment_file(name: str) -> Path:
    """The file of an experiment, by its name in experiments/ or by its own path."""
    return Path(name) if name.endswith((".yaml", ".yml")) else EXPERIMENTS / f"{name}.yaml"


def presets(path: Path | str) -> frozenset[str]:
    """The presets of an experiment's file."""
    return frozenset(load_yaml(path)["presets"])


def _recipe(document: dict[str, Any], run: str, preset: str, path: Path | str) -> Recipe:
    """Defaults, then `common`, then the run, then the same two of the preset, each over the one before."""
    difference = document["presets"][preset]
    layers = (document.get("common", {}), document["runs"][run], difference.get("common", {}), difference.get(run, {}))
    values = defaults(Recipe)
    for layer in layers:
        init = {
            **values["init"],
            **layer.get("init", {}),
        }  # a source replaces another one whole
        stack = {key: layer[key] for key in ("stack",) if key in layer}  # its order and its inputs are the net's
        values = {**merge(values, layer), **stack, "init": {part: source for part, source in init.items() if source}}
    return from_mapping(values, f"{path}: run {run}")


def _check_names(
    path: Path | str, runs: dict[str, Recipe], fusions: dict[str, Fusion], rows: list[dict[str, Any]],
    systems: tuple[str, ...],
) -> None:  # fmt: skip
    if both := sorted(set(runs) & set(fusions) | set(systems) & {*runs, *fusions}):
        raise UserError(f"{path}: {both[0]} is both a run and a fusion: rename one of them")
    names = {*runs, *fusions, *systems}
    for name, fusion in fusions.items():
        _check_known(f"{path}: fusion {name}", fusion.scores, names - {name})
        if fusion.weights and len(fusion.weights) != len(fusion.scores):
            raise UserError(
                f"{path}: fusion {name} has {len(fusion.weights)} weights for {len(fusion.scores)} scores: match them"
            )
    for name, recipe in runs.items():
        sources = (source.get("run", source.get("kmeans")) for source in recipe.init.values())
        _check_known(f"{path}: run {name}", [source for source in sources if source], set(runs))
    for row in rows:
        if row.get("run") not in {None, *names}:
            raise UserError(f"{path}: row {row['method']!r} points at {row['run']!r}, which is no run or fusion")


def _check_known(user: str, used: list[str], names: set[str]) -> None:
    """Names without a dot are this experiment's own; `idt.idt` is another's."""
    if unknown := [name for name in used if "." not in name and name not in names]:
        raise UserError(f"{user} uses {unknown[0]}, which is not a run: runs are {', '.join(sorted(names))}")
