"""Answers to whether pruning is worth it: what is as good as the full model, and how much faster it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from supertickets.evaluation.columns import MODEL_TASK_SIZE, documents_in
from supertickets.evaluation.gain import HONEST
from supertickets.evaluation.int8 import read_int8
from supertickets.evaluation.judge import corrected, deciding, unlearned_text, with_verdicts
from supertickets.evaluation.latency import (
    CONDITION,
    SPEEDUP,
    of_int8,
    read_latency,
    usual,
    variant_name,
    with_measured_weight,
)
from supertickets.evaluation.power import Spread, needed_columns
from supertickets.evaluation.results import read_groups
from supertickets.evaluation.rivals import read_rivals
from supertickets.evaluation.significance import LEVEL, NAMES, holm, holm_above
from supertickets.experiment.grid import groups_of
from supertickets.experiment.int8 import FULL, SUPER

#: What candidates are called, beside rivals; the lightest ticket that keeps the score by its weight.
TICKET, INT8, INT8_TICKET, LIGHTEST = "the super ticket", "int8", "the super ticket in int8", "the ticket at {} weight"
#: Value of ``turn`` for tickets: they are tested in sequence, and corrected as one candidate.
IN_TURN = "tickets"
#: Columns left empty for the lightest ticket: its own scores chose it, so they would flatter it.
NOT_OF_CHOSEN = ("low", "high", "p", "seeds_low", "seeds_high", "p_seeds", "examples_low", "examples_high")
#: What is known of a candidate's score: shown to lose less than the margin; shown to lose, and more than the margin
#: as measured; neither; nothing.
KEEPS, LOSES, OPEN, UNDEFINED = "keeps", "loses", "undecided", "undefined"


def candidates_of(
    results: Path,
    grid: Mapping[str, Any],
    margins: Mapping[str, float],
    rivals: Mapping[str, Mapping[str, str]],
    int8: bool,
) -> tuple[pd.DataFrame, dict[tuple[str, str], dict[str, Any]]]:
    """All candidates to replace the full models of a grid, with the answers.

    Args:
        results: the results folder, with selections, comparisons and latency, and comparisons of rivals and in int8
            where there are any.
        grid: the winning tickets at the main size.
        margins: by task the loss, in points, that still counts as kept.
        rivals: of each model, with their names in words.
        int8: whether there are predictions in int8.

    Returns:
        A row for each candidate: model, task, train_size, ``candidate``, ``weight`` of what is measured (missing where
        there is no ticket), the columns of :func:`~supertickets.evaluation.significance.difference` to the full model
        with split, metric, seeds, examples and documents, ``chance``, ``p_chance_holm`` and ``full_model``, the score
        of the full model on the whole split (missing where no ticket has one), the columns of :func:`speeds_of`, those
        of :func:`judged`, and ``answer``, the same for all candidates of a task.
        And by model and task the machine that measured.

    Raises:
        UserError: a file is damaged.
    """
    rows = _scored(results, grid, margins, rivals, int8)
    measured, machines = read_latency(results, groups_of(grid), rivals=True)
    speeds = [speeds_of(table, int8) for _, table in measured.groupby(["model", "task"], sort=False)]
    rows = rows.merge(pd.concat(speeds, ignore_index=True), how="left", on=["model", "task", "variant", "rounded"])
    rows = rows.astype(dict.fromkeys(("threads", "batch_size", "length"), "Int64"))  # missing without a ticket
    rows = pd.concat([part for _, part in rows.groupby(MODEL_TASK_SIZE, sort=False)], ignore_index=True)
    return answered(with_lightest(judged(rows, margins))), machines


def _scored(
    results: Path,
    grid: Mapping[str, Any],
    margins: Mapping[str, float],
    rivals: Mapping[str, Mapping[str, str]],
    int8: bool,
) -> pd.DataFrame:
    """Candidates with their scores beside those of the full models; arguments as of :func:`candidates_of`."""
    groups = groups_of(grid)
    chosen, compared = (read_groups(results, folder, groups) for folder in ("selections", "comparisons"))
    compared = corrected(compared)
    curves = compared[compared["reported"]]
    # The full model is in each row whose ticket has a score.
    of_full = curves.groupby(MODEL_TASK_SIZE, sort=False, as_index=False).first()
    of_full = of_full[[*MODEL_TASK_SIZE, "examples", "chance", "p_chance_holm", "full"]]
    super_tickets = with_measured_weight(chosen, compared).assign(candidate=TICKET, rounded=False)
    super_tickets = super_tickets.assign(**{name: chosen[f"{name}_{HONEST}"] for name in NAMES})
    super_tickets = super_tickets.merge(of_full[[*MODEL_TASK_SIZE, "examples"]], on=MODEL_TASK_SIZE)
    tickets = in_turn(curves, with_verdicts(chosen, compared, margins)).assign(rounded=False)
    tables = [super_tickets, tickets, *_rivals(results, grid, rivals)]
    if int8:
        tables.append(_rounded(results, grid))
    columns = ["candidate", "variant", "rounded", "weight_remaining", "split", "metric", "seeds", "examples"]
    columns += ["documents"] * any("documents" in table for table in tables)
    columns = [*MODEL_TASK_SIZE, *columns, *NAMES, "turn", "kept"]
    rows = pd.concat([_variants(table).reindex(columns=columns) for table in tables], ignore_index=True)
    rows = rows.rename(columns={"weight_remaining": "weight"})
    of_full = of_full.drop(columns="examples").rename(columns={"full": "full_model"})
    return rows.merge(of_full, on=MODEL_TASK_SIZE)


def _rivals(results: Path, grid: Mapping[str, Any], rivals: Mapping[str, Mapping[str, str]]) -> list[pd.DataFrame]:
    """Rivals as candidates, where there are any; arguments as of :func:`candidates_of`."""
    names = {model: list(words) for model, words in rivals.items()}
    if not any(names.values()):
        return []
    rows = read_rivals(results, grid).query("way == 'rival'")
    called = [rivals[model][rival] for model, rival in zip(rows["model"], rows["rival"], strict=True)]
    return [rows.assign(candidate=called, variant=rows["rival"], rounded=False, weight_remaining=rows["weight"])]


def _rounded(results: Path, grid: Mapping[str, Any]) -> pd.DataFrame:
    """Full models and super tickets in int8 as candidates."""
    rows = read_int8(results, grid)
    return rows.assign(candidate=rows["way"].map({FULL: INT8, SUPER: INT8_TICKET}), rounded=True)


def _variants(rows: pd.DataFrame) -> pd.DataFrame:
    """Candidates with ``variant``, the model that is measured for a full model or ticket; empty where there is none."""
    if "variant" in rows:
        return rows
    pairs = zip(rows["model"], rows["ratio"], strict=True)
    return rows.assign(variant=[variant_name(model, ratio) if ratio == ratio else "" for model, ratio in pairs])


def in_turn(curves: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    """The winning tickets of all ratios as candidates, the heaviest first, as they are tested.

    Args:
        curves: comparisons on the reported splits.
        verdicts: of the same models and tasks.

    Returns:
        With ``candidate``; ``turn``, :data:`IN_TURN`; and ``kept``, whether the verdict says that it keeps the score.
        What is in :data:`NOT_OF_CHOSEN` is missing.
    """
    rows = curves.sort_values("ratio", kind="stable").merge(
        verdicts[[*MODEL_TASK_SIZE, "keeps_ratio"]], on=MODEL_TASK_SIZE
    )
    called = [LIGHTEST.format(f"{weight:.0%}") for weight in rows["weight_remaining"]]
    rows = rows.assign(candidate=called, turn=IN_TURN, kept=rows["ratio"] <= rows["keeps_ratio"])
    return rows.assign(**dict.fromkeys(NOT_OF_CHOSEN, np.nan))


def with_lightest(candidates: pd.DataFrame) -> pd.DataFrame:
    """Drop the tickets that are tested in sequence, except the lightest that is shown to keep the score.

    The verdict has to say so too, whose tests are corrected over the ratios of one task alone. So this ticket is never
    lighter than the verdict's, but may be heavier. If it is the super ticket, which all seeds choose, it is left out.
    """
    others = candidates["turn"] != IN_TURN
    keeps = candidates[~others & (candidates["score"] == KEEPS) & candidates["kept"].eq(True)]
    lightest = candidates.index.isin(keeps.groupby(MODEL_TASK_SIZE).tail(1).index)
    rows = candidates[others | lightest].drop_duplicates([*MODEL_TASK_SIZE, "variant", "rounded"])
    return rows.drop(columns=["turn", "kept"]).reset_index(drop=True)


def speeds_of(measured: pd.DataFrame, int8: bool) -> pd.DataFrame:
    """Speed-ups over the full model by the first backend other than int8, of batches as the config lists first.

    On a GPU if there is one and nothing is asked for in int8, which computes on a CPU; otherwise on all cores.
    Those in int8 are as of :func:`~supertickets.evaluation.latency.of_int8`.

    Args:
        measured: latency of one model and task, in the order of measurement.
        int8: whether candidates are in int8, too.

    Returns:
        A row for each variant, and ``rounded``, whether it is in int8: model, task, ``speedup`` with its
        interval, and where it was measured.
    """
    first = measured.iloc[0]
    rows = measured[(measured[["batch_size", "length"]] == first[["batch_size", "length"]]).all(axis=1)]
    rows = rows[rows["device"] == "cpu"] if int8 else rows
    whole = usual(rows)
    tables = {False: whole} | ({True: of_int8(rows, whole)} if int8 else {})
    found = pd.concat([table.assign(rounded=rounded) for rounded, table in tables.items()])
    return found[["model", "task", "variant", "rounded", *CONDITION, *SPEEDUP]]


def judged(candidates: pd.DataFrame, margins: Mapping[str, float]) -> pd.DataFrame:
    """Add what is shown of each candidate; tests are corrected over the candidates and tasks of a model (Holm).

    The tickets of a task are tested one after another, the heaviest first, until one is not shown to keep the score
    (:func:`holm_in_turn`). So they count as one candidate, and whichever is named afterwards, what is said of it is
    covered. That its score gains or loses is not tested.

    Args:
        candidates: with model, task, ``candidate``, what
            :func:`~supertickets.evaluation.significance.difference` returns, ``seeds``, ``examples``, ``documents`` of
            tasks that have them, ``speedup_low``, and ``turn``: :data:`IN_TURN` of tickets of all ratios, the heaviest
            first, and missing of others.
        margins: by task.

    Returns:
        With ``margin``, ``p_keeps`` (one-sided, that it does not lose less than the margin), ``p_holm`` (two-sided,
        missing of tickets in turn), ``tests``, how many candidates are corrected together, ``score`` (:data:`KEEPS`,
        :data:`LOSES`, :data:`OPEN` or :data:`UNDEFINED`), ``gains``, whether its gain is significant, and ``faster``,
        whether its speed-up is.
    """
    rows = candidates.assign(margin=candidates["task"].map(margins))
    above = rows.assign(difference=rows["difference"] + rows["margin"])
    alone = pd.Series([holm_above(above.loc[[place]], 0.0)[0] for place in rows.index], rows.index)
    turns = rows.groupby(["task", rows["turn"].fillna(rows["candidate"])], sort=False).ngroup()
    keeps, both = (pd.Series(np.nan, rows.index) for _ in range(2))
    for place in rows.groupby("model", sort=False).groups.values():
        keeps[place] = holm_in_turn(alone[place], turns[place])
        both[place] = holm(rows.loc[place, "p"].to_numpy())
    differs, difference = both <= 1 - LEVEL, rows["difference"]
    score = np.select(
        [difference.isna(), keeps <= 1 - LEVEL, differs & (difference < -rows["margin"])],
        [UNDEFINED, KEEPS, LOSES],
        OPEN,
    )
    return rows.assign(
        p_keeps=keeps, p_holm=both, tests=turns.groupby(rows["model"]).transform("nunique"), score=score,
        gains=differs & (difference > 0), faster=rows["speedup_low"] > 1,
    )  # fmt: skip


def holm_in_turn(p: pd.Series, turns: pd.Series) -> np.ndarray:
    """Correct p values by Holm's method over turns, within each of which tests come one after another.

    A test counts only if all before it in its turn are significant, so the largest p up to it is its own, and more
    tests in a turn cost nothing (fixed sequence: Maurer, Hothorn and Lehmacher 1995). Holm's method passes the level of
    a hypothesis that is rejected on to the others. A turn passes its level on after its last test alone (Bretz, Maurer,
    Brannath and Posch, A graphical approach to sequentially rejective multiple test procedures, Statistics in Medicine
    28(4), 2009). Then no false claim is made in 95% of experiments, whichever of the tests one picks afterwards.

    Args:
        p: of each test, those of a turn in their order.
        turns: what each is a test of.
    """
    own = p.groupby(turns, sort=False).cummax()
    last = own.groupby(turns, sort=False).max()
    pairs = [(last.index == turn, value) for turn, value in zip(turns, own, strict=True)]
    return np.array([holm(np.where(place, value, last))[place].item() for place, value in pairs])


def answered(candidates: pd.DataFrame) -> pd.DataFrame:
    """Add ``answer`` to candidates as of :func:`judged`, with ``chance``, ``p_chance_holm`` and ``full_model``."""
    by_task = [*candidates.groupby(MODEL_TASK_SIZE, sort=False).groups.values()]
    answers = pd.Series("", candidates.index)
    for place in by_task:
        answers[place] = answer_of(candidates.loc[place], int(candidates.loc[place[0], "tests"]))
    return candidates.assign(answer=answers)


def answer_of(rows: pd.DataFrame, tests: int) -> str:
    """One sentence: should a candidate replace the full model?

    Of the candidates that are shown to keep the score within the margin, or gain, and to be faster, the fastest one; of
    those that are as fast to two decimals, the one that scores best; of equals, the first. If there is none: undecided,
    where a faster one is neither shown to keep the score nor to lose; otherwise no.

    Args:
        rows: the candidates of one model and task, as of :func:`answered`.
        tests: how many candidates are corrected together.
    """
    first, margin = rows.iloc[0], float(rows["margin"].iloc[0])
    if first["seeds"] < 2:
        return "no answer from one seed"
    if first.get("documents") == 1:
        return f"no answer from one document of {first['split']}"
    if (rows["score"] == UNDEFINED).all():
        return "undefined: some runs predict the same for all examples, or all labels are the same"
    if not first["p_chance_holm"] <= 1 - LEVEL:  # nor where it is undefined
        full = rows["full_model"].combine_first(rows["full"]).dropna().iloc[0]
        return f"no answer: {unlearned_text(first, full)}"
    rows = rows.assign(shown=rows["speedup"].round(2))
    good = rows[(rows["score"] == KEEPS) & rows["faster"]]
    if len(good):
        best = good.sort_values(["shown", "difference"], ascending=False, kind="stable").iloc[0]
        points = f"{margin:g} point{'s' * (margin != 1)}"
        advice = "worth it" if best["candidate"] == TICKET else f"take {best['candidate']}"
        times = f"{best['speedup']:.2f} times as fast ({best['speedup_low']:.2f} to {best['speedup_high']:.2f})"
        what = f"gains {best['difference']:.1f} points" if best["gains"] else f"keeps within {points}"
        return f"{advice}: {times}, {what}"
    undecided = rows[(rows["score"] == OPEN) & rows["faster"]]
    if len(undecided):
        return _undecided(undecided, tests)
    lost, slow = rows[rows["score"] == LOSES], rows[rows["score"].isin([KEEPS, OPEN])]
    losses = [f"{-row['difference']:.1f} with {row['candidate']}" for _, row in lost.iterrows()]
    parts = [f"loses {', '.join(losses)}"] * bool(losses)
    for what, others in (("not shown to be faster", slow), ("undefined", rows[rows["score"] == UNDEFINED])):
        parts += [f"{what}: {', '.join(others['candidate'])}"] * bool(len(others))
    return f"no: {'; '.join(parts)}"


def _undecided(rows: pd.DataFrame, tests: int) -> str:
    """What would decide about the candidate that scores best of those that are undecided."""
    best = rows.sort_values(["difference", "shown"], ascending=False, kind="stable").head(1)
    row = best.iloc[0]
    spread, seeds, documents = Spread.of(best), int(row["seeds"]), int(documents_in(best).iloc[0])
    values = {"margin": row["margin"], "detectable": spread.detectable(seeds, documents, tests)}
    values |= needed_columns(spread, row["margin"], best, tests)
    about = f"{row['candidate']}, {row['speedup']:.2f} times as fast"
    return f"undecided about {about}: {deciding(values, spread, row, documents, tests)}"
