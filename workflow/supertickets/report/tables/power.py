"""Table: what an experiment could have shown, and what a larger one could."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.errors import UserError
from supertickets.evaluation.columns import MODEL_TASK_SIZE, documents_in
from supertickets.evaluation.judge import corrected, tests_of
from supertickets.evaluation.power import POWER, Spread, needed_columns
from supertickets.evaluation.results import read_groups, resampled_text
from supertickets.evaluation.significance import LEVEL
from supertickets.experiment.grid import groups_of
from supertickets.report.tables.formats import (
    COUNT,
    WHERE,
    WRITTEN,
    Columns,
    Files,
    detectable,
    scope_note,
    undefined_note,
    undefined_rows,
    untrained_note,
    write_formats,
)

#: Numbers of seeds that a next experiment may have.
SEEDS = (3, 5, 10, 20, 40)
#: What needs a spread.
NUMBERS = (
    *(f"spread_{name}" for name in ("seeds", "examples", "residual")),
    *(f"detectable_{count}" for count in SEEDS),
    *("seeds_needed", "examples_needed"),
)


def write_power(results: Path, grid: dict[str, Any], margins: dict[str, float], csv: Path, md: Path, tex: Path) -> None:
    """Write the smallest difference that more seeds would find, and what a margin needs, from a pilot.

    Args:
        results: the results folder, with comparisons: those of the pilot.
        grid: the winning tickets at all sizes.
        margins: by task the loss, in points, that still counts as kept.
        csv, md, tex: files to write.
    """
    compared = corrected(read_groups(results, "comparisons", groups_of(grid)))
    compared = compared[compared["reported"] & (compared["seeds"] > 1)]
    if compared.empty:
        raise UserError(f"{results}/comparisons: there is one seed, and so no spread over seeds")
    tests = tests_of(compared)
    rows = [
        dict(zip(MODEL_TASK_SIZE, names, strict=True)) | _planned(curve, margins[names[1]], int(tests[curve.index[0]]))
        for names, curve in compared.groupby(MODEL_TASK_SIZE, sort=False)
    ]
    table = pd.DataFrame(rows)
    columns: Columns = {**WHERE, "seeds": ("Seeds", COUNT), "examples": ("Examples", COUNT)}
    has_documents = "documents" in table
    columns |= {"documents": ("Documents", COUNT)} if has_documents else {}
    columns |= {f"detectable_{seeds}": (f"{seeds} seeds", WRITTEN) for seeds in SEEDS}
    columns |= {"margin": ("Margin", "g"), "seeds_needed": ("Seeds for it", COUNT)}
    columns |= {"examples_needed": ("Examples for it", COUNT)}
    columns |= {"documents_needed": ("Documents for it", COUNT)} if has_documents else {}
    text = (
        f"What experiments can show. {scope_note(table, grid)} Below each number of seeds: the smallest difference "
        f"between a ticket and the full model, in points, that is found in {POWER:.0%} of experiments on these "
        f"examples (two-sided, {1 - LEVEL:.0%}, with Holm's correction over ratios and tasks; >: more than scores can "
        "differ by). For the margin: how many seeds on these examples, or how many examples with these seeds, show "
        "that a ticket as good as the full model keeps it (Holm, over ratios); inf if none do. From the mean variances "
        f"of the winning tickets' differences over seeds and {resampled_text(table)}."
    )
    if has_documents:
        text += (
            " Where a task has documents, these are counted; the examples for it are those of so many, as large as now."
        )
    empty = table["detectable_3"].isna() & (documents_in(table) > 1)
    text += undefined_note(undefined_rows(table.loc[empty, "task"]))
    text += untrained_note(compared, compared["model"] + " on " + compared["task"])
    names = [f"detectable_{seeds}" for seeds in SEEDS]
    shown = table.assign(**{name: detectable(table, name) for name in names})
    write_formats(table, columns, text, Files(csv, md, tex), shown)


def _planned(curve: pd.DataFrame, margin: float, tests: int) -> dict[str, Any]:
    """The columns of one model, task and size; of its tickets whose scores are defined, and have a spread."""
    first, documents = curve.iloc[0], int(documents_in(curve).iloc[0])
    values: dict[str, Any] = {name: first[name] for name in ("metric", "seeds", "examples")}
    values |= {"documents": documents} if pd.notna(first.get("documents")) else {}
    curve = curve[curve["variance_examples"].notna()]
    if curve.empty:
        needs = ["documents_needed"] * ("documents" in values)
        return values | dict.fromkeys((*NUMBERS, *needs), math.nan) | {"margin": margin}
    spread = Spread.of(curve)
    values |= {"spread_seeds": spread.seeds, "spread_examples": spread.examples, "spread_residual": spread.residual}
    values |= {f"detectable_{count}": spread.detectable(count, documents, tests) for count in SEEDS}
    return values | {"margin": margin} | needed_columns(spread, margin, curve)
