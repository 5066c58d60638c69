"""What pages say of measured latency."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.evaluation.latency import machines_text, place_text, read_latency, usual
from supertickets.experiment.grid import groups_of

#: What names a measurement of the table.
KEYS = ["model", "task", "ratio"]


def usual_latency(results: Path, grid: Mapping[str, Any]) -> tuple[pd.DataFrame, str]:
    """Latency as somebody has it who sets nothing, of the largest batches of the longest examples.

    Args:
        results: the results folder, with measured latency.
        grid: the winning tickets at the main size.

    Returns:
        Rows with model, task, ratio, ``milliseconds`` and ``speedup``, each with its interval; and what was measured
        where, in words.
    """
    table, machines = read_latency(results, groups_of(grid), grid["ratios"])
    table = usual(table)
    table = table[(table["length"] == table["length"].max()) & (table["batch_size"] == table["batch_size"].max())]
    row = table.iloc[0]
    text = f"batches of {row['batch_size']} x {row['length']} tokens by {place_text(row)}; {machines_text(machines)}"
    return table.reset_index(drop=True), text
