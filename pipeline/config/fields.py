"""Documented fields of frozen dataclasses, from which a JSON schema, defaults and a Markdown table are derived."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

# The schemas of values that both recipes and settings have.
COUNT = {"type": "integer", "minimum": 1}
POSITIVE = {"type": "number", "exclusiveMinimum": 0}
NOT_NEGATIVE = {"type": "number", "minimum": 0}
BOOLEAN = {"type": "boolean"}


def setting(
    doc: str, schema: Schema, default: Any = dataclasses.MISSING, *, hashed: bool = True, group: str = ""
) -> Any:
    """A field of a settings dataclass.

    `doc` is what a user reads of the key, in Markdown; `schema` is the JSON schema of its value; without a default the
    key is required. `hashed` says whether a changed value can change weights; `group` begins a group of a table.
    """
    metadata = {"doc": doc, "schema": schema, "hashed": hashed, "group": group}
    if isinstance(default, dict | list):
        return dataclasses.field(default_factory=lambda: json.loads(json.dumps(default)), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def object_schema(cls: type, renamed: Mapping[str, str] = {}, required: tuple[str, ...] = ()) -> Schema:
    """The JSON schema of a mapping of the dataclass' keys. `renamed` is old key -> new, for the error of an old one."""
    properties = {field.name: field.metadata["schema"] for field in dataclasses.fields(cls)}
    schema: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**schema, "renamed": dict(renamed), "required": list(required)}


def defaults(cls: type) -> dict[str, Any]:
    """Key -> value of those that have a default."""
    values = {}
    for field in dataclasses.fields(cls):
        if field.default is not dataclasses.MISSING:
            values[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            values[field.name] = field.default_factory()
    return values


def required(cls: type) -> list[str]:
    """The keys without a default."""
    optional = defaults(cls)
    return [field.name for field in dataclasses.fields(cls) if field.name not in optional]


def table(cls: type) -> str:
    """A Markdown table of the keys: what each means, and its value where nothing is said."""
    values = defaults(cls)
    lines = ["| key | meaning | default |", "|---|---|---|"]
    for field in dataclasses.fields(cls):
        if field.metadata["group"]:
            lines.append(f"| **{field.metadata['group']}** | | |")
        default = f"`{_yaml(values[field.name])}`" if field.name in values else "required"
        lines.append(f"| `{field.name}` | {field.metadata['doc']} | {default} |")
    return "\n".join([*lines, ""])


def _yaml(value: Any) -> str:
    """A value as YAML's flow style writes it; of a section of its own, nothing differs."""
    if dataclasses.is_dataclass(value):
        return "{}"
    return value if isinstance(value, str) and value else json.dumps(value)
