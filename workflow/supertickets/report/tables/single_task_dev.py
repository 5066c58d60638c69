"""Tables of results: what tickets score, what super tickets are and gain, and how much seeds matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.evaluation.results import read_groups, read_judged
from supertickets.evaluation.select_ticket import EXPERIMENT, WAYS, honest
from supertickets.evaluation.significance import LEVEL, average
from supertickets.experiment.grid import groups_of
from supertickets.report.tables.formats import (
    POINTS,
    SCORE,
    SHARE,
    WHERE,
    Files,
    P,
    scope_note,
    told,
    with_intervals,
    write_formats,
)

#: What is told of a super ticket by each way.
MEANS = ("full", "ticket", "difference")
#: Columns that the average gain of several tasks is made of.
AVERAGED = ("difference", "error", "freedom", "seeds_error")
#: A gain and the ends of its interval.
ENDS = ("difference", "low", "high")


def write_single_task_dev(results: Path, grid: dict[str, Any], csv: Path, md: Path, tex: Path) -> None:
    """Write what super tickets score and gain: reported on the split that they were chosen on, and honestly.

    Args:
        results: the results folder, with ``verdicts.csv`` and the comparisons of winning tickets.
        grid: what spans the runs.
        csv, md, tex: files to write.
    """
    verdicts = read_judged(results, "verdicts.csv", grid)
    ways = [way for way in WAYS if f"difference_{way}" in verdicts]
    table = verdicts.assign(**{name: honest(verdicts, name) for name in (*MEANS, "low", "high")})
    others = further(results, grid, verdicts)
    table = pd.concat([table, others, *averages(table, ways, len(grid["seeds"]))], ignore_index=True)
    ways = [way for way in WAYS if f"difference_{way}" in table]
    names = [f"{name}_{way}" for way in ways for name in (*MEANS, "low", "high", "p")]
    first = [*EXPERIMENT, "metric", "split", "seeds", "ratio", "weight_remaining"]
    table = table[[*first, *MEANS, "low", "high", "gain_p_holm", *names]]
    heads = dict(zip(WAYS, ("Gain, same split", "Gain, cross-fitted", "Gain, test"), strict=True))
    columns = {**WHERE, "metric": ("Metric", ""), "weight_remaining": ("Weight", SHARE)}
    columns |= {"full": ("Full", SCORE), "ticket": ("Super", SCORE), **{way: (heads[way], "") for way in ways}}
    columns["gain_p_holm"] = ("p", P)
    text = (
        f"Full model and super ticket. {scope_note(verdicts, grid)} Means over seeds; scores are of the "
        f"{told(verdicts)}. Same split: ticket chosen and reported on validation, as published, which flatters it. "
        "Cross-fitted: each half of validation reported with the ticket that the other half chose. Test: chosen on "
        f"validation, reported on test. Intervals are of {LEVEL:.0%}, over seeds and examples. Full, Super and p (by "
        "Holm's correction over tasks, an average's uncorrected) are of test, or cross-fitted where there is no test."
    )
    if len(others):
        text += " Mismatched: a further part that took no part in the choice, so its gain is told as that on test."
    shown = table.assign(**{way: with_intervals(table, [f"{name}_{way}" for name in ENDS], POINTS) for way in ways})
    shown["task"] += table["split"].map({"validation_mismatched": " (mismatched)"}).fillna("")
    write_formats(table, columns, text, Files(csv, md, tex), shown)


def further(results: Path, grid: dict[str, Any], verdicts: pd.DataFrame) -> pd.DataFrame:
    """Rows of parts other than validation and test, such as MNLI's mismatched one, with the honest scores.

    Args:
        results: the results folder.
        grid: what spans the runs.
        verdicts: the super tickets. None was chosen on these parts, so what one gains there is held out.
    """
    winning = [group for group in groups_of(grid) if group["kind"] == "winning"]
    compared = read_groups(results, "comparisons", winning, grid)
    compared = compared[~compared["split"].isin(["validation", "test"])]
    found = verdicts[[*EXPERIMENT, "ratio"]].merge(compared, on=[*EXPERIMENT, "ratio"])
    return found.assign(**{f"{name}_held_out": found[name] for name in (*MEANS, "low", "high", "p")})


def averages(table: pd.DataFrame, ways: list[str], seeds: int) -> Iterator[pd.DataFrame]:
    """A row of averages over tasks for each model and size that has several; a way that not all tasks have is left out.

    Args:
        table: one row a task, with the honest scores too.
        ways: those of :data:`~supertickets.evaluation.select_ticket.WAYS` that are there.
        seeds: number of seeds.
    """
    for (model, size), rows in table.groupby(["model", "train_size"], sort=False):
        if len(rows) < 2:
            continue
        row = {"model": model, "train_size": size, "task": "average", "seeds": seeds}
        row |= {name: rows[name].mean() for name in ("weight_remaining", "full", "ticket")}
        found = averaged({name: honest(rows, name) for name in AVERAGED}, seeds)
        row |= {name: found[name] for name in ("difference", "low", "high")} | {"gain_p_holm": found["p"]}
        for way in ways:
            if rows[f"difference_{way}"].notna().all():
                values = averaged({name: rows[f"{name}_{way}"] for name in AVERAGED}, seeds)
                values |= {name: rows[f"{name}_{way}"].mean() for name in ("full", "ticket")}
                row |= {f"{name}_{way}": value for name, value in values.items()}
        yield pd.DataFrame([row])


def averaged(columns: Mapping[str, pd.Series], seeds: int) -> dict[str, float]:
    """The average gain of several tasks, from the columns ``AVERAGED`` of one way."""
    differences, errors, freedoms, seeds_errors = (columns[name].to_numpy() for name in AVERAGED)
    return average(differences, errors, freedoms, seeds_errors, seeds)
