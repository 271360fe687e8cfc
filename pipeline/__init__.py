"""Actionbench: raw action-recognition downloads in, the papers' results tables out."""

import sys
from importlib.abc import MetaPathFinder

# Commands that moved into the room of their stage.
RENAMED = {
    "architectures": "tables.architectures", "evaluate": "score evaluate", "external": "score import",
    "figures": "report", "importers": "weights", "kmeans": "train.kmeans", "planning": "plan",
    "quarantine": "frames.quarantine", "shard_tools": "shard", "subset": "score select-views",
}  # fmt: skip


class _Renamed(MetaPathFinder):
    """Says the new name of a command to whoever calls an old one."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        parent, _, module = name.rpartition(".")
        if parent == __name__ and module in RENAMED:
            raise ModuleNotFoundError(f"{name} is now {__name__}.{RENAMED[module]}", name=name)


sys.meta_path.append(_Renamed())
