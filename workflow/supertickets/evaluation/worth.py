"""Answers to whether pruning is worth it: what is as good as the full model, and how much faster it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from supertickets.evaluation.columns import TRIAL, documents_in
from supertickets.evaluation.gain import HONEST
from supertickets.evaluation.int8 import read_int8
from supertickets.evaluation.judge import corrected, deciding
from supertickets.evaluation.latency import CONDITION, SPEEDUP, TIMES, read_latency, usual, variant_name
from supertickets.evaluation.power import Spread, needed_columns
from supertickets.evaluation.results import read_groups
from supertickets.evaluation.rivals import read_rivals
from supertickets.evaluation.significance import LEVEL, NAMES, holm, holm_above
from supertickets.experiment.grid import groups_of
from supertickets.experiment.int8 import FULL, SUPER

#: What candidates are called, beside rivals.
TICKET, INT8, INT8_TICKET = "the super ticket", "int8", "the super ticket in int8"
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
        results: the results folder, with selections, comparisons and latency, and comparisons of rivals and in eight
            bits where there are any.
        grid: the winning tickets at the main size.
        margins: by task the loss, in points, that still counts as kept.
        rivals: of each model, with their names in words.
        int8: whether there are predictions in int8.

    Returns:
        A row for each candidate: model, task, train_size, ``candidate``, ``weight`` (missing where there is no
        ticket), the columns of :func:`~supertickets.evaluation.significance.difference` to the full model
        with split, metric, seeds, examples and documents, ``chance``, ``p_chance_holm`` and ``full_model``, the score
        of the full model on the whole split (missing where no ticket has one), the columns of :func:`speeds_of`, those
        of :func:`judged`, and ``answer``, the same for all candidates of a task.
        And by model and task the machine that measured.

    Raises:
        UserError: a file is damaged.
    """
    groups = groups_of(grid)
    chosen = read_groups(results, "selections", groups)
    curves = corrected(read_groups(results, "comparisons", groups))
    # The full model is in each row whose ticket has a score.
    curves = curves[curves["reported"]].groupby(TRIAL, sort=False, as_index=False).first()
    tickets = chosen.assign(**{name: chosen[f"{name}_{HONEST}"] for name in NAMES})
    tickets = tickets.merge(curves[[*TRIAL, "examples"]], on=TRIAL)
    tickets = tickets.rename(columns={"weight_remaining": "weight"})
    tables = [tickets.assign(candidate=TICKET, variant=_variants(tickets), rounded=False)]
    names = {model: list(words) for model, words in rivals.items()}
    if any(names.values()):
        others = read_rivals(results, grid).query("way == 'rival'")
        called = [rivals[model][rival] for model, rival in zip(others["model"], others["rival"], strict=True)]
        tables.append(others.assign(candidate=called, variant=others["rival"], rounded=False))
    if int8:
        eight = read_int8(results, grid).rename(columns={"weight_remaining": "weight"})
        ways = eight["way"].map({FULL: INT8, SUPER: INT8_TICKET})
        tables.append(eight.assign(candidate=ways, variant=_variants(eight), rounded=True))
    columns = [*TRIAL, "candidate", "variant", "rounded", "weight", "split", "metric", "seeds", "examples"]
    columns += ["documents"] * any("documents" in table for table in tables)
    rows = pd.concat([table.reindex(columns=[*columns, *NAMES]) for table in tables], ignore_index=True)
    of_full = curves[[*TRIAL, "chance", "p_chance_holm", "full"]].rename(columns={"full": "full_model"})
    rows = rows.merge(of_full, on=TRIAL)
    measured, machines = read_latency(results, groups, rivals=True)
    speeds = [speeds_of(table, int8) for _, table in measured.groupby(["model", "task"], sort=False)]
    rows = rows.merge(pd.concat(speeds, ignore_index=True), how="left", on=["model", "task", "variant", "rounded"])
    rows = rows.astype(dict.fromkeys(("threads", "batch_size", "length"), "Int64"))  # missing without a ticket
    rows = pd.concat([part for _, part in rows.groupby(TRIAL, sort=False)], ignore_index=True)
    return answered(judged(rows, margins)), machines


def _variants(rows: pd.DataFrame) -> list[str]:
    """The models that are measured for tickets, or full models, of these ratios; empty where no ticket is chosen."""
    pairs = zip(rows["model"], rows["ratio"], strict=True)
    return [variant_name(model, ratio) if ratio == ratio else "" for model, ratio in pairs]


def speeds_of(measured: pd.DataFrame, int8: bool) -> pd.DataFrame:
    """Speed-ups over the full model by the first backend that has whole numbers, of batches as the config lists first.

    On a GPU if there is one and nothing is asked for in eight bits, which compute on a CPU; otherwise on all cores.
    Models in eight bits were not measured in the same rounds as that full model. Their speed-up is the quotient of two
    medians, and its interval goes from the least quotient of the ends of their intervals to the largest.

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
    whole = usual(rows[rows["backend"] != "int8"]).assign(rounded=False)
    full = whole[whole["ratio"] == 0].iloc[0]
    eight = rows[(rows["backend"] == "int8") & (rows["threads"] == full["threads"])].assign(rounded=True)
    for name, of_full, own in zip(SPEEDUP, TIMES, (TIMES[0], TIMES[2], TIMES[1]), strict=True):
        eight[name] = full[of_full] / eight[own]
    columns = ["model", "task", "variant", "rounded", *CONDITION, *SPEEDUP]
    return pd.concat([whole, eight] if int8 else [whole])[columns]


def judged(candidates: pd.DataFrame, margins: Mapping[str, float]) -> pd.DataFrame:
    """Add what is shown of each candidate; tests are corrected over the candidates and tasks of a model (Holm).

    Args:
        candidates: with model, task, what :func:`~supertickets.evaluation.significance.difference` returns, ``seeds``,
            ``examples``, ``documents`` of tasks that have them, and ``speedup_low``.
        margins: by task.

    Returns:
        With ``margin``, ``p_keeps`` (one-sided, that it does not lose less than the margin), ``p_holm`` (two-sided),
        ``score`` (:data:`KEEPS`, :data:`LOSES`, :data:`OPEN` or :data:`UNDEFINED`), ``gains``, whether its gain is
        significant, and ``faster``, whether its speed-up is.
    """
    rows = candidates.assign(margin=candidates["task"].map(margins))
    above = rows.assign(difference=rows["difference"] + rows["margin"])
    by_model = rows.groupby("model", sort=False).groups.values()
    keeps, both = (pd.Series(np.nan, rows.index) for _ in range(2))
    for place in by_model:
        keeps[place] = holm_above(above.loc[place], 0.0)
        both[place] = holm(rows.loc[place, "p"].to_numpy())
    differs, difference = both <= 1 - LEVEL, rows["difference"]
    score = np.select(
        [difference.isna(), keeps <= 1 - LEVEL, differs & (difference < -rows["margin"])],
        [UNDEFINED, KEEPS, LOSES],
        OPEN,
    )
    return rows.assign(
        p_keeps=keeps, p_holm=both, score=score, gains=differs & (difference > 0), faster=rows["speedup_low"] > 1
    )


def answered(candidates: pd.DataFrame) -> pd.DataFrame:
    """Add ``answer`` to candidates as of :func:`judged`, with ``chance``, ``p_chance_holm`` and ``full_model``."""
    tests = candidates.groupby("model")["candidate"].transform("size")
    by_task = [*candidates.groupby(TRIAL, sort=False).groups.values()]
    answers = pd.Series("", candidates.index)
    for place in by_task:
        answers[place] = answer_of(candidates.loc[place], int(tests[place[0]]))
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
        constant = f"{first['chance']:.1f}, the score of one answer to all examples"
        return f"no answer: the full model ({full:.1f}) is not shown to beat {constant}"
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
