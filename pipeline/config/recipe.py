"""A recipe: what one run trains on what, and how it is tested. Every key of it, with its default and meaning."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.common.errors import UserError
from pipeline.common.files import short_hash
from pipeline.config.fields import BOOLEAN, COUNT, NOT_NEGATIVE, POSITIVE, required, setting
from pipeline.formats.modalities import INPUTS

OPTIONAL_COUNT = {"type": ["integer", "null"], "minimum": 1}
TEXT = {"type": "string"}

# Keys of earlier versions -> what they are called now.
RENAMED = {
    "rate": "lr", "drops": "milestones", "factor": "gamma", "warmup": "warmup_steps", "spread": "uniform",
    "sampling": "sampler", "optimiser": "optimizer", "epsilon": "eps", "clip_gradient": "max_grad_norm",
    "past_end": "padding", "place": "crop_position", "scales": "crop_scales", "side_jitter": "crop_scale_jitter",
    "trains": "trainable", "loss": "loss_reduction", "bound": "flow_bound", "distance": "difference_distance",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One run of an experiment, a preset's differences applied; experiments/README.md shows these fields as a table."""

    net: str = setting("a network of `pipeline/models/nets.tsv`", TEXT)
    options: dict[str, Any] = setting(
        "its options; channels, crop, frames and classes are decided by the rest of the recipe", {"type": "object"}, {}
    )
    stack: dict[str, int] = setting(
        f"the network's inputs in its order ({', '.join(f'`{name}`' for name in INPUTS)}), and L of each: how many"
        " frames or flow fields are concatenated as channels at one time",
        {
            "type": "object", "minProperties": 1, "additionalProperties": False,
            "description": f"a mapping of {', '.join(INPUTS)} to how many pictures are concatenated as channels",
            "properties": dict.fromkeys(INPUTS, COUNT),
        },
        group="the clip",
    )  # fmt: skip
    frames: int | None = setting(
        "T, the times of a clip; `null` for a network without a time axis", OPTIONAL_COUNT, None
    )
    stride: int | list[int] = setting(
        "frames between two times, or `[fewest, most]`, drawn in training",
        {
            "description": "frames between two times, or [fewest, most]",
            "oneOf": [COUNT, {"type": "array", "minItems": 2, "maxItems": 2, "items": COUNT}],
        },
        1,
    )
    uniform: bool = setting("the times are spaced uniformly over the whole video instead", BOOLEAN, False)
    padding: str = setting(
        "what follows a video's last frame: `hold` repeats it, `loop` starts again, `reflect` runs backwards",
        {"enum": ["hold", "loop", "reflect"]},
        "hold",
    )
    flow_stack: str = setting(
        "how flow fields are stacked (2014, section 3.1): `simple` at the same pixels (eq. 1), along `trajectories`"
        " (eq. 2), `bidirectional`, or `bidirectional trajectories`",
        {"enum": ["simple", "trajectories", "bidirectional", "bidirectional trajectories"]},
        "simple",
    )
    difference_distance: int = setting("frames between the two frames of a `difference` (FstCN's d_t)", COUNT, 9)
    mean_subtraction: bool = setting("the mean vector of each flow field is subtracted from it", BOOLEAN, False)
    flow_bound: float | None = setting(
        "the flow's bound in pixels that the recipe insists on; `null` takes that of the shards",
        {"type": ["number", "null"], "exclusiveMinimum": 0},
        None,
    )
    short_side: int = setting("pixels of the pictures' short side before they are cropped", COUNT, group="the crop")
    crop: int = setting("side of the network's input in pixels", COUNT)
    crop_position: str = setting(
        "where training crops lie: `random`, `corners` (and centre), `grid` (3x3), `borders` (ST-ResNet), `centre`",
        {"enum": ["random", "corners", "grid", "borders", "centre"]},
        "random",
    )
    crop_scales: list[float] = setting(
        "a crop's height and width are `crop` times one of these, each drawn for itself, then resized to `crop`",
        {"type": "array", "minItems": 1, "items": POSITIVE},
        [1.0],
    )
    crop_scale_jitter: float = setting(
        "and times a factor drawn from 1 - j to 1 + j", {"type": "number", "minimum": 0, "exclusiveMaximum": 1}, 0.0
    )
    flip: bool = setting("mirrored left to right with probability 0.5", BOOLEAN, True)
    rgb_jitter: float = setting(
        "each channel of RGB is shifted by a normal draw of so many deviations", NOT_NEGATIVE, 0.0
    )
    sampler: str = setting(
        "`epoch` takes every video once an epoch, `balanced` draws a class, then one of its videos",
        {"enum": ["balanced", "epoch"]},
        "epoch",
        group="the training",
    )
    partner: str | None = setting(
        "a second data set to train on: `tasks` gives each data set a head, `classes` appends its classes to ours",
        {"enum": ["tasks", "classes", None]},
        None,
    )
    init: dict[str, Any] = setting(
        "first weights by part of the network, see below",
        {"type": "object", "additionalProperties": {"$ref": "#/$defs/source"}},
        {},
    )
    trainable: str | list[str] = setting(
        "`all` parameters, the `head`, or a list of prefixes of parameters' names",
        {
            "description": "all, head, or a list of prefixes of parameters' names",
            "oneOf": [{"enum": ["all", "head"]}, {"type": "array", "minItems": 1, "items": TEXT}],
        },
        "all",
    )
    freeze_bn: bool | str = setting(
        "batch normalisations whose moments are frozen: `true` for all of them, or `all but first`",
        {"enum": [True, False, "all but first"]},
        False,
    )
    loss_reduction: str = setting(
        "of a network with several logits: the `sum` or the `mean` of their losses", {"enum": ["sum", "mean"]}, "sum"
    )
    batch: int = setting("clips a step, over all processes", COUNT)
    micro_batch: int | None = setting(
        "clips of one forward pass; gradients are accumulated over a step", OPTIONAL_COUNT, None
    )
    bn_batch: int | None = setting("clips that batch normalisation sees at a time", OPTIONAL_COUNT, None)
    optimizer: str = setting("`sgd` with momentum, or `adam`", {"enum": ["sgd", "adam"]}, "sgd")
    momentum: float = setting("of SGD", NOT_NEGATIVE, 0.9)
    eps: float = setting("of Adam", POSITIVE, 1e-8)
    weight_decay: float = setting("of every trainable parameter", NOT_NEGATIVE, 0.0)
    max_grad_norm: float | None = setting(
        "the L2 norm that gradients are clipped to", {"type": ["number", "null"], "exclusiveMinimum": 0}, None
    )
    lr: float = setting("the learning rate", POSITIVE)
    milestones: list[int] = setting("steps at which the learning rate is multiplied by `gamma`",
                                    {"type": "array", "items": COUNT}, [])  # fmt: skip
    gamma: float = setting(
        "the factor of each drop of the learning rate", {"type": "number", "exclusiveMinimum": 0, "maximum": 1}, 0.1
    )
    plateau: dict[str, Any] | None = setting(
        "drops when the validation loss stops falling, instead of `milestones`: `{every: steps between two"
        " validations, patience: validations without improvement, hold_out: share of each class}`",
        {
            "type": ["object", "null"], "additionalProperties": False, "required": ["every", "patience", "hold_out"],
            "properties": {"every": COUNT, "patience": COUNT, "hold_out": {**POSITIVE, "exclusiveMaximum": 1}},
        },
        None,
    )  # fmt: skip
    warmup_steps: int = setting(
        "steps in which the learning rate rises linearly to `lr`", {"type": "integer", "minimum": 0}, 0
    )
    steps: int = setting("steps of the whole training", COUNT)
    precision: str = setting(
        "`fp32`, `bf16` or `fp16` on a GPU; a CPU computes in fp32", {"enum": ["fp32", "bf16", "fp16"]}, "fp32"
    )
    protocol: str = setting(
        "views of a test video, `WHAT x WHERE`: `25 frames x 10 crops`, `5 clips x 18 crops`, `whole video x centre`",
        TEXT,
        hashed=False,
        group="the test",
    )
    train_protocol: str = setting(
        "views of the training videos, which only a fitted fusion asks for", TEXT, "25 frames x centre", hashed=False
    )
    average: str = setting(
        "over views: `probabilities` or `logits`", {"enum": ["probabilities", "logits"]}, "probabilities", hashed=False
    )
    threads: int = setting("CPU threads of a job; all but one decode clips", COUNT, 8, hashed=False, group="the rest")
    deviations: str = setting("how the run differs from the paper, for the table's note", TEXT, "", hashed=False)
    cost: str = setting("what it costs, and on what machine; `not measured` is an answer", TEXT, "", hashed=False)

    def protocol_of(self, part: str) -> str:
        """The protocol of the `test` or the `train` videos."""
        return self.protocol if part == "test" else self.train_protocol


TEST_KEYS = ("protocol", "train_protocol", "average")  # what scoring reads and training does not


def from_mapping(values: Mapping[str, Any], source: str) -> Recipe:
    """The recipe of a mapping of keys; a missing key, or one of an earlier version, is a UserError naming `source`."""
    if missing := [key for key in required(Recipe) if key not in values]:
        raise UserError(f"{source} has no {missing[0]}: add it to the run or to common")
    if unknown := [key for key in values if key not in Recipe.__dataclass_fields__]:
        called = (
            f"which is called {RENAMED[unknown[0]]} now" if unknown[0] in RENAMED else "which is no key of a recipe"
        )
        raise UserError(f"{source} has the key {unknown[0]}, {called}: train it again")
    return Recipe(**values)


def recipe_hash(recipe: Recipe) -> str:
    """Twelve hex digits over what decides the weights; prose, threads and the test protocol do not."""
    hashed = [field.name for field in dataclasses.fields(recipe) if field.metadata["hashed"]]
    values = {name: getattr(recipe, name) for name in hashed}
    return short_hash(json.dumps(values, sort_keys=True))
