"""Whether pruning is worth it: what the answers are made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from supertickets.experiment.int8 import asks_int8
from supertickets.experiment.rivals import rivals_of
from supertickets.experiment.settings import margins_of

Config = Mapping[str, Any]


def can_answer(config: Config) -> bool:
    """Whether something is measured that answers can compare with: not in eight bits alone."""
    return bool({*config["latency"]["backends"]} - {"int8"})


def worth_options(config: Config) -> dict[str, Any]:
    """Margins, the rivals of each model with their names in words, and whether int8 is asked for."""
    rivals = {
        model: {rival: rival_text(config, model, rival) for rival in rivals_of(config, model)}
        for model in config["models"]
    }
    return {"margins": margins_of(config), "rivals": rivals, "int8": int(asks_int8(config))}


def rival_text(config: Config, model: str, rival: str) -> str:
    """A rival in words: its name, or how many of the model's own layers it has."""
    entry = config["define"]["models"][rival]
    if entry.get("like") == model and isinstance(entry["layers"], int):
        return f"the first {entry['layers']} layers" if entry["layers"] > 1 else "the first layer"
    return rival
