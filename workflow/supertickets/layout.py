"""Where the results of a run lie, and how a run is named. The only place that spells these paths."""

from __future__ import annotations

from typing import Any

#: Folder of the runs of one model, task, size and seed, below the results folder.
TRIAL = "runs/{model}/{task}/n{train_size}/seed{seed}"

#: Files of a tokenizer that a model folder holds.
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


def ticket_name(kind: str, ratio: float) -> str:
    """Name of a ticket in paths: ``winning-0.30``; the full model is ``full``."""
    return "full" if kind == "full" else f"{kind}-{ratio:.2f}"


def run_folder(run: dict[str, Any]) -> str:
    """Folder of a run (model, task, train_size, seed, kind, ratio), below the results folder."""
    return f"{TRIAL.format(**run)}/{ticket_name(run['kind'], run['ratio'])}"
