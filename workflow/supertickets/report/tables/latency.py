"""Table: how long the full model, the winning tickets and rivals take, and how much faster these are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supertickets.evaluation.latency import CONDITION, SPEEDUP, TIMES, machines_text, place_text, read_latency
from supertickets.evaluation.significance import LEVEL
from supertickets.experiment.grid import groups_of
from supertickets.report.tables.formats import (
    COUNT,
    RATIO,
    SHARE,
    WHERE,
    Files,
    scope_note,
    with_intervals,
    write_formats,
)


def write_latency(
    results: Path, grid: dict[str, Any], rivals: dict[str, list[str]], csv: Path, md: Path, tex: Path
) -> None:
    """Write the measured latency of every model and task, with speed-ups over the full model.

    Args:
        results: the results folder, with ``latency``.
        grid: the winning tickets at the main size.
        rivals: of each model.
        csv, md, tex: files to write.
    """
    table, machines = read_latency(results, groups_of(grid), rivals=True)
    full = table[table["ratio"] == 0].set_index(["model", "task", *CONDITION])["multiply_adds"]
    own = table.set_index(["model", "task", *CONDITION])["multiply_adds"]
    shown = table.assign(
        rival=table["variant"].where(table["ratio"].isna()),
        arithmetic=(own / full.reindex(own.index)).to_numpy(),
        place=[place_text(row) for row in table.to_dict("records")],
        time=with_intervals(table, TIMES, ".2f", over_seeds=False),
        # The full model against itself has no interval.
        times=with_intervals(
            table.assign(speedup_low=table["speedup_low"].where(table["ratio"] != 0)), SPEEDUP, ".2f", over_seeds=False
        ),
    )
    columns = {key: WHERE[key] for key in ("model", "task")} | {
        "place": ("Computed by", ""),
        "batch_size": ("Batch", COUNT),
        "length": ("Tokens", COUNT),
        "ratio": ("Ratio", RATIO),
        **({"rival": ("Rival", "")} if any(rivals.values()) else {}),
        "weight_remaining": ("Weight", SHARE),
        "arithmetic": ("Arithmetic", SHARE),
        "time": ("Milliseconds", ""),
        "times": ("Speed-up", ""),
    }
    text = (
        f"Latency of a batch: the full model (ratio 0) and, at each ratio, the winning ticket of the run with the best "
        f"validation score{', and rivals, whole' * any(rivals.values())}. {scope_note(table, grid)} "
        f"Measured on {machines_text(machines)}. Median over "
        f"{table['rounds'].max()} rounds, in each of which every model computes once, in random order; sentences have "
        "the same length, and tokenising is not timed. Speed-up: the full model's time over the other's in the same "
        f"round. In parentheses: {LEVEL:.0%} intervals of the medians, over rounds. Arithmetic: "
        "multiply-adds, as a share of the full model's. Other machines differ."
    )
    write_formats(table, columns, text, Files(csv, md, tex), shown)
