"""Tables of what was run: the tasks and the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from .content import read_table
from .errors import DamagedError
from .grid import groups_of, runs_of
from .layout import run_folder
from .outcomes import read_record
from .stage_tables import read_groups
from .tables import Columns, Files, scope_note, write_formats

PARTS = ("train", "validation", "test")
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


def write_tasks(
    results: Path, grid: dict[str, Any], definitions: dict[str, Any], csv: Path, md: Path, tex: Path
) -> None:
    """Write each task's sizes, classes and metrics.

    Args:
        results: the results folder, with tasks and scores.
        grid: the winning tickets at the main size.
        definitions: each task's definition.
        csv, md, tex: files to write.
    """
    scores = read_groups(results, "scores", groups_of(grid), grid)
    rows = []
    for task in grid["tasks"]:
        file = results / "tasks" / f"{task}.parquet"
        examples = read_table(file, "label", columns=["split", "label"])
        definition = definitions[task]
        sizes = examples["split"].value_counts()
        scored = scores[scores["task"] == task].groupby("split")["examples"].max()
        row = {"task": task, "type": definition["type"], "classes": len(definition.get("labels", [])) or float("nan")}
        row |= {part: int(sizes.get(part, 0)) for part in PARTS}
        row |= {"left_out": _left_out(file)}
        row |= {f"{part}_scored": int(scored.get(part, 0)) for part in PARTS[1:]}
        if definition["type"] == "classification":
            row["largest_class"] = (
                examples.loc[examples["split"] == "train", "label"].value_counts(normalize=True).max()
            )
        rows.append(row | {"metrics": ", ".join(definition["metrics"])})
    table = pd.DataFrame(rows).reindex(columns=[*rows[0], *({"largest_class"} - set(rows[0]))])
    columns: Columns = {"task": ("Task", ""), "type": ("Type", ""), "classes": ("Classes", ".0f")}
    columns |= {part: (part.capitalize(), ".0f") for part in PARTS} | {"left_out": ("Left out", ".0f")}
    columns |= {f"{part}_scored": (f"{part.capitalize()} scored", ".0f") for part in PARTS[1:]}
    columns |= {"largest_class": ("Largest class", ".1%"), "metrics": ("Metrics", "")}
    text = (
        "Tasks: examples in each part, rows left out as broken or without a label, and how many examples are scored. "
        f"{scope_note(scores, grid)} The first metric chooses "
        "super tickets, on validation; they are reported on test, or on halves of validation where there is none. "
        "Largest class: its share of the training part."
    )
    write_formats(table, columns, text, Files(csv, md, tex))


def _left_out(task: Path) -> int:
    """How many rows a task's file says were left out.

    Raises:
        UserError: it does not say so.
    """
    try:
        return int((pq.read_schema(task).metadata or {})[b"dropped"])
    except (KeyError, ValueError) as error:
        raise DamagedError(task, "does not say how many rows were left out") from error


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
    found = {key: value for key, value in plain if not isinstance(value, dict)}
    found |= {key: record.get(key) for key in ("steps", "parameters")}
    for name, (_, how) in SETTINGS.items():
        right = str if not how else int if how.endswith("d") else int | float
        value = found.get(name)
        if not isinstance(value, right) or (how and not abs(value) < 1e100):
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
