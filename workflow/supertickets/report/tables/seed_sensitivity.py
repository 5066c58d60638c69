"""Table: spread of scores over seeds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.evaluation.columns import MODEL_TASK_SIZE, read_table
from supertickets.evaluation.results import TABLES, ratio_of_seed, read_groups, read_judged, reported
from supertickets.experiment.grid import NO_TICKETS, groups_of, source_of
from supertickets.report.tables.formats import (
    SCORE,
    STD,
    WHERE,
    Files,
    reported_splits_text,
    scope_note,
    undefined_note,
    undefined_scores,
    write_formats,
)

#: A new task that has the whole encoder, which was trained with tickets.
WITH_TICKETS = "super-full"
#: The ways (:mod:`supertickets.experiment.grid`) without and with tickets, by the training that the table names.
SPREADS = {
    "alone": ("single_full", "single_super"),
    "new task": ("pretrained", ""),
    "all tasks": ("full", "super"),
    "all tasks, then alone": ("full_then_single", "super_then_single"),
    "all tasks, then new task": (NO_TICKETS, WITH_TICKETS),
}


def write_seed_sensitivity(
    results: Path, grid: dict[str, Any], others: dict[str, str], csv: Path, md: Path, tex: Path
) -> None:
    """Write the spread over seeds of full models and super tickets, on the reported split.

    Args:
        results: the results folder, with ``verdicts.csv`` and scores.
        grid: the axes of the runs.
        others: files with scores of other ways of training (:func:`~supertickets.evaluation.ways.score_ways`), each
            with the part that is reported; beside each is ``comparisons.csv`` of these ways.
        csv, md, tex: files to write.
    """
    verdicts = read_judged(results, "verdicts.csv")
    winning = [group for group in groups_of(grid) if group["kind"] == "winning"]
    scores = read_groups(results, "scores", winning)
    keys = [*MODEL_TASK_SIZE, "split", "metric"]
    rows = []
    for _, ticket in verdicts.iterrows():
        of_ticket = scores[(scores[keys] == ticket[keys]).all(axis=1)]
        own = of_ticket["seed"].map({seed: ratio_of_seed(ticket, seed) for seed in grid["seeds"]})
        rows.append(
            ticket[[*keys, "seeds", "ratio"]].to_dict()
            | {"training": "alone"}
            | spread_of(
                of_ticket.loc[of_ticket["ratio"] == 0, "value"],
                of_ticket.loc[of_ticket["ratio"] == own, "value"],
            )
        )
    tables = [(read_table(Path(path), TABLES["scores of ways"]), scored) for path, scored in others.items()]
    rows += [row for table, scored in tables for row in other_spreads(reported(table, scored))]
    # The scores of single tasks can be in both sources.
    table = pd.DataFrame(rows).drop_duplicates([*MODEL_TASK_SIZE, "training"], ignore_index=True)
    # That of new tasks is in no table of single tasks.
    compared = [read_table(Path(path).with_name("comparisons.csv"), TABLES["comparisons of ways"]) for path in others]
    chance = pd.concat([of_tasks[[*keys, "chance"]] for of_tasks in (verdicts, *compared)]).drop_duplicates(keys)
    table = table.merge(chance, on=keys, how="left")
    columns = WHERE | {"training": ("Training", ""), "split": ("Split", ""), "metric": ("Metric", "")}
    columns |= {"chance": ("Chance", SCORE)}
    for name, head in (("full", "Full"), ("super", "Super")):
        columns |= {f"{name}_mean": (head, SCORE), f"{name}_std": (f"{head} std", STD)}
        columns |= {f"{name}_{statistic}": (f"{head} {statistic}", SCORE) for statistic in ("min", "max")}
    text = (
        f"Spread over seeds of full models and super tickets: standard deviation and range. {scope_note(table, grid)} "
        f"Scores on the {reported_splits_text(table)}. Chance: the best score of one answer to all examples. Super, "
        "trained alone: the ticket that these very runs chose on validation, which flatters its mean on every split."
        f"{undefined_note(undefined_scores(scores))}"
    )
    if others:
        text += (
            " All tasks: one encoder for all tasks, without tickets and with each task's super ticket. Then alone: "
            "each task continues alone from this encoder. Then new task: a task that the encoder was not trained on "
            "continues from the whole encoder."
        )
    if any(table["training"].str.endswith(" alone, then new task")):
        text += " One alone, then new task: the same from an encoder that was trained on this task alone."
    write_formats(table, columns, text, Files(csv, md, tex))


def spread_of(full: pd.Series, ticket: pd.Series) -> dict[str, float]:
    """Compute mean, standard deviation and range over seeds of scores without and with tickets."""
    pairs = (("full", full), ("super", ticket))
    statistics = ("mean", "std", "min", "max")
    return {
        f"{name}_{statistic}": getattr(scores, statistic)(skipna=False)
        for name, scores in pairs
        for statistic in statistics
    }


def other_spreads(scores: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield rows of the spread over seeds for the ways of training in a table of reported scores."""
    keys = [*MODEL_TASK_SIZE, "split", "metric"]
    sources = filter(None, dict.fromkeys(scores["way"].map(source_of)))
    ways = SPREADS | {
        f"{source} alone, then new task": (f"{source}:{NO_TICKETS}", f"{source}:{WITH_TICKETS}") for source in sources
    }
    for values, rows in scores.groupby(keys, sort=False):
        by_way = dict(iter(rows.groupby("way")["value"]))
        for training, (full, ticket) in ways.items():
            if {full, ticket} & by_way.keys():
                spread = spread_of(*(by_way.get(way, pd.Series(dtype=float)) for way in (full, ticket)))
                named = dict(zip(keys, values, strict=True))
                yield {**named, "seeds": rows["seed"].nunique(), "training": training} | spread
