"""Tables of what was run: the tasks and the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.errors import DamagedError
from supertickets.evaluation.predictions import read_record
from supertickets.experiment.grid import runs_of
from supertickets.experiment.paths import run_folder
from supertickets.report.tables.formats import Columns, Files, scope_note, write_formats

#: What readers see of the settings, and how.
SETTINGS: Columns = {
    "optimizer": ("Optimizer", ""),
    "learning_rate": ("Learning rate", "g"),
    "batch_size": ("Batch", "d"),
    "epochs": ("Epochs", "d"),
    "steps": ("Steps", "d"),
    "warmup": ("Warm-up", ".0%"),
    "weight_decay": ("Decay", "g"),
    "clip_norm": ("Clip", "g"),
    "classifier_dropout": ("Dropout", "g"),
    "parameters": ("Parameters", ",d"),
}


def write_hyperparameters(
    results: Path, grid: dict[str, Any], pruning: dict[str, Any], max_length: int, csv: Path, md: Path, tex: Path
) -> None:
    """Write the settings that runs have in their records.

    Args:
        results: the results folder, with the full models' records.
        grid: the winning tickets at all sizes.
        pruning: how each kind of ticket is scored and cut.
        max_length: longest sequence in tokens.
        csv, md, tex: files to write.
    """
    rows = []
    for run in runs_of(grid):
        if run["kind"] == "full" and run["seed"] == grid["seeds"][0]:
            rows.append({key: str(run[key]) for key in ("model", "task", "train_size")} | _settings(results, run))
    table = pd.DataFrame(rows)
    columns: Columns = {"model": ("Model", ""), "task": ("Task", ""), "train_size": ("Train size", "")} | SETTINGS
    kinds = "; ".join(told(kind, how) for kind, how in pruning.items() if not how["like"].startswith("random"))
    text = (
        f"Settings of the trainings, the same for full models and tickets. {scope_note(table, grid)} The rate rises "
        "over the warm-up's share of the steps, then falls to 0; all splits are scored after the last step. "
        f"Sentences are cut to {max_length} tokens. Tickets: {kinds}."
    )
    write_formats(table, columns, text, Files(csv, md, tex))


def _settings(results: Path, run: dict[str, Any]) -> dict[str, Any]:
    """The settings that a run's record has, its steps and its parameters.

    Raises:
        UserError: it lacks one of :data:`SETTINGS`.
    """
    record = read_record(results, run)
    settings = record.get("settings")
    plain = settings.items() if isinstance(settings, dict) else ()
    found: dict[str, Any] = {key: value for key, value in plain if not isinstance(value, dict)}
    found |= {key: record.get(key) for key in ("steps", "parameters")}
    for name, (_, how) in SETTINGS.items():
        value = found.get(name)
        if how:
            right = isinstance(value, int if how.endswith("d") else int | float) and abs(value) < 1e100
        else:
            right = isinstance(value, str)
        if not right:
            path = results / run_folder(run) / "record.json"
            raise DamagedError(path, f"its {name} is {value!r:.80}")
    return found


def told(kind: str, how: dict[str, Any]) -> str:
    """How a kind of ticket is scored and cut, in words."""
    units = "heads and FFNs" if how["units"] == "both" else f"{how['units']} alone"
    steps = f"{how['steps']} steps" if how["steps"] > 1 else "at once"
    return (
        f"{kind} by {how['importance']} of the {how['weights'].replace('_', '-')} weights, {units}, {steps}, "
        f"FFN counts by {how['ffn_rule']}"
    )
