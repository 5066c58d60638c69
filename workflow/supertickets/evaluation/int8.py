"""Compare int8 full models and super tickets with the full models of the same seeds, which are not rounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from supertickets.evaluation.choice import least_of, require_validation
from supertickets.evaluation.columns import MODEL_TASK_SIZE, Content, read_table
from supertickets.evaluation.compare import mean_cut, outcomes_by_ratio, runs_by_ratio, sampled
from supertickets.evaluation.gain import by_halves, error_of_choice, full_and_tickets, reports
from supertickets.evaluation.predictions import Outcomes
from supertickets.evaluation.resampling import Sampled
from supertickets.evaluation.results import reported_split, write_csv
from supertickets.evaluation.significance import NAMES, difference
from supertickets.experiment.grid import groups_of, separator_of
from supertickets.experiment.int8 import FULL, INT8, SUPER, WHICH

#: What the table of a model and task holds.
CONTENT = Content(
    (*MODEL_TASK_SIZE, "way", "split", "metric"),
    ("ratio", "weight_remaining", "seeds", "examples", *NAMES),
)
BySplit = Mapping[str, Mapping[float, Outcomes]]


def chosen_by_others(metric: str, by_split: BySplit, least: float) -> tuple[float, list[list[float]]]:
    """The super ticket of all seeds, and those that count: the ones that the other seeds choose.

    Args:
        metric, by_split, least: as of :func:`~supertickets.evaluation.gain.reports`.

    Returns:
        The ratio that all choose; and for the test split, or else for each half of validation, the ratio of each seed.
        Not-a-number where none can be chosen.
    """
    ratio, _, by_others = reports(metric, by_split, [], least)
    seeds = len(by_split["validation"][0.0].logits)
    return ratio, [by_others[start : start + seeds] for start in range(0, len(by_others), seeds)]


def compare_int8(results: Path, grid: dict[str, Any], group: dict[str, Any], metric: str, table: Path) -> None:
    """Write the differences to the full models of the full models in int8, and of the super tickets.

    A seed's super ticket is the one that the other seeds chose, before anything was rounded.

    Args:
        results: the results folder.
        grid: the axes of the runs (:func:`~supertickets.experiment.grid.grid_of`), how super tickets are chosen if that
            is unusual, and ``separators`` of tasks whose examples are of documents
            (:func:`~supertickets.experiment.settings.separators_of`).
        group: model, task, train_size and the kind ``winning``.
        metric: the task's first metric.
        table: CSV file to write, with a row for each of :data:`~supertickets.experiment.int8.WHICH`, on the reported
            split: model, task, train_size, way, ratio and weight_remaining (of the ticket that all seeds choose,
            missing if none can be chosen), split, metric, seeds, examples, documents (of a task that has them), and the
            columns of :func:`~supertickets.evaluation.significance.difference`.

    Raises:
        UserError: a file is damaged, or has predictions for other examples.
    """
    seeds, least = len(grid["seeds"]), least_of(grid)
    runs = runs_by_ratio(grid, group)
    names = {key: group[key] for key in ("model", "task")}
    rounded = {which: [{**names, "seed": seed, "int8": which} for seed in grid["seeds"]] for which in WHICH}
    together = outcomes_by_ratio(results, {**runs, **rounded}, separator_of(grid, group["task"]))
    by_split = {name: {ratio: of_split[ratio] for ratio in runs} for name, of_split in together.items()}
    require_validation(results, runs[0.0][0], by_split)
    split = reported_split(by_split)
    outcomes = together[split]
    ratio, choices = chosen_by_others(metric, by_split, least)
    full = sampled(metric, outcomes[0.0], seeds)
    pairs: dict[str, tuple[float, tuple[Sampled, Sampled], float]] = {
        FULL: (0.0, (full, sampled(metric, outcomes[FULL], seeds)), 0.0),
        SUPER: (ratio, _pair(metric, together, choices), error_of_choice(metric, by_split, least)),
    }
    rows = []
    for which, (cut, pair, error) in pairs.items():
        row = {key: group[key] for key in MODEL_TASK_SIZE} | {"way": which, "ratio": cut}
        row["weight_remaining"] = mean_cut(results, runs[cut])["weight_remaining"] if cut == cut else np.nan
        row |= {"split": split, "metric": metric, "seeds": seeds, **outcomes[0.0].counts}
        rows.append(row | difference(*pair, error))
    write_csv(table, pd.DataFrame(rows))


def _pair(
    metric: str, together: Mapping[str, Mapping[Any, Outcomes]], choices: Sequence[Sequence[float]]
) -> tuple[Sampled, Sampled]:
    """Scores of the full models, and of the tickets in int8, as the honest gain has them.

    Args:
        metric: the task's first metric.
        together: outcomes by split, those of the full models at 0.
        choices: as of :func:`chosen_by_others`; a seed without a ticket has no defined score.
    """
    ticket = 1.0  # its predictions are already those of the ratios that were chosen
    own = {name: {0.0: of_split[0.0], ticket: of_split[SUPER]} for name, of_split in together.items()}
    there = [[ticket if ratio == ratio else np.nan for ratio in ratios] for ratios in choices]
    if "test" in own:
        return full_and_tickets(metric, own["test"], there[0])
    return by_halves(metric, own["validation"], there)


def read_int8(results: Path, grid: Mapping[str, Any]) -> pd.DataFrame:
    """All comparisons in int8.

    Args:
        results: the results folder.
        grid: the winning tickets at the main size.

    Raises:
        UserError: a file is damaged, or of another group.
    """
    tables = []
    for group in groups_of(grid):
        tables.append(read_table(results / f"{INT8.format(**group)}.csv", CONTENT, group))
    return pd.concat(tables, ignore_index=True)
