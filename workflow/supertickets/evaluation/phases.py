"""The three phases of a curve of winning tickets, and where they beat tickets of other kinds.

In phase I winning tickets are as good as the full model, in phase II they are worse, but better than random tickets of
their size, and in phase III they are not: Zheng et al., Robust Lottery Tickets for Pre-trained Language Models, ACL
2022, section 5.1. *As good* means within the margin here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from supertickets.evaluation.columns import MODEL_TASK_SIZE
from supertickets.evaluation.judge import corrected
from supertickets.evaluation.results import read_groups
from supertickets.evaluation.significance import LEVEL, holm_above
from supertickets.experiment.grid import groups_of, scoped

#: Ratios at which phases end and begin, each with the ends of its interval.
PHASES = tuple(f"{name}{end}" for name in ("first_ends", "third_begins") for end in ("", "_low", "_high"))


def read_contrasts(results: Path, grid: Mapping[str, Any]) -> pd.DataFrame:
    """Winning tickets against those of each other kind at the main size, with corrected p values.

    Args:
        results: the results folder.
        grid: all kinds, winning and others.
    """
    groups = [group for group in groups_of(scoped(grid, "kinds")) if group["kind"] != "winning"]
    return corrected(read_groups(results, "contrasts", groups))


def read_phases(results: Path, grid: Mapping[str, Any], margins: Mapping[str, float]) -> pd.DataFrame:
    """The phases of each model and task at the main size.

    Args:
        results: the results folder, with comparisons of the winning tickets and contrasts to random ones, if the grid
            has them.
        grid: all kinds.
        margins: by task, in points.

    Returns:
        A row for each model and task: model, task, train_size, metric, split, seeds, ``p_chance_holm`` of the full
        model, margin, ``undefined``, how many of the differences are, and :data:`PHASES`, which are missing where the
        full model is not shown to beat chance, though one seed, of which nothing is tested, has them.
    """
    main = scoped(grid, "main")
    compared = corrected(read_groups(results, "comparisons", groups_of(main)))
    contrasts = compared[:0]
    if "random" in grid["kinds"]:
        contrasts = read_contrasts(results, {**grid, "kinds": ["winning", "random"]})
        contrasts = contrasts[contrasts["reported"]]
    rows = []
    for names, curve in compared[compared["reported"]].groupby(MODEL_TASK_SIZE, sort=False):
        first = curve.iloc[0]
        row = first[[*MODEL_TASK_SIZE, "metric", "split", "seeds", "p_chance_holm"]].to_dict()
        row["margin"] = margins[first["task"]]
        random = contrasts[(contrasts[MODEL_TASK_SIZE] == list(names)).all(axis=1)]
        row["undefined"] = int(curve["difference"].isna().sum() + random["difference"].isna().sum())
        if first["seeds"] > 1 and not first["p_chance_holm"] <= 1 - LEVEL:  # nor where it is undefined
            curve, random = curve.assign(difference=np.nan), random[:0]
        rows.append(row | phases_of(curve, random, margins[first["task"]]))
    return pd.DataFrame(rows)


def phases_of(curve: pd.DataFrame, random: pd.DataFrame, margin: float) -> dict[str, float]:
    """Find where phase I ends and phase III begins, as ratios, from mean differences.

    Args:
        curve: winning tickets against the full model, a row of :func:`~supertickets.evaluation.significance.difference`
            for each ratio, with ratio and seeds.
        random: the same, winning tickets against random ones; may be empty.
        margin: a difference that does not count, in points.

    Returns:
        ``first_ends``: the largest ratio up to which no ticket loses more than the margin, 0 for the full model.
        ``third_begins``: the smallest ratio from which on no winning ticket is better than random ones by more than
        the margin, not before phase I has ended; infinite if the last ratio is, missing if there are no random tickets.
        Each has the ends of an interval, ``_low`` and ``_high``, each of which is shown at 95% (one-sided, Holm over
        ratios); both are missing if nothing can be tested. A boundary that a missing difference hides is missing.
    """
    curve, random = curve.sort_values("ratio"), random.sort_values("ratio")
    ratios = [0.0, *curve["ratio"]]
    loses_less, loses_more = _shown(curve, -margin, 1), _shown(curve, margin, -1)
    count = _leading(curve["difference"] >= -margin)
    values = dict.fromkeys(PHASES, float("nan"))
    if _hidden(curve["difference"], count):
        return values
    values["first_ends"] = ratios[count]
    if testable := curve["error"].notna().any():
        values |= {"first_ends_low": ratios[_leading(loses_less)], "first_ends_high": ratios[_leading(~loses_more)]}
    if len(random) and not _hidden(random["difference"][::-1], _leading(random["difference"][::-1] <= margin)):
        beats_more, beats_less = _shown(random, margin, 1), _shown(random, -margin, -1)
        trailing = {"": random["difference"] <= margin}
        if testable:
            trailing |= {"_low": ~beats_more, "_high": beats_less}
        for end, there in trailing.items():
            begin = max(len(random) - _leading(there[::-1]), count)
            values[f"third_begins{end}"] = ratios[begin + 1] if begin < len(random) else float("inf")
    return values


def _hidden(differences: pd.Series, count: int) -> bool:
    """Whether a row of differences ends because the next one is missing."""
    return count < len(differences) and bool(np.isnan(differences.iloc[count]))


def _shown(rows: pd.DataFrame, bound: float, sign: int) -> np.ndarray:
    """Whether ``sign`` times the difference of each row is shown to be above a bound."""
    return holm_above(rows, bound, sign) <= 1 - LEVEL


def _leading(values: pd.Series | np.ndarray) -> int:
    """How many values are true before the first that is not."""
    return int(np.cumprod(np.asarray(values, dtype=bool)).sum())
