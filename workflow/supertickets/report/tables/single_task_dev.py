"""Table: scores and gains of super tickets in single-task training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from supertickets.evaluation.columns import MODEL_TASK_SIZE
from supertickets.evaluation.gain import HONEST, WAYS
from supertickets.evaluation.metric import metric_of
from supertickets.evaluation.results import read_judged, resampled_text, without_further
from supertickets.evaluation.significance import LEVEL, average, mean_of
from supertickets.report.tables.formats import (
    POINTS,
    SCORE,
    SHARE,
    WHERE,
    Files,
    P,
    few_seeds_note,
    further_note,
    reported_splits_text,
    scope_note,
    tasks_and_parts,
    undefined_note,
    undefined_rows,
    with_intervals,
    write_formats,
)

#: Columns with the means of a super ticket, for each way.
MEANS = ("full", "ticket", "difference")
#: Columns of a gain and the ends of its interval.
ENDS = ("difference", "low", "high")


def write_single_task_dev(results: Path, grid: dict[str, Any], csv: Path, md: Path, tex: Path) -> None:
    """Write scores and gains of super tickets: on the split that they were chosen on, as published, and honestly.

    Args:
        results: the results folder, with ``verdicts.csv``.
        grid: the axes of the runs.
        csv, md, tex: files to write.
    """
    verdicts = read_judged(results, "verdicts.csv", further=True)
    ways = [way for way in WAYS if f"difference_{way}" in verdicts]
    table = verdicts.assign(**{name: verdicts[f"{name}_{HONEST}"] for name in (*MEANS, "low", "high")})
    means = averages(without_further(table), ways, len(grid["seeds"]))
    table = pd.concat([table, *means], ignore_index=True)
    names = [f"{name}_{way}" for way in ways for name in (*MEANS, "low", "high", "p")]
    first = [*MODEL_TASK_SIZE, "metric", "split", "seeds", "ratio", "weight_remaining", "chance"]
    table = table[[*first, *MEANS, "low", "high", "gain_p_holm", *names]]
    heads = dict(zip(WAYS, ("Gain", "Gain, same split", "Gain, other half", "Gain, test"), strict=True))
    columns = {**WHERE, "metric": ("Metric", ""), "weight_remaining": ("Weight", SHARE)}
    columns |= {
        "chance": ("Chance", SCORE),
        "full": ("Full", SCORE),
        "ticket": ("Super", SCORE),
        **{way: (heads[way], "") for way in ways},
    }
    columns["gain_p_holm"] = ("p", P)
    text = (
        f"Full model and super ticket. {scope_note(verdicts, grid)} Means over seeds; scores on the "
        f"{reported_splits_text(verdicts)}. Gain: for each seed the ticket that the other seeds chose on validation, "
        "reported on examples that had no part in the choice (test, or the other half of validation); full, super and "
        "p (with Holm's correction over tasks, except for the average) belong to it. The other gains hold out "
        "examples, not runs, which flatters them: same split, as published, not even those; other half: each half of "
        "validation is reported with the ticket that the other half chose; test: chosen on validation. "
        f"Chance: the best score of one answer to all examples. Intervals: {LEVEL:.0%}, over seeds and "
        f"{resampled_text(verdicts)}.{few_seeds_note(grid)}"
    )
    empty = verdicts[f"difference_{HONEST}"].isna()
    text += undefined_note(undefined_rows(tasks_and_parts(verdicts)[empty]))
    text += further_note(verdicts)
    shown = table.assign(**{way: with_intervals(table, [f"{name}_{way}" for name in ENDS], POINTS) for way in ways})
    shown["task"] = tasks_and_parts(table)
    write_formats(table, columns, text, Files(csv, md, tex), shown)


def averages(table: pd.DataFrame, ways: list[str], seeds: int) -> Iterator[pd.DataFrame]:
    """Yield a row of averages over tasks for each model and size with multiple tasks.

    Ways that some of the tasks lack are omitted.

    Args:
        table: one row for each task, including the honest scores.
        ways: the :data:`~supertickets.evaluation.gain.WAYS` in the table.
        seeds: number of seeds.
    """
    for (model, size), rows in table.groupby(["model", "train_size"], sort=False):
        if len(rows) < 2:
            continue
        row = {"model": model, "train_size": size, "task": "average", "seeds": seeds}
        row |= {name: mean_of(rows[name]) for name in ("weight_remaining", "full", "ticket")}
        lowest = float(np.mean([metric_of(metric).lowest for metric in rows["metric"]]))
        gain = averaged(partial(_of_way, rows, HONEST), seeds, lowest)
        row |= {name: gain[name] for name in ("difference", "low", "high")} | {"gain_p_holm": gain["p"]}
        for way in ways:
            if rows[f"difference_{way}"].notna().all():
                values = averaged(partial(_of_way, rows, way), seeds, lowest)
                values |= {name: mean_of(rows[f"{name}_{way}"]) for name in ("full", "ticket")}
                row |= {f"{name}_{way}": value for name, value in values.items()}
        yield pd.DataFrame([row])


def averaged(column: Callable[[str], pd.Series], seeds: int, lowest: float) -> dict[str, float]:
    """Average the gains of multiple tasks, from the columns of one way; ``column`` returns a column by its name."""
    names = ("difference", "error", "freedom", "seeds_error")
    differences, errors, freedoms, seeds_errors = (column(name).to_numpy() for name in names)
    return average(differences, errors, freedoms, seeds_errors, seeds, lowest)


def _of_way(rows: pd.DataFrame, way: str, name: str) -> pd.Series:
    return rows[f"{name}_{way}"]
