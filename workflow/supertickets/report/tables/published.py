"""Table: our scores beside the published scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.errors import UserError
from supertickets.evaluation.metric import metric_of
from supertickets.evaluation.results import ratio_of_seed, read_groups, with_chance
from supertickets.evaluation.significance import LEVEL, bounded, mean_intervals
from supertickets.experiment.grid import groups_of
from supertickets.report.tables.formats import (
    POINTS,
    SCORE,
    SHARE,
    Columns,
    Files,
    scope_note,
    undefined_note,
    undefined_rows,
    with_intervals,
    write_formats,
)

Row = dict[str, Any]
#: What was published for averages over tasks only.
OF_AVERAGES = ("published_gain", "published_super_weight", "published_shared_weight", "printed_shared_weight")
#: Columns that are shown, with their headings and formats.
COLUMNS: Columns = {
    "model": ("Model", ""),
    "task": ("Task", ""),
    "metric": ("Metric", ""),
    "chance": ("Chance", SCORE),
    "full": ("Full", ""),
    "ticket": ("Super", ""),
    "gain": ("Gain", ""),
    "published_gain": ("Published gain", POINTS),
    "published_super": ("Super, published", SCORE),
    "units": ("Cut", ""),
    "weight_remaining": ("Weight", SHARE),
    "published_super_weight": ("Weight, published", SHARE),
    "published_full": ("Multi-task, published", SCORE),
    "published_shared": ("Sharing, published", SCORE),
    "published_units": ("Cut, sharing", ""),
    "published_shared_weight": ("Weight, sharing", SHARE),
    "printed_shared_weight": ("As printed", SHARE),
}


def write_published(
    results: Path, grid: dict[str, Any], published: dict[str, Any], csv: Path, md: Path, tex: Path
) -> None:
    """Write the validation scores of full models and super tickets beside the published scores.

    Args:
        results: the results folder, with scores, selections and comparisons.
        grid: the winning tickets at the main size.
        published: published numbers by model; ``workflow/published.yaml`` describes them.
        csv, md, tex: files to write.
    """
    scores, chosen = (read_groups(results, folder, groups_of(grid)) for folder in ("scores", "selections"))
    scores = with_chance(scores[scores["split"].str.startswith("validation")], results, grid)
    chosen = chosen[[row.task in published.get(row.model, {"tasks": ()})["tasks"] for row in chosen.itertuples()]]
    compared = chosen.dropna(subset="weight_remaining")
    rows = _rows(scores, compared, published)
    if not rows:
        raise UserError(
            f"{results}/selections: no published task has a super ticket: scores on validation are undefined"
        )
    table = pd.DataFrame(rows).drop(columns=["by_seed", "lowest"])
    formats = {"full": SCORE, "ticket": SCORE, "gain": POINTS}
    shown = table.assign(
        **{name: with_intervals(table, [name, f"{name}_low", f"{name}_high"], spec) for name, spec in formats.items()},
        units=_pairs(table, "heads_pruned", "ffn_pruned"),
        published_units=_pairs(table, "published_heads_pruned", "published_ffn_pruned"),
    )
    text = _text(grid, table, chosen, compared)
    write_formats(table, COLUMNS, text, Files(csv, md, tex), shown)


def _rows(scores: pd.DataFrame, compared: pd.DataFrame, published: Mapping[str, Any]) -> list[Row]:
    """A row for each published score of a task with a super ticket, and averages of models where all tasks have one."""
    rows: list[Row] = []
    for model, numbers in published.items():
        tickets = compared[compared["model"] == model]
        task_rows = [
            row
            for _, ticket in tickets.iterrows()
            for row in _of_task(scores, ticket, numbers["tasks"][ticket["task"]])
        ]
        rows += [row | _means(row["by_seed"], row["lowest"]) for row in task_rows]
        if set(tickets["task"]) == set(numbers["tasks"]):
            rows.append(_average(pd.DataFrame(task_rows), numbers))
    return rows


def _text(grid: Mapping[str, Any], table: pd.DataFrame, chosen: pd.DataFrame, compared: pd.DataFrame) -> str:
    """The text below the table.

    Args:
        grid: as of :func:`write_published`.
        table: its rows.
        chosen, compared: super tickets of published tasks: of all, and of those that have one.
    """
    text = (
        f"Our scores and published scores. {scope_note(compared, grid)} Scores on the validation split, for MNLI also "
        f"on its mismatched part; means over seeds with {LEVEL:.0%} t intervals over seeds. Chance: the best score of "
        "one answer to all examples, by the first metric of the task. Super: the ticket chosen "
        "and reported on validation, as published, which flatters the gain. Cut: heads and feed-forward blocks pruned. "
        "Published gain: average over tasks of single-task training, as ours, in Liang et al., ACL 2021. Super, "
        "published: scores and mean weight of its super tickets as Jiang et al., arXiv 2210.06210, table 2, have them; "
        "their average is over these metrics. Multi-task and sharing: Liang et al. on one encoder trained on all "
        "tasks, without tickets and with tickets sharing; ours are of one encoder for each task. They show the range "
        "of scores and are not to be matched. Cuts of sharing are of one seed; the weight is their mean over tasks. "
        "What is printed for it is the weight at the tasks' mean numbers of cut units, rounded down."
    )
    empty = table["gain"].isna() & (table["task"] != "average")
    text += undefined_note(undefined_rows(table.loc[empty, "task"]))
    if without := sorted({*chosen["task"]} - {*compared["task"]}):
        text += f" No super ticket, as validation scores of every ratio are undefined: {', '.join(without)}."
    return text


def _of_task(scores: pd.DataFrame, ticket: pd.Series, numbers: Mapping[str, Any]) -> Iterator[Row]:
    """Yield a row for each published score of a task, with our scores by seed (columns full, ticket and gain)."""
    task_scores = scores[(scores["model"] == ticket["model"]) & (scores["task"] == ticket["task"])]
    for (split, metric), rows in task_scores.groupby(["split", "metric"], sort=False):
        score = metric + split.removeprefix("validation")
        if score not in numbers["full"]:
            continue
        by_ratio = rows.pivot(index="seed", columns="ratio", values="value")
        full = by_ratio[0.0]
        super_ticket = pd.Series({seed: by_ratio.at[seed, ratio_of_seed(ticket, seed)] for seed in by_ratio.index})
        names = ("model", "task", "ratio", "heads_pruned", "ffn_pruned", "weight_remaining")
        yield {
            **{name: ticket[name] for name in names},
            "metric": score,
            "lowest": metric_of(metric).lowest,
            "chance": rows["chance"].iloc[0] if metric == ticket["metric"] else float("nan"),
            "seeds": len(by_ratio),
            **{f"published_{units}_pruned": count for units, count in numbers["pruned"].items()},
            **{f"published_{which}": numbers[which][score] for which in ("full", "shared")},
            "published_super": numbers.get("super", {}).get(score, float("nan")),
            **dict.fromkeys(OF_AVERAGES, float("nan")),
            "by_seed": pd.DataFrame({"full": full, "ticket": super_ticket, "gain": super_ticket - full}),
        }


def _average(rows: pd.DataFrame, numbers: Mapping[str, Any]) -> Row:
    """Make the row of averages over tasks; the scores of each task are averaged first, as published."""
    by_task = [sum(task_rows["by_seed"]) / len(task_rows) for _, task_rows in rows.groupby("task", sort=False)]
    means = ["weight_remaining", "published_full", "published_shared", "published_super"]
    lowest = rows.groupby("task")["lowest"].mean().mean()
    return {
        "model": rows["model"].iloc[0],
        "task": "average",
        "seeds": rows["seeds"].iloc[0],
        **rows.groupby("task", sort=False)[means].mean().mean(),
        **_means(sum(by_task) / len(by_task), lowest),
        "published_gain": numbers["average_gain"],
        "published_super_weight": numbers.get("super_weight", float("nan")),
        "published_shared_weight": numbers["shared_weight"]["mean"],
        "printed_shared_weight": numbers["shared_weight"]["printed"],
    }


def _means(by_seed: pd.DataFrame, lowest: float) -> dict[str, float]:
    """Compute the means over seeds of full, ticket and gain, and the ends of their intervals where they have any."""
    table = mean_intervals(by_seed.melt(var_name="name"), ["name"])
    found: dict[str, float] = {}
    for name in by_seed:
        low, high = bounded(table.loc[[name]], lowest, gains=name == "gain")
        found |= {name: table.at[name, "mean"], f"{name}_low": low.item(), f"{name}_high": high.item()}
    return found


def _pairs(table: pd.DataFrame, heads_name: str, ffn_name: str) -> list[str]:
    """Format numbers of heads and feed-forward blocks as text, empty where they are missing."""
    pairs = zip(table[heads_name], table[ffn_name], strict=True)
    return ["" if pd.isna(heads) else f"{heads:.0f}, {ffn:.0f}" for heads, ffn in pairs]
