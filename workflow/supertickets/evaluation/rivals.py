"""Compare a model's full model and super ticket with rivals: encoders with fewer layers, or smaller ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from supertickets.evaluation.choice import require_validation
from supertickets.evaluation.columns import MODEL_TASK_SIZE, read_table
from supertickets.evaluation.compare import against_chance, mean_cut, outcomes_by_ratio, runs_by_ratio, sampled
from supertickets.evaluation.gain import HONEST, error_of_choice, reports
from supertickets.evaluation.predictions import read_record
from supertickets.evaluation.results import TABLES, reported_split, write_csv
from supertickets.evaluation.significance import difference, holm_of_tests
from supertickets.experiment.grid import groups_of, separator_of
from supertickets.experiment.paths import RIVALS

#: What is compared with what: a rival with the full model, and the super ticket with the rival.
PAIRS = (("rival", "full"), ("super", "rival"))


def compare_rivals(
    results: Path, grid: dict[str, Any], group: dict[str, Any], rivals: list[str], metric: str, table: Path
) -> None:
    """Write the differences rival - full model and super ticket - rival, paired by seeds and examples.

    For each seed the super ticket is the one that the other seeds chose on validation, so that neither its runs nor
    its examples have chosen it.

    Args:
        results: the results folder.
        grid: the axes of the runs (:func:`~supertickets.experiment.grid.grid_of`), and ``separators`` of tasks whose
            examples are of documents (:func:`~supertickets.experiment.settings.separators_of`).
        group: model, task, train_size and the kind ``winning``.
        rivals: names of other encoders, whose full models have the same task, size and seeds.
        metric: the task's first metric.
        table: CSV file to write, with two rows for each rival, of the reported split: model, task, train_size, rival,
            way and baseline (of :data:`PAIRS`), weight and parameters of the rival (weight is its share of the model's
            parameters), ratio and weight_remaining of the super ticket (the one that all seeds choose, missing if none
            can be chosen), split, metric, seeds, examples, documents (of a task that has them), the rival's columns of
            :func:`~supertickets.evaluation.compare.against_chance`, and those of
            :func:`~supertickets.evaluation.significance.difference`, where ``full`` is the baseline's score and
            ``ticket`` that of the way.

    Raises:
        UserError: a file is damaged, or a rival has predictions for other examples.
    """
    seeds = len(grid["seeds"])
    runs = runs_by_ratio(grid, group)
    of_rivals = {rival: [{**run, "model": rival} for run in runs[0.0]] for rival in rivals}
    by_split = outcomes_by_ratio(results, {**runs, **of_rivals}, separator_of(grid, group["task"]))
    require_validation(results, runs[0.0][0], by_split)
    split = reported_split(by_split)
    outcomes = by_split[split]
    full, whole = sampled(metric, outcomes[0.0], seeds), read_record(results, runs[0.0][0])["parameters"]
    rows = []
    for rival in rivals:
        tickets = {
            name: {0.0: of_split[rival]} | {ratio: of_split[ratio] for ratio in runs if ratio > 0}
            for name, of_split in by_split.items()
        }
        ratio, pairs, _ = reports(metric, tickets, [HONEST])  # of pruned tickets: 0 is the rival here
        parameters = read_record(results, of_rivals[rival][0])["parameters"]
        row = {key: group[key] for key in MODEL_TASK_SIZE} | {"rival": rival}
        row |= {"weight": parameters / whole, "parameters": parameters, "ratio": ratio}
        row |= {"weight_remaining": mean_cut(results, runs[ratio])["weight_remaining"] if ratio == ratio else np.nan}
        row |= {"split": split, "metric": metric, "seeds": seeds, **outcomes[rival].counts}
        other = sampled(metric, outcomes[rival], seeds)
        row |= against_chance(metric, outcomes[rival], other)
        compared = [(full, other, 0.0), (*pairs[HONEST], error_of_choice(metric, tickets))]
        for (way, baseline), scores in zip(PAIRS, compared, strict=True):
            rows.append(row | {"way": way, "baseline": baseline} | difference(*scores))
    write_csv(table, pd.DataFrame(rows))


def read_rivals(results: Path, grid: Mapping[str, Any]) -> pd.DataFrame:
    """All comparisons with rivals, with ``p_holm``: for each model and pair corrected over rivals and tasks.

    So is ``p_chance_holm``, for each model.

    Args:
        results: the results folder.
        grid: the winning tickets at the main size.

    Raises:
        UserError: a file is damaged, or of another group.
    """
    tables = []
    for group in groups_of(grid):
        path = results / f"{RIVALS.format(**group)}.csv"
        tables.append(read_table(path, TABLES["rivals"], group))
    joined = pd.concat(tables, ignore_index=True)
    tests = {"p": ["model", "way"], "p_chance": ["model"]}  # a rival is tested against chance once, in both its rows
    return joined.assign(
        **{f"{p}_holm": holm_of_tests(joined, p, family, ["task", "rival"]) for p, family in tests.items()}
    )
