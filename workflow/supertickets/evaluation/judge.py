"""Verdicts from comparisons: whether pruning helps on a task, and up to which ratio the score holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.evaluation.results import read_groups, write_csv
from supertickets.evaluation.select_ticket import EXPERIMENT, honest, honest_way
from supertickets.evaluation.significance import LEVEL, holm
from supertickets.experiment.grid import groups_of

#: Columns that define a family of comparisons, which are corrected together: all ratios and tasks of one model, size
#: and kind; reported splits apart from the others.
FAMILY = ["model", "train_size", "kind", "reported"]


def judge(results: Path, grid: dict[str, Any], verdicts: Path) -> None:
    """Write a verdict for each model, task and size.

    Args:
        results: the results folder, with selections and comparisons.
        grid: the winning tickets at all sizes.
        verdicts: CSV file to write: a row for each chosen ticket, with the columns of :func:`with_verdicts`.

    Raises:
        UserError: a file is damaged.
    """
    groups = groups_of(grid)
    chosen = read_groups(results, "selections", groups, grid)
    comparisons = read_groups(results, "comparisons", groups, grid)
    write_csv(verdicts, with_verdicts(chosen, corrected(comparisons)))


def corrected(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Add ``p_holm`` and ``p_seeds_holm``, the p values corrected within each :data:`FAMILY`, to comparisons."""
    by_family = comparisons.groupby(FAMILY, sort=False)
    columns = {f"{p}_holm": by_family[p].transform(lambda values: holm(values.to_numpy())) for p in ("p", "p_seeds")}
    return comparisons.assign(**columns)


def with_verdicts(chosen: pd.DataFrame, comparisons: pd.DataFrame) -> pd.DataFrame:
    """Add verdicts and ``gain_p_holm``, the p of the honest gain corrected over tasks, to chosen tickets.

    Args:
        chosen: rows of :func:`~supertickets.evaluation.select_ticket.select_ticket`.
        comparisons: rows of :func:`corrected`.
    """
    chosen = chosen.reset_index(drop=True)
    by_family = honest(chosen, "p").groupby([chosen["model"], chosen["train_size"]], sort=False)
    chosen = chosen.assign(gain_p_holm=by_family.transform(lambda values: holm(values.to_numpy())))
    curves = comparisons[(comparisons["kind"] == "winning") & comparisons["reported"]]
    verdicts = [
        verdict_of(row, curves[(curves[EXPERIMENT] == row[EXPERIMENT]).all(axis=1)]) for _, row in chosen.iterrows()
    ]
    return pd.concat([chosen, pd.DataFrame(verdicts)], axis=1)


def verdict_of(chosen: pd.Series, curve: pd.DataFrame) -> dict[str, Any]:
    """Judge the curve of a task.

    Args:
        chosen: the super ticket, with its corrected p.
        curve: the corrected comparisons of the winning tickets on the reported split, one row for each ratio.

    Returns:
        ``holds_ratio`` and ``holds_weight``: the largest ratio up to which no ticket is significantly worse than the
        full model, and its weight remaining (0 and 1 if there is no such ratio); ``verdict``: a text. A verdict that
        begins with "holds" states the largest loss that the intervals of the ratios up to ``holds_ratio`` do not
        exclude.
    """
    curve = curve.sort_values("ratio")
    if chosen["seeds"] < 2:
        return {"holds_ratio": float("nan"), "holds_weight": float("nan"), "verdict": "not to be told from one seed"}
    worse = (curve["p_holm"] <= 1 - LEVEL) & (curve["difference"] < 0)
    held = curve[~worse.cummax()]
    ratio, weight = (held.iloc[-1]["ratio"], held.iloc[-1]["weight_remaining"]) if len(held) else (0.0, 1.0)
    way = honest_way(chosen["split"])
    gain = chosen[f"difference_{way}"]
    if gain > 0 and chosen["gain_p_holm"] <= 1 - LEVEL:
        where = f"at {chosen['weight_remaining']:.0%} weight" if way == "held_out" else "(cross-fitted)"
        words = f"gains {gain:.1f} {where}"
    elif not len(held):
        first = curve.iloc[0]
        words = f"falls from the start: {-first['difference']:.1f} lost at {first['weight_remaining']:.0%} weight"
    else:
        last = ", the lightest tried" if len(held) == len(curve) else ""
        loss = -held["low"].min()
        certainty = f"losses up to {max(0.0, loss):.1f} not excluded" if pd.notna(loss) else "how sure, not to be told"
        words = f"holds until {weight:.0%} weight{last} ({certainty})"
    return {"holds_ratio": float(ratio), "holds_weight": float(weight), "verdict": words}
