"""Table: the settings of the trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.evaluation.predictions import read_record
from supertickets.experiment.config import check_config
from supertickets.experiment.grid import ratios_of, runs_of
from supertickets.report.tables.formats import Columns, Files, scope_note, write_formats

#: Header and format of each setting in Markdown and LaTeX.
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

#: The other keys of the config's ``training``, each a column only where one is not the schema's default.
USUAL = {
    key: value for key, value in check_config({})["training"].items() if key not in (*SETTINGS, "importance_epoch")
}


def write_hyperparameters(
    results: Path, grid: dict[str, Any], pruning: dict[str, Any], max_length: int, csv: Path, md: Path, tex: Path
) -> None:
    """Write the settings that are in the records of runs.

    Args:
        results: the results folder, with the full models' records, and those of the first tickets of given ones.
        grid: the winning tickets at all sizes.
        pruning: the settings of pruning, by kind of ticket.
        max_length: maximum length of a sequence in tokens.
        csv, md, tex: files to write.
    """
    rows = []
    for run in runs_of(grid):
        if run["kind"] == "full" and run["seed"] == grid["seeds"][0]:
            settings = _settings(results, run)
            if run["model"] in grid.get("finetuned", []):  # not trained as its tickets are
                ticket = {**run, "kind": "winning", "ratio": ratios_of(grid["ratios"], run["model"])[0]}
                settings = _settings(results, ticket) | {"parameters": settings["parameters"]}
            rows.append({key: str(run[key]) for key in ("model", "task", "train_size")} | settings)
    table = pd.DataFrame(rows)
    unusual: Columns = {
        name: (name.replace("_", " ").capitalize(), "g" if isinstance(usual, float) else "")
        for name, usual in USUAL.items()
        if (table[name] != usual).any()
    }
    columns: Columns = (
        {"model": ("Model", ""), "task": ("Task", ""), "train_size": ("Train size", "")} | SETTINGS | unusual
    )
    kinds = "; ".join(
        pruning_text(kind, settings) for kind, settings in pruning.items() if not settings["like"].startswith("random")
    )
    scored = "the epoch that the table names" if "model_epoch" in unusual else "the last step"
    text = (
        f"Settings of the trainings, the same for full models and tickets. {scope_note(table, grid)} The learning "
        "rate rises during the warm-up, given as a share of the steps, then falls to 0; all splits are scored after "
        f"{scored}. Sentences are cut to {max_length} tokens. Tickets: {kinds}."
    )
    write_formats(table, columns, text, Files(csv, md, tex))


def _settings(results: Path, run: dict[str, Any]) -> dict[str, Any]:
    """Read the settings, steps and number of parameters from the record of a run."""
    record = read_record(results, run)
    settings = {key: value for key, value in record["settings"].items() if not isinstance(value, dict)}
    return settings | {key: record[key] for key in ("steps", "parameters")}


def pruning_text(kind: str, settings: dict[str, Any]) -> str:
    """Describe how the units of a kind of ticket are scored and cut, and what its tickets learn from beside labels."""
    units = "heads and FFNs" if settings["units"] == "both" else f"{settings['units']} alone"
    steps = f"{settings['steps']} steps" if settings["steps"] > 1 else "at once"
    taught = ""
    if "teacher" in settings:
        weight, temperature = settings["teacher"]["weight"], settings["teacher"]["temperature"]
        taught = f", taught by the full model (weight {weight:g}, temperature {temperature:g})"
    return (
        f"{kind} by {settings['importance']} of the {settings['weights'].replace('_', '-')} weights, {units}, {steps}, "
        f"FFN counts by {settings['ffn_rule']}{taught}"
    )
