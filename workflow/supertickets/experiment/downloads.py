"""What a config needs of the network, and what an encoder is prepared from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from supertickets.experiment.paths import RESULTS
from supertickets.experiment.rivals import trained_models
from supertickets.experiment.task_files import hub_downloads, is_local

Config = Mapping[str, Any]

#: Keys of a model's entry that do not affect the encoder.
APART = ("licence", "like", "finetuned")


def origin_of(config: Config, model: str) -> str:
    """The encoder whose download a model is prepared from: itself, unless it is another one with fewer layers."""
    return str(config["define"]["models"][model].get("like", model))


def prepared_from(config: Config, model: str) -> dict[str, Any]:
    """A model's entry without keys that do not affect the encoder."""
    return {key: value for key, value in config["define"]["models"][model].items() if key not in APART}


def downloads_of(config: Config, tasks: Iterable[str]) -> list[str]:
    """All files and folders that the network is needed for.

    Args:
        config: of the experiment.
        tasks: names of all its tasks.
    """
    define = config["define"]
    models = {origin_of(config, model): define["models"][model] for model in trained_models(config)}
    entries = {task: define["tasks"][task] for task in tasks}
    remote = {task: entry for task, entry in entries.items() if not is_local(entry, config["glue"])}
    packages = [entry["package"] for entry in (*models.values(), *remote.values()) if "package" in entry]
    return [
        *(f"{RESULTS}/packages/{package}" for package in dict.fromkeys(packages)),
        *(f"{RESULTS}/hub/models/{name}" for name, entry in models.items() if "hub" in entry),
        *hub_downloads(remote),
    ]
