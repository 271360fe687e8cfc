"""config.yaml: its keys with their meanings, the settings of one data set, and every mistake as one sentence."""

import copy
import difflib
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from pipeline.common.errors import UserError
from pipeline.config.fields import BOOLEAN, COUNT, NOT_NEGATIVE, POSITIVE, Schema, object_schema, setting

Config = Mapping[str, Any]  # config.yaml as a mapping, checked by config_schema

SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times as fast

PATH = {"type": "string", "minLength": 1}
QUALITY = {"type": "integer", "minimum": 1, "maximum": 100}
SIDE = {"type": "integer", "minimum": 16, "maximum": 4096}
NAMES = {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"type": "string"}}
OTHER_DATASET = {"type": ["string", "null"], "minLength": 1, "description": "the name of another data set"}


def _path(what: str) -> Schema:
    return {**PATH, "description": what}


@dataclass(frozen=True, kw_only=True)
class FramesSettings:
    """`frames`: how videos are decoded."""

    size: int | list[int] = setting(
        "`[width, height]` of stored frames in pixels, or one number: the short side, the aspect ratio kept",
        {
            "description": "[width, height], or one number for the short side",
            "oneOf": [SIDE, {"type": "array", "minItems": 2, "maxItems": 2, "items": SIDE}],
        },
        [340, 256],
    )
    quality: int = setting("JPEG quality of stored frames (4:2:0)", QUALITY, 90)
    fps: str | float = setting(
        "`native`, or frames a second to resample to by time stamps, such as 25 (I3D)",
        {
            "description": "native, or frames a second",
            "oneOf": [{"const": "native"}, {**POSITIVE, "exclusiveMaximum": 1000}],
        },
        "native",
    )
    decoder: str = setting(
        "`pyav`, or `ffmpeg`: the same frames through an ffmpeg process, slower", {"enum": ["pyav", "ffmpeg"]}, "pyav"
    )
    repair: bool = setting("`true` keeps what ffmpeg can save of a bad video, and a row says so", BOOLEAN, False)
    max_missing: int = setting(
        "frames that the header may promise beyond those that decode; a video that lacks more is bad",
        {"type": "integer", "minimum": 0},
        2,
    )
    max_bad_share: float = setting(
        "a slice with a larger share of bad videos fails; its quarantine file names them",
        {"type": "number", "minimum": 0, "maximum": 1},
        0.2,
    )


@dataclass(frozen=True, kw_only=True)
class FlowSettings:
    """`flow`: TV-L1 between consecutive stored frames."""

    preset: str = setting(
        "parameters of the algorithm: `opencv`, `opencv-cuda` or `ipol`", {"type": "string"}, "opencv"
    )
    parameters: dict[str, Any] = setting(
        "those that differ from the preset's; `pipeline/flow/tvl1/parameters.py` has all", {"type": "object"}, {}
    )
    backend: str = setting("what computes it: `auto`, `cuda`, `cpu`, `scalar` or `opencv`", {"type": "string"}, "auto")
    bound: float = setting("pixels; larger displacements are clipped, then stored in 8 bits", POSITIVE, 20)
    quality: int = setting("JPEG quality of stored flow", QUALITY, 90)


@dataclass(frozen=True, kw_only=True)
class ShardSettings:
    """`shard`: how slices are packed for training."""

    mib: int = setting("MiB; a shard is closed at the first video past this size", COUNT, 1024)


@dataclass(frozen=True, kw_only=True)
class IdtSettings:
    """`idt`: improved dense trajectories; `null` is the authors' value, in `pipeline/idt/parameters.py`."""

    patch: int = setting(
        "pixels; side of the volume that a track is described in",
        {"type": "integer", "minimum": 2, "multipleOf": 2, "description": "an even number of pixels"},
        32,
    )
    grid: int = setting("pixels between sampled points", COUNT, 5)
    scales: int = setting("spatial scales at most, each 1 / sqrt 2 of the one before", COUNT, 8)
    quality: float | None = setting("share of the best corner's eigenvalue that a sampled point must have",
                                    NOT_NEGATIVE, None)  # fmt: skip
    features: str = setting(
        "what finds the camera's motion besides flow: `akaze`, `sift`, `orb` or `none`",
        {"enum": ["akaze", "sift", "orb", "none"]},
        "akaze",
    )
    flow: str = setting("`farneback` or `tvl1`", {"enum": ["farneback", "tvl1"]}, "farneback")
    still: float | None = setting("pixels; a track that moves less is left out", NOT_NEGATIVE, None)
    erratic: float | None = setting("pixels; a track that spreads wider is left out", POSITIVE, None)
    jump: float | None = setting(
        "pixels; a track with a larger displacement between frames is left out", POSITIVE, None
    )
    camera: float | None = setting("pixels; a track that moves less against the camera is left out",
                                   {"type": "number"}, None)  # fmt: skip
    window: int = setting(
        "frames of each video from which tracks are drawn for the vocabulary",
        {"type": "integer", "minimum": 16, "description": "a number of frames that is at least 16, a track's"},
        45,
    )
    sample: int = setting("tracks drawn of each video", COUNT, 96)
    vocabulary: int = setting("tracks that a vocabulary is fitted to, at most", COUNT, 256000)
    clusters: int = setting("Gaussians of each kind of descriptor", COUNT, 256)
    c: float = setting("the SVM's C", POSITIVE, 100)


@dataclass(frozen=True, kw_only=True)
class TableSettings:
    """`tables`: which rows are computed and shown."""

    rows: str | list[str] = setting(
        "`all`, or patterns over experiment.run, such as `[two_stream.*]`",
        {
            "description": "all, or a list of patterns over experiment.run, such as [two_stream.*]",
            "oneOf": [{"const": "all"}, {**NAMES, "items": {"type": "string", "minLength": 1}}],
        },
        "all",
    )
    seeds: list[int] = setting(
        "of initial weights and sampling; of several the tables show mean and standard deviation",
        {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"type": "integer", "minimum": 0}},
        [0],
    )
    released: bool = setting("`true`: released weights may stand in for a training on Kinetics", BOOLEAN, False)


SECTIONS: dict[str, type] = {
    "frames": FramesSettings, "flow": FlowSettings, "shard": ShardSettings, "idt": IdtSettings,
    "tables": TableSettings,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DatasetSettings:
    """One entry of `datasets`; the sections of the stages hold what differs for it from config.yaml's own."""

    layout: str = setting(
        "how its lists are read: `ucf101`, `hmdb51`, `kinetics`, or `folder` for class folders",
        {"enum": ["ucf101", "hmdb51", "kinetics", "folder"]},
        "folder",
    )
    folder: str | None = setting(
        "a folder of class folders with videos", _path("a folder of class folders with videos"), None
    )
    lists: str | None = setting(
        "a folder with the official split lists", _path("a folder with the official split lists"), None
    )
    archives: str | None = setting("a folder with the data set's archives: nothing is downloaded",
                                   _path("a folder with the data set's archives"), None)  # fmt: skip
    split_file: str | None = setting(
        "your own splits: a table with the columns video, split, role (train or test), by tabs, commas or semicolons",
        _path("a table with the columns video, split, role"),
        None,
    )
    label_map: str | None = setting(
        "a file with one class name a line, in label order, such as that of released weights",
        _path("a file with one class name a line, in label order"),
        None,
    )
    test_share: float = setting(
        "share of each class that tests, where splits are drawn",
        {**POSITIVE, "exclusiveMaximum": 1, "description": "a share between 0 and 1"},
        0.3,
    )
    splits: list[int] = setting("the splits to train and test on",
                                {"type": "array", "minItems": 1, "uniqueItems": True, "items": COUNT}, [1])  # fmt: skip
    slices: int = setting("jobs a stage; aim for five minutes or more each", {**COUNT, "maximum": 1000}, 4)
    preset: str = setting(
        "which variant of the recipes in experiments/: `paper`, `quick` or `demo`", {"type": "string"}, "paper"
    )
    groups: dict[str, list[str]] = setting(
        "extra rows of the table: accuracy among these classes alone",
        {"type": "object", "additionalProperties": {"type": "array", "minItems": 1, "items": {"type": "string"}}},
        {},
    )
    partner: str | None = setting("the second data set of multi-task training", OTHER_DATASET, None)
    pretraining: str | None = setting("the data set on which nets learn before they are transferred to this one",
                                      OTHER_DATASET, None)  # fmt: skip
    auxiliary: bool = setting("`true`: no results table of its own, unless it is asked for by name", BOOLEAN, False)
    experiments: list[str] = setting("the papers' systems of this data set; else config.yaml's", NAMES, [])
    frames: FramesSettings = setting("what differs for this data set", object_schema(FramesSettings), FramesSettings())
    flow: FlowSettings = setting("what differs for this data set", object_schema(FlowSettings), FlowSettings())
    shard: ShardSettings = setting("what differs for this data set", object_schema(ShardSettings), ShardSettings())
    idt: IdtSettings = setting("what differs for this data set", object_schema(IdtSettings), IdtSettings())
    tables: TableSettings = setting("what differs for this data set", object_schema(TableSettings), TableSettings())


def config_schema() -> Schema:
    """The JSON schema of config.yaml."""
    datasets = {
        "type": "object", "minProperties": 1, "propertyNames": {"pattern": "^[A-Za-z0-9_]+$"},
        "additionalProperties": object_schema(DatasetSettings),
    }  # fmt: skip
    properties = {
        "datasets": datasets, "experiments": NAMES,
        **{name: object_schema(section) for name, section in SECTIONS.items()},
        "keep_slices": BOOLEAN, "seed": {"type": "integer", "minimum": 0},
    }  # fmt: skip
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": list(properties)}


_datasets: dict[str, tuple[Any, Any, DatasetSettings]] = {}  # name -> its own part of a config, the sections, settings


def of_dataset(config: Config, name: str) -> DatasetSettings:
    """One data set's settings: its own over the defaults, the stages' sections with its own differences.

    They are kept as long as `config` says the same of the data set: a plan reads them tens of thousands of times.
    """
    if name not in config["datasets"]:
        raise UserError(
            f"data set {name} is not in config.yaml, which has {', '.join(config['datasets'])}: add it there"
        )
    own = config["datasets"][name]
    shared = {key: config[key] for key in ("experiments", *SECTIONS)}
    if name not in _datasets or _datasets[name][:2] != (own, shared):
        sections = {key: section(**merge(shared[key], own.get(key, {}))) for key, section in SECTIONS.items()}
        values = {"experiments": shared["experiments"], **own, **sections}
        _datasets[name] = (*copy.deepcopy((own, shared)), DatasetSettings(**values))
    return _datasets[name][2]


def merge(base: Any, difference: Any) -> Any:
    """`difference` over `base`: mappings are merged key by key, anything else is replaced."""
    if not (isinstance(base, Mapping) and isinstance(difference, Mapping)):
        return copy.deepcopy(difference)
    merged = {key: copy.deepcopy(value) for key, value in base.items()}
    for key, value in difference.items():
        merged[key] = merge(merged[key], value) if key in merged else copy.deepcopy(value)
    return merged


def check_schema(document: Any, schema: Schema, source: str) -> None:
    """Raise UserError for the first thing in `document` that its schema forbids; `source` is the file's name."""
    validator = _validator(json.dumps(schema))
    errors = sorted(validator.iter_errors(document), key=lambda error: [str(part) for part in error.path])
    if errors:
        raise UserError(f"{source}: {_sentence(errors[0])}")


@functools.cache
def _validator(schema: str) -> Any:
    return jsonschema.Draft202012Validator(json.loads(schema))


def read_schema(name: str) -> Schema:
    """A schema file of pipeline/config/schemas."""
    text = resources.files("pipeline.config.schemas").joinpath(f"{name}.yaml").read_text("utf-8")
    return yaml.load(text, SAFE_LOADER)  # noqa: S506


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
    if new := error.schema.get("renamed", {}).get(unknown):
        return (
            f"the key {_dotted(key, unknown)} (value {_show(error.instance[unknown])}) is called {new} now: rename it"
        )
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
