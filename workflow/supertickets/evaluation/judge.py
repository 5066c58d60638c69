"""Verdicts from comparisons: whether pruning helps on a task, and up to which ratio the score is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from supertickets.evaluation.columns import MODEL_TASK_SIZE, documents_in
from supertickets.evaluation.gain import HONEST
from supertickets.evaluation.metric import metric_of
from supertickets.evaluation.power import Spread, needed_columns, needed_together
from supertickets.evaluation.results import BY_OTHERS, read_groups, write_csv
from supertickets.evaluation.results import POWER as POWER_COLUMNS
from supertickets.evaluation.significance import LEVEL, holm, holm_above, holm_of_tests
from supertickets.experiment.grid import groups_of
from supertickets.experiment.parts import FURTHER

#: Columns that define a family of comparisons, which are corrected together: all ratios and tasks of one model, size
#: and kind; reported splits apart from the others.
FAMILY = ["model", "train_size", "kind", "reported"]
WEIGHT = "weight_remaining"
#: The fewest seeds that find differences of usual sizes.
FEWEST = 6


def judge(results: Path, grid: dict[str, Any], margins: dict[str, float], verdicts: Path) -> None:
    """Write a verdict for each model, task and size.

    Args:
        results: the results folder, with selections and comparisons.
        grid: the winning tickets at all sizes.
        margins: by task the loss, in points, that still counts as kept.
        verdicts: CSV file to write: a row for each chosen ticket and split that it is reported on, with the columns
            of :func:`with_verdicts`.

    Raises:
        UserError: a file is damaged.
    """
    groups = groups_of(grid)
    chosen = read_groups(results, "selections", groups, further=True)
    comparisons = read_groups(results, "comparisons", groups)
    write_csv(verdicts, with_verdicts(chosen, corrected(comparisons), margins))


def corrected(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Add ``p_holm`` and ``p_seeds_holm``, the p values corrected within each :data:`FAMILY`, to comparisons.

    Where they have ``p_chance``, ``p_chance_holm`` is added, too: a full model is tested once on a split, not at every
    ratio, so it is corrected over tasks.
    """
    by_family = comparisons.groupby(FAMILY, sort=False)
    columns = {f"{p}_holm": by_family[p].transform(lambda values: holm(values.to_numpy())) for p in ("p", "p_seeds")}
    if "p_chance" in comparisons:
        columns["p_chance_holm"] = holm_of_tests(comparisons, "p_chance", FAMILY, ["task", "split"])
    return comparisons.assign(**columns)


def tests_of(comparisons: pd.DataFrame) -> pd.Series:
    """Count what is corrected together with each comparison: those of its :data:`FAMILY` that are defined."""
    return comparisons["difference"].notna().groupby([comparisons[name] for name in FAMILY]).transform("sum")


def with_verdicts(chosen: pd.DataFrame, comparisons: pd.DataFrame, margins: Mapping[str, float]) -> pd.DataFrame:
    """Add verdicts and ``gain_p_holm``, the p of the honest gain corrected over tasks, to chosen tickets.

    Those of further parts are corrected apart from the others, as comparisons are.

    Args:
        chosen: rows of :func:`~supertickets.evaluation.select_ticket.select_ticket`.
        comparisons: rows of :func:`corrected`.
        margins: by task.
    """
    chosen = chosen.reset_index(drop=True)
    family = ["model", "train_size", chosen["split"].isin(FURTHER)]
    by_family = chosen.groupby(family, sort=False)[f"p_{HONEST}"]
    chosen = chosen.assign(gain_p_holm=by_family.transform(lambda values: holm(values.to_numpy())))
    curves = comparisons[comparisons["kind"] == "winning"]
    tests = tests_of(curves)
    verdicts = []
    for _, row in chosen.iterrows():
        own = (curves[[*MODEL_TASK_SIZE, "split"]] == row[[*MODEL_TASK_SIZE, "split"]]).all(axis=1)
        verdicts.append(verdict_of(row, curves[own], margins[row["task"]], int(tests[own].iloc[0])))
    return pd.concat([chosen, pd.DataFrame(verdicts)], axis=1)


def verdict_of(chosen: pd.Series, curve: pd.DataFrame, margin: float, tests: int) -> dict[str, Any]:
    """Judge the curve of a task.

    Args:
        chosen: the super ticket, with its corrected p.
        curve: the corrected comparisons of the winning tickets on the same split, one row for each ratio.
        margin: the loss that still counts as kept, in points.
        tests: how many comparisons are corrected together.

    Returns:
        ``margin``; ``chance``, what one answer to all examples scores; ``keeps_ratio`` and ``keeps_weight``: the
        largest ratio up to which every ticket is shown to lose less than the margin (one-sided, Holm over ratios), and
        its weight remaining (0 and 1 if there is none, missing if nothing can be tested);
        ``detectable``: the smallest difference that such an experiment finds with a probability of
        :data:`~supertickets.evaluation.power.POWER`; ``seeds_needed`` and ``examples_needed``, and ``documents_needed``
        of a task that has them, to show that a ticket as good as the full model keeps the margin; and ``verdict``: a
        text.
    """
    curve = curve.sort_values("ratio")
    values: dict[str, Any] = {"margin": margin, "chance": curve["chance"].iloc[0]}
    values |= dict.fromkeys(("keeps_ratio", "keeps_weight", *POWER_COLUMNS), float("nan"))
    if reason := _why_none(chosen, curve):
        return values | {"verdict": reason}
    undefined = curve["difference"].isna()
    defined = curve[~undefined]
    first = defined.iloc[0]
    values |= {"keeps_ratio": 0.0, "keeps_weight": 1.0}
    kept = curve[(holm_above(curve, -margin) <= 1 - LEVEL).cumprod().astype(bool)]
    if len(kept):
        values |= {"keeps_ratio": float(kept.iloc[-1]["ratio"]), "keeps_weight": float(kept.iloc[-1][WEIGHT])}
    spread, seeds, documents = Spread.of(defined), int(chosen["seeds"]), int(documents_in(curve).iloc[0])
    values |= {"detectable": spread.detectable(seeds, documents, tests)} | needed_columns(spread, margin, defined)
    words = _shown(chosen, curve, len(kept), margin)
    ratios = ", ".join(format(ratio, "g") for ratio in curve.loc[undefined, "ratio"])
    if not words:
        words = ["undecided" if ratios else f"undecided: {deciding(values, spread, first, documents, len(curve))}"]
    if ratios:
        words.append(f"undefined at ratio {ratios}")
    return values | {"verdict": "; ".join(words)}


def _why_none(chosen: pd.Series, curve: pd.DataFrame) -> str:
    """Why a task has no verdict, empty where it has one; arguments as of :func:`verdict_of`."""
    if chosen["seeds"] < 2:
        return "no verdict from one seed"
    if chosen.get("documents") == 1:
        return f"no verdict from one document of {chosen['split']}"
    defined = curve[curve["difference"].notna()]
    if defined.empty or pd.isna(chosen["ratio"]):
        return "undefined: some runs predict the same for all examples, or all labels are the same"
    first = defined.iloc[0]
    if not first["p_chance_holm"] <= 1 - LEVEL:  # nor where it is undefined
        return unlearned_text(first, first["full"])
    return ""


def unlearned_text(found: pd.Series, score: float) -> str:
    """Say that a full model is not shown to have learned anything, and of how many seeds and examples.

    Args:
        found: ``chance``, ``seeds``, ``examples``, and ``documents`` of a task that has them.
        score: the full model's.
    """
    size = f"{int(found['seeds'])} seeds, {int(found['examples']):,} examples"
    if found.get("documents", np.nan) > 0:
        size += f" in {int(found['documents']):,} documents"
    constant = f"{found['chance']:.1f}, the score of one answer to all examples"
    return f"the full model ({score:.1f}; {size}) is not shown to beat {constant}"


def _shown(chosen: pd.Series, curve: pd.DataFrame, kept: int, margin: float) -> list[str]:
    """What is shown of a super ticket's gain, and of the ratios that keep the score or lose.

    Args:
        chosen, margin: as of :func:`verdict_of`.
        curve: the same, by ascending ratio.
        kept: number of ratios, from the lowest, that keep the score.
    """
    words = []
    gain = chosen[f"difference_{HONEST}"]
    if gain > 0 and chosen["gain_p_holm"] <= 1 - LEVEL:
        words.append(f"gains {gain:.1f} at {_weights(chosen)} weight")
    if kept:
        last = ", the lightest tried" if kept == len(curve) else ""
        words.append(f"keeps within {margin:g} down to {curve.iloc[kept - 1][WEIGHT]:.0%} weight{last}")
    beyond = curve[kept:]  # a loss within the margin is one that is accepted
    worse = beyond[(beyond["p_holm"] <= 1 - LEVEL) & (beyond["difference"] < 0)]
    for place, row in worse.head(1).iterrows():
        above = " (undecided above)" if curve.index.get_loc(place) > kept else ""
        words.append(f"loses {-row['difference']:.1f} at {row[WEIGHT]:.0%} weight{above}")
    return words


def _weights(chosen: pd.Series) -> str:
    """What the tickets weigh whose gain is reported."""
    low, high = (f"{100 * chosen[name]:.0f}" for name in BY_OTHERS)
    return f"{low}%" if low == high else f"{low} to {high}%"


def deciding(values: Mapping[str, Any], spread: Spread, found: pd.Series, documents: int, tests: int) -> str:
    """What an experiment that is undecided could have shown, and what would decide it.

    Args:
        values: ``margin``, ``detectable`` and what is needed (:func:`~supertickets.evaluation.power.needed_columns`).
        spread: of the differences.
        found: ``metric``, ``seeds``, ``difference`` and ``p_holm`` of what is not shown to keep the score; of several
            ratios, of the first one.
        documents: number of them; of examples where each is a document of its own.
        tests: how many are corrected together.
    """
    seeds = int(found["seeds"])
    kind = "documents" if "documents_needed" in values else "examples"
    keeps = f"would show that an equal model keeps within {values['margin']:g}"
    if spread == Spread(0.0, 0.0, 0.0):
        least = np.log((1 - LEVEL) / tests) / np.log1p(-min(values["margin"], 99.0) / 100)  # as significance.p_above
        return f"no run differs on {documents} {kind}; {least:.0f} {keeps}"
    ways = []
    for unit, now in (("seeds", seeds), (kind, documents)):
        if now < values[f"{unit}_needed"] < float("inf"):
            ways.append(f"{values[f'{unit}_needed']:.0f} {unit}")
    could = f"a difference of {values['detectable']:.1f} could have been found"
    if values["detectable"] > 100 - metric_of(found["metric"]).lowest:  # more than any two scores differ by
        count, scarcer = min((documents, kind), (seeds, "seeds"))
        could = f"{count} {scarcer} could have found no difference"
        if scarcer == "seeds" and seeds < FEWEST:  # too few to tell how many are needed
            return f"{could}; take {FEWEST} or more"
    if min(values["seeds_needed"] / seeds, values[f"{kind}_needed"] / documents) <= 1:
        lost = found["p_holm"] <= 1 - LEVEL and found["difference"] < 0
        shown = f"{'a loss, but not one' if lost else 'neither a loss nor'} within the margin of {values['margin']:g}"
        return f"{could}; {found['difference']:+.1f} was measured, shown to be {shown}"
    if not ways:
        both = needed_together(spread, values["margin"], seeds, documents, tests)
        ways = [f"{both[0]:.0f} seeds with {both[1]:.0f} {kind}"] if both else []
    if not ways:
        return f"{could}; no affordable number of seeds and {kind} {keeps}"
    return f"{could}; about {' or '.join(ways)} {keeps}"
