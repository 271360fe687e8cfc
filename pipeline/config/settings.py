"""config.yaml: checked before anything runs, every mistake one sentence with the key, the value and the way out."""

import copy
import difflib
import functools
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from pipeline.common.errors import UserError
from pipeline.config.fusion_methods import FUSION_METHODS

Settings = dict[str, Any]

DATASET_DEFAULTS: Settings = {
    "layout": "folder",
    "folder": None,
    "lists": None,
    "archives": None,
    "split_file": None,
    "label_map": None,
    "test_share": 0.3,
    "splits": [1],
    "slices": 4,
    "preset": "paper",
    "groups": {},
    "partner": None,
    "pretraining": None,
    "auxiliary": False,
}
CHOICES = {"fusion_method": list(FUSION_METHODS)}  # $defs of the schemas whose enum is filled from a table
SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times as fast
_known: dict[str, tuple[Any, Any, Settings]] = {}  # data set -> its part of a config, the stages' parts, its settings
STAGES_PER_DATASET = ("frames", "flow", "shard", "experiments", "tables", "idt")


def of_dataset(config: Mapping[str, Any], name: str) -> Settings:
    """One data set's settings: its own over the defaults, and the stages' sections with its own differences.

    Not to be changed by who asks: a plan asks tens of thousands of times, and is told the same as long as it holds.
    """
    if name not in config["datasets"]:
        raise UserError(
            f"data set {name} is not in config.yaml, which has {', '.join(config['datasets'])}: add it there"
        )
    own = config["datasets"][name]
    parts = {stage: config[stage] for stage in STAGES_PER_DATASET}
    if name not in _known or _known[name][:2] != (own, parts):
        of_stages = {stage: merge(part, own.get(stage, part)) for stage, part in parts.items()}
        _known[name] = (*copy.deepcopy((own, parts)), {**merge(DATASET_DEFAULTS, own), **of_stages})
    return _known[name][2]


def merge(base: Any, difference: Any) -> Any:
    """`difference` over `base`: mappings are merged key by key, anything else is replaced."""
    if not (isinstance(base, Mapping) and isinstance(difference, Mapping)):
        return copy.deepcopy(difference)
    merged = {key: copy.deepcopy(value) for key, value in base.items()}
    for key, value in difference.items():
        merged[key] = merge(merged[key], value) if key in merged else copy.deepcopy(value)
    return merged


def check_schema(document: Any, schema: str, source: str) -> None:
    """Check `document` against pipeline/config/schemas/<schema>.yaml; `source` is the file's name in the error."""
    errors = sorted(_validator(schema).iter_errors(document), key=lambda error: [str(part) for part in error.path])
    if errors:
        raise UserError(f"{source}: {_sentence(errors[0])}")


@functools.cache
def _validator(schema: str) -> Any:
    text = resources.files("pipeline.config.schemas").joinpath(f"{schema}.yaml").read_text("utf-8")
    document = yaml.load(text, SAFE_LOADER)  # noqa: S506
    for name, values in CHOICES.items():
        if name in document.get("$defs", {}):
            document["$defs"][name]["enum"] = values
    return jsonschema.Draft202012Validator(document)


def load_yaml(path: Path | str) -> Any:
    """A YAML file as plain data; what is not YAML is the user's error, with the line."""
    try:
        return yaml.load(Path(path).read_text("utf-8"), SAFE_LOADER)  # noqa: S506
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from error


def _sentence(error: Any) -> str:
    key = ".".join(str(part) for part in error.path)
    if error.validator == "additionalProperties":
        return _unknown_key(key, error)
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"{_dotted(key, missing)} is missing: add it"
    return f"{key or 'the file'} is {_show(error.instance)} but must be {_wanted(error)}: change it"


def _unknown_key(key: str, error: Any) -> str:
    known = sorted(error.schema.get("properties", {}))
    unknown = next(name for name in error.instance if name not in known)
    close = difflib.get_close_matches(str(unknown), known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known keys here are {', '.join(known)}"
    return f"the key {_dotted(key, unknown)} (value {_show(error.instance[unknown])}) is not known: {hint}"


def _wanted(error: Any) -> str:
    if "description" in error.schema:
        return error.schema["description"]
    value = error.validator_value
    words = {
        "type": f"of type {value}",
        "enum": f"one of {', '.join(map(str, value))}" if error.validator == "enum" else "",
        "minimum": f"at least {value}",
        "maximum": f"at most {value}",
        "exclusiveMinimum": f"above {value}",
        "minItems": f"a list of at least {value}",
        "minProperties": f"a mapping with at least {value} entry",
        "uniqueItems": "a list without repetitions",
        "pattern": f"a name of the form {value}",
    }
    return words.get(str(error.validator), error.message)


def _dotted(key: str, name: object) -> str:
    return f"{key}.{name}" if key else str(name)


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
