"""Measured latency, as it is stored: which models, where, and how long they take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from supertickets.evaluation.columns import MODEL_TASK_SIZE, Content, read_table
from supertickets.experiment.grid import groups_of
from supertickets.experiment.latency import LATENCY
from supertickets.files import read_object

#: What is the same for all models that are compared with each other.
PLACE = ["backend", "device", "threads"]
CONDITION = [*PLACE, "batch_size", "length"]
#: What names a model and ticket that is measured under one condition.
KEYS = ["model", "task", "ratio"]
TIMES = ("milliseconds", "milliseconds_low", "milliseconds_high")
SPEEDUP = ("speedup", "speedup_low", "speedup_high")
SIZES = ("ratio", "seed", "weight_remaining", "parameters", "multiply_adds", "bytes")
#: What is said of the machine that measures, at least.
MACHINE = ("versions", "processor", "cores", "precision")
#: What a table of measurements holds.
CONTENT = Content(
    (*MODEL_TASK_SIZE, "variant", *PLACE[:2]), (*SIZES, "threads", "batch_size", "length", "rounds", *TIMES, *SPEEDUP)
)


def variant_name(model: str, ratio: float) -> str:
    """The name of an encoder's full model, or of its ticket of a ratio above 0."""
    return f"{model}-{ratio:.2f}" if ratio else model


def read_latency(
    results: Path, groups: Iterable[Mapping[str, Any]], rivals: bool = False
) -> tuple[pd.DataFrame, dict[tuple[str, str], dict[str, Any]]]:
    """Measured latency of some models and tasks.

    Args:
        results: the results folder.
        groups: model, task and train_size of each.
        rivals: with the rows of rivals.

    Returns:
        One table, sizes as text, and by model and task the machine that measured. Rivals have no ratio.

    Raises:
        UserError: a file is no such table, or of another group.
    """
    tables, machines = [], {}
    for group in groups:
        path = results / f"{LATENCY.format(**group)}.csv"
        table = read_table(path, CONTENT, group)
        tables.append(table if rivals else table[table["ratio"].notna()])
        machine = read_object(path.with_suffix(".json"), *MACHINE)
        machines[group["model"], group["task"]] = machine
    return pd.concat(tables, ignore_index=True), machines


def place_text(row: Mapping[str, Any]) -> str:
    """Backend, device and threads of a row of measurements, in words."""
    threads = f"{row['threads']} CPU threads" if row["threads"] > 1 else "one CPU thread"
    return f"{row['backend']} on {'a GPU' if row['device'] == 'cuda' else threads}"


def machine_text(machine: Mapping[str, Any]) -> str:
    """A machine in words."""
    gpu = f" and {machine['gpu']}" if "gpu" in machine else ""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return f"{machine['processor']} ({machine['cores']} cores){gpu}, {machine['precision']}, {versions}"


def machines_text(machines: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    """Machines in words, with what each has measured where they differ; argument as of :func:`read_latency`."""
    by_text: dict[str, list[str]] = {}
    for (model, task), machine in machines.items():
        by_text.setdefault(machine_text(machine), []).append(f"{task} of {model}")
    if len(by_text) == 1:
        return next(iter(by_text))
    return "; ".join(f"{text} ({', '.join(what)})" for text, what in by_text.items())


def usual(table: pd.DataFrame) -> pd.DataFrame:
    """Rows for the default settings: the first backend, on a GPU if there is one, on all cores.

    Int8 is passed over, as scores are not of it.
    """
    table = table[table["backend"] != "int8"]
    rows = table[table["backend"] == table["backend"].iloc[0]]
    rows = rows[rows["device"] == ("cuda" if (rows["device"] == "cuda").any() else "cpu")]
    return rows[rows["threads"] == rows["threads"].max()]


def of_int8(table: pd.DataFrame, whole: pd.DataFrame) -> pd.DataFrame:
    """The rows of int8, with their speed-ups over the full model in float32 in the same place.

    They were not measured in the same rounds as that model. So a speed-up is the quotient of two medians, and its
    interval goes from the least quotient of the ends of their intervals to the largest.

    Args:
        table: measured latency.
        whole: rows of it by one other backend, in one place (:func:`usual`); int8, which computes on a CPU, has
            none beside those of a GPU.
    """
    place = ["model", "task", "device", "threads", "batch_size", "length"]
    full = whole.loc[whole["ratio"] == 0, [*place, *TIMES]]
    rows = table[table["backend"] == "int8"].merge(full, on=place, suffixes=("", "_full"))
    for name, of_full, own in zip(SPEEDUP, TIMES, (TIMES[0], TIMES[2], TIMES[1]), strict=True):
        rows[name] = rows[f"{of_full}_full"] / rows[own]
    return rows[table.columns]


def with_measured_weight(chosen: pd.DataFrame, compared: pd.DataFrame) -> pd.DataFrame:
    """Super tickets with the weight of the ratio that all seeds choose together, which latency is of.

    Where each seed has a ticket of its own ratio, selections have the mean weight of those.

    Args:
        chosen: rows of selections.
        compared: comparisons of the winning tickets, of the same splits at least.
    """
    names = [*MODEL_TASK_SIZE, "split", "ratio"]
    weights = chosen[names].merge(compared[[*names, "weight_remaining"]], how="left", on=names)["weight_remaining"]
    return chosen.assign(weight_remaining=np.where(chosen["ratio"] == 0, 1.0, weights))  # 0 is the full model


def usual_latency(results: Path, grid: Mapping[str, Any]) -> tuple[pd.DataFrame, str]:
    """Latency with the default settings, of the largest batches of the longest examples.

    Args:
        results: the results folder, with measured latency.
        grid: the winning tickets at the main size.

    Returns:
        Rows with model, task, ratio, ``milliseconds`` and ``speedup``, each with its interval; and what was measured
        where, in words.
    """
    table, machines = read_latency(results, groups_of(grid))
    table = usual(table)
    table = table[(table["length"] == table["length"].max()) & (table["batch_size"] == table["batch_size"].max())]
    row = table.iloc[0]
    text = f"batches of {row['batch_size']} x {row['length']} tokens by {place_text(row)}; {machines_text(machines)}"
    return table.reset_index(drop=True), text
