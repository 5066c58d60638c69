"""Our scores beside the published ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.evaluation.results import read_curves
from supertickets.evaluation.significance import LEVEL, mean_intervals
from supertickets.report.tables.formats import (
    POINTS,
    SCORE,
    SHARE,
    Columns,
    Files,
    scope_note,
    with_intervals,
    write_formats,
)

Row = dict[str, Any]


def write_published(
    results: Path, grid: dict[str, Any], published: dict[str, Any], csv: Path, md: Path, tex: Path
) -> None:
    """Write what full models and super tickets score on validation beside the published scores.

    Args:
        results: the results folder, with scores and selections.
        grid: the winning tickets at the main size.
        published: published numbers by model; what they are says ``workflow/published.yaml``.
        csv, md, tex: files to write.
    """
    scores, chosen = read_curves(results, grid)
    scores = scores[scores["split"].str.startswith("validation")]
    compared = chosen[[row.task in published.get(row.model, {"tasks": ()})["tasks"] for row in chosen.itertuples()]]
    rows: list[Row] = []
    for model, numbers in published.items():
        tickets = compared[compared["model"] == model]
        of_model = [
            row
            for _, ticket in tickets.iterrows()
            for row in _of_task(scores, ticket, numbers["tasks"][ticket["task"]])
        ]
        rows += [row | _means(row["by_seed"]) for row in of_model]
        if set(tickets["task"]) == set(numbers["tasks"]):
            rows.append(_average(pd.DataFrame(of_model), numbers))
    table = pd.DataFrame(rows).drop(columns="by_seed")
    told = {"full": SCORE, "ticket": SCORE, "gain": POINTS}
    shown = table.assign(
        **{name: with_intervals(table, [name, f"{name}_low", f"{name}_high"], how) for name, how in told.items()},
        units=_pairs(table, "heads_pruned", "ffn_pruned"),
        published_units=_pairs(table, "published_heads_pruned", "published_ffn_pruned"),
    )
    columns: Columns = {"model": ("Model", ""), "task": ("Task", ""), "metric": ("Metric", "")}
    columns |= {"full": ("Full", ""), "ticket": ("Super", ""), "gain": ("Gain", "")}
    columns |= {
        "published_gain": ("Published gain", POINTS),
        "units": ("Cut", ""),
        "weight_remaining": ("Weight", SHARE),
    }
    columns |= {"published_units": ("Published cut", ""), "published_shared_weight": ("Published weight", SHARE)}
    columns |= {"published_full": ("Multi-task, published", SCORE), "published_shared": ("Sharing, published", SCORE)}
    text = (
        f"Ours and published. {scope_note(compared, grid)} Scores are of the validation "
        f"split (MNLI's also of its mismatched one); means over seeds with {LEVEL:.0%} t intervals over seeds. "
        "Super: the ticket chosen and reported on validation, as published, which flatters the gain. Cut: heads and "
        "feed-forward blocks pruned. Published: Liang et al., ACL 2021. Its scores by task are of one encoder trained "
        "on all tasks, without and with tickets sharing, ours of one for each task, so they show where scores lie and "
        "are not to be matched, as its cuts and weight are of the tickets that were shared; its gain, an average over "
        "the tasks, is of single-task training as ours."
    )
    write_formats(table, columns, text, Files(csv, md, tex), shown)


def _of_task(scores: pd.DataFrame, ticket: pd.Series, numbers: Mapping[str, Any]) -> Iterator[Row]:
    """A row for each published score of a task, with our scores by seed (columns full, ticket and gain)."""
    where = scores[(scores["model"] == ticket["model"]) & (scores["task"] == ticket["task"])]
    for (split, metric), found in where.groupby(["split", "metric"], sort=False):
        score = metric + split.removeprefix("validation")
        if score not in numbers["full"]:
            continue
        by_ratio = found.pivot(index="seed", columns="ratio", values="value")
        full, super_ticket = by_ratio[0.0], by_ratio[ticket["ratio"]]
        names = ("model", "task", "ratio", "heads_pruned", "ffn_pruned", "weight_remaining")
        yield {
            **{name: ticket[name] for name in names},
            "metric": score,
            "seeds": len(by_ratio),
            **{f"published_{units}_pruned": count for units, count in numbers["pruned"].items()},
            **{f"published_{which}": numbers[which][score] for which in ("full", "shared")},
            **dict.fromkeys(("published_gain", "published_shared_weight"), float("nan")),  # of averages alone
            "by_seed": pd.DataFrame({"full": full, "ticket": super_ticket, "gain": super_ticket - full}),
        }


def _average(rows: pd.DataFrame, numbers: Mapping[str, Any]) -> Row:
    """The row of averages over tasks, each task's scores averaged first, as published."""
    by_task = [sum(one["by_seed"]) / len(one) for _, one in rows.groupby("task", sort=False)]
    means = ["weight_remaining", "published_full", "published_shared"]
    return {
        "model": rows["model"].iloc[0],
        "task": "average",
        "seeds": rows["seeds"].iloc[0],
        **rows.groupby("task", sort=False)[means].mean().mean(),
        **_means(sum(by_task) / len(by_task)),
        "published_gain": numbers["average_gain"],
        "published_shared_weight": numbers["shared_weight"],
    }


def _means(by_seed: pd.DataFrame) -> dict[str, float]:
    """Means over seeds of each column, and the edges of their intervals where there are several seeds."""
    table = mean_intervals(by_seed.melt(var_name="name"), ["name"])
    edges = table["half"].where(table["seeds"] > 1)
    found = {"": table["mean"], "_low": table["mean"] - edges, "_high": table["mean"] + edges}
    return {f"{name}{edge}": values[name] for name in by_seed for edge, values in found.items()}


def _pairs(table: pd.DataFrame, heads: str, ffn: str) -> list[str]:
    """Heads and feed-forward blocks as text, empty where there are none."""
    pairs = zip(table[heads], table[ffn], strict=True)
    return ["" if pd.isna(one) else f"{one:.0f}, {other:.0f}" for one, other in pairs]
