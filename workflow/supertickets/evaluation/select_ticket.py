"""Choose the super ticket of a model, task and size, and estimate its gain without the bias of the choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from supertickets.errors import UserError
from supertickets.evaluation.choice import choose, choose_own, least_of, peak, require_validation, scores_of_tickets
from supertickets.evaluation.columns import CUT, MODEL_TASK_SIZE
from supertickets.evaluation.compare import mean_cut, outcomes_by_ratio, runs_by_ratio, sampled
from supertickets.evaluation.gain import HONEST, OF_FURTHER, WAYS, error_of_choice, reports
from supertickets.evaluation.predictions import Outcomes, predictions_file
from supertickets.evaluation.results import BY_OTHERS, reported_split, write_csv
from supertickets.evaluation.significance import difference
from supertickets.experiment.grid import by_seed, separator_of
from supertickets.experiment.parts import FURTHER


def select_ticket(results: Path, grid: dict[str, Any], group: dict[str, Any], metric: str, table: Path) -> None:
    """Choose the winning ticket with the best mean validation score over seeds and write its gain, in four ways.

    The grid says under ``selection`` if the full model can be chosen too, or each seed has a ratio of its own.

    Args:
        results: the results folder.
        grid: the axes of the runs (:func:`~supertickets.experiment.grid.grid_of`), and ``separators`` of tasks whose
            examples are of documents (:func:`~supertickets.experiment.settings.separators_of`).
        group: model, task, train_size and the kind ``winning``.
        metric: the task's first metric, which chooses the ticket.
        table: CSV file to write, with one row for the reported split, and one for each further part of
            :data:`~supertickets.experiment.parts.FURTHER`: model, task, train_size, metric, split, seeds,
            documents (in it, of a task that has them), ratio, ratios (of each seed, where each has its own, which the
            next three are then of: :func:`~supertickets.evaluation.results.ratio_of_seed`), heads_pruned, ffn_pruned,
            weight_remaining (missing if no ratio can be chosen), lightest_by_others and heaviest_by_others (what the
            tickets that other seeds chose weigh), the columns of :func:`~supertickets.evaluation.choice.peak`, and the
            columns of :func:`~supertickets.evaluation.significance.difference` for each of
            :data:`~supertickets.evaluation.gain.WAYS`, for example ``difference_other_seeds``; without a test split
            those of ``other_split`` are omitted. Of a further part, which has no say in the choice, there are the ways
            that report it as they report test.

    Raises:
        UserError: predictions are damaged, or have too few validation examples to choose a ticket.
    """
    runs = runs_by_ratio(grid, group)
    seeds = len(grid["seeds"])
    by_split = outcomes_by_ratio(results, runs, separator_of(grid, group["task"]))
    require_validation(results, runs[0.0][0], by_split)
    validation = by_split["validation"]
    count, outputs = validation[0.0].logits.shape[1:]
    if count < (fewest := 4 if outputs == 1 else 2):
        problem = f"validation has {count} examples; a ticket is chosen on each half: give {fewest} at least"
        raise UserError(f"{predictions_file(results, runs[0.0][0])}: {problem}, or delete it to have it made again")
    least = least_of(grid)
    scores = scores_of_tickets(metric, validation, np.arange(count), least)
    ratio = choose(scores)
    chosen: dict[str, Any] = {"ratio": ratio}
    ratios = [ratio] * seeds
    if by_seed(grid):
        ratios = choose_own(scores)
        chosen |= {"ratios": " ".join(f"{name}:{each:g}" for name, each in zip(grid["seeds"], ratios, strict=True))}
    defined = all(each == each for each in ratios)
    tickets = [runs[each][place] for place, each in enumerate(ratios)] if defined else []
    chosen |= mean_cut(results, tickets) if tickets else dict.fromkeys(CUT, float("nan"))
    weights = {each: mean_cut(results, runs[each])["weight_remaining"] for each in runs}
    rows = []
    for split in (reported_split(by_split), *(part for part in FURTHER if part in by_split)):
        row = {key: group[key] for key in MODEL_TASK_SIZE} | {"metric": metric, "split": split, "seeds": seeds}
        row |= {name: count for name, count in by_split[split][0.0].counts.items() if name == "documents"} | chosen
        row |= _gains(metric, by_split, split, least, by_seed(grid), weights)
        rows.append(row)
    write_csv(table, pd.DataFrame(rows))


def _gains(
    metric: str,
    by_split: Mapping[str, Mapping[float, Outcomes]],
    split: str,
    least: float,
    own: bool,
    weights: Mapping[float, float],
) -> dict[str, float]:
    """The columns of :func:`select_ticket` that differ between the reported split and a further part, ``split``.

    Args:
        metric, by_split, least, own: as of :func:`~supertickets.evaluation.gain.reports`.
        split: the one that the columns are of.
        weights: weight remaining by ratio.
    """
    ways: Sequence[str] = WAYS
    if split in FURTHER:
        by_split, ways = {"validation": by_split["validation"], "test": by_split[split]}, OF_FURTHER
        split = "test"
    _, pairs, by_others = reports(metric, by_split, ways, least, own)
    chosen = [weights[ratio] for ratio in by_others if ratio == ratio]
    row = dict(zip(BY_OTHERS, (min(chosen), max(chosen)) if chosen else (float("nan"),) * 2, strict=True))
    row |= peak({ratio: sampled(metric, runs, len(runs.logits)).scores for ratio, runs in by_split[split].items()})
    for way, (full, ticket) in pairs.items():
        values = difference(full, ticket, error_of_choice(metric, by_split, least) if way == HONEST else 0.0)
        row |= {f"{name}_{way}": value for name, value in values.items()}
    return row
