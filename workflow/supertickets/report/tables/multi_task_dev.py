"""Table: multi-task training with and without tickets, beside single-task training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.evaluation.results import reported, reported_split_of, resampled_text
from supertickets.evaluation.significance import LEVEL, mean_of
from supertickets.experiment.grid import BASELINE
from supertickets.experiment.paths import shared_name
from supertickets.report.tables.formats import (
    POINTS,
    SCORE,
    SHARE,
    STD,
    Columns,
    Files,
    P,
    few_seeds_note,
    reported_splits_text,
    scope_note,
    undefined_note,
    undefined_rows,
    with_intervals,
    write_formats,
)
from supertickets.report.tables.ways import MODES, read_ways, summarized, with_differences

#: Names of the ways of training, in the order of rows.
WAYS = {"single_full": "one task, full", "single_super": "one task, super ticket"}
WAYS |= {mode: f"all tasks, {name}" for mode, name in MODES.items()}
WAYS |= {f"{mode}_then_single": f"all tasks, {name}, then one" for mode, name in MODES.items()}
#: Names of the published numbers that belong to a way.
PUBLISHED = {"full": "full", "super": "shared"}
#: Name of an average over each task's mean over its metrics.
ALL_METRICS = "all metrics"


def write_multi_task_dev(
    results: Path,
    grid: dict[str, Any],
    ratios: list[str],
    published: dict[str, Any],
    csv: Path,
    md: Path,
    tex: Path,
) -> None:
    """Write the scores of single-task and multi-task training, and their gains over multi-task without tickets.

    Args:
        results: the results folder, with ``multi_task/``.
        grid: the winning tickets of the tasks at the main size.
        ratios: the tasks, or model/task, whose super tickets have a ratio that the config sets.
        published: published numbers by model, as in ``workflow/published.yaml``.
        csv, md, tex: files to write.
    """
    table = pd.concat(
        [_of_model(results, grid, model, published.get(model, {})) for model in grid["models"]], ignore_index=True
    )
    columns: Columns = {"model": ("Model", ""), "task": ("Task", ""), "metric": ("Metric", "")}
    columns |= {"chance": ("Chance", SCORE)}
    columns |= {"name": ("Training", ""), "score": ("Score", SCORE), "std": ("Std", STD), "gain": ("Gain", "")}
    columns |= {"p": ("p", P), "weight_remaining": ("Weight", SHARE)}
    if published:
        columns |= {"published": ("Published", SCORE)}
    if "published_weight_mean" in table:
        columns |= {
            "published_weight_mean": ("Published weight", SHARE),
            "published_weight_printed": ("As printed", SHARE),
        }
    shown = table.assign(name=table["way"].map(WAYS), gain=with_intervals(table, ["difference", "low", "high"], POINTS))
    tasks = table[table["task"] != "average"]
    text = (
        f"One encoder for all tasks, where each step trains the ticket of its task, and one encoder for each task. "
        f"{scope_note(tasks, grid)} Means and standard deviations over seeds, on the {reported_splits_text(tasks)}. "
        f"Gain: over training on all tasks without tickets, with {LEVEL:.0%} intervals over seeds and "
        f"{resampled_text(tasks)}, by a task's first metric; p with Holm's correction over tasks, except for the "
        "average. The average is over first metrics. Chance: the best score of one answer to all examples, by the "
        "first metric. Weight: the weight remaining in a task's model."
    )
    text += few_seeds_note(grid) + undefined_note(undefined_rows(tasks.loc[tasks["score"].isna(), "task"]))
    if ratios:
        text += f" The ratios of the super tickets of {', '.join(ratios)} are set in the config."
    if {name.rpartition("/")[2] for name in ratios} != {*grid["tasks"]}:
        others = ", and the others where validation is reported" * ("validation" in set(tasks["split"]))
        text += (
            f" Super tickets were chosen on validation by the very runs of {WAYS['single_super']!r}, which flatters "
            f"these on every split{others}."
        )
    if any(name.endswith("_then_single") for name in table["way"]):
        text += " Then one: each task continues alone from the encoder of all tasks, with its ticket and its head."
    if published:
        text += " Published: Liang et al., ACL 2021, on the development sets."
    if "published_weight_mean" in table:
        text += (
            f" Its average, and ours beside it ({ALL_METRICS}), is over tasks, of each task's mean over its metrics. "
            "Published weight: the mean over tasks; what was printed is the weight at their mean numbers of cut units, "
            "rounded down."
        )
    write_formats(table, columns, text, Files(csv, md, tex), shown)


def _of_model(results: Path, grid: dict[str, Any], model: str, published: dict[str, Any]) -> pd.DataFrame:
    """Make the rows of one model: the ways of each task, and of the average over tasks."""
    folder = results / "multi_task" / shared_name(grid["tasks"]) / model
    scores, compared = read_ways(folder)
    splits = scores.groupby("task")["split"].transform(reported_split_of)
    shown = scores[(scores["split"] == splits) | (scores["split"] == "validation_mismatched")]
    table = summarized(shown, ["model", "task", "train_size", "split", "metric", "way"])
    mismatched = table["split"] == "validation_mismatched"
    table["metric"] += mismatched.map({True: "_mismatched", False: ""})
    numbers = published.get("tasks", {})
    table["published"] = [
        numbers.get(row.task, {}).get(PUBLISHED.get(row.way, ""), {}).get(row.metric, float("nan"))
        for row in table.itertuples()
    ]
    if len(grid["tasks"]) > 1:
        table = pd.concat([table, _average(scores)], ignore_index=True)
    table = with_differences(table, compared, BASELINE)
    if published and {*numbers} == {*grid["tasks"]}:
        table = pd.concat([table, _average_as_published(shown, table, published)], ignore_index=True)
    places = {name: place for place, name in enumerate([*grid["tasks"], "average", *WAYS])}
    metrics = {name: place for place, name in enumerate(table["metric"].unique())}
    order = sorted(
        table.index,
        key=lambda row: (places[table["task"][row]], metrics[table["metric"][row]], places[table["way"][row]]),
    )
    return table.loc[order].reset_index(drop=True)


def _average(scores: pd.DataFrame) -> pd.DataFrame:
    """Average first metrics on reported splits over tasks, seed by seed."""
    by_seed = reported(scores).groupby(["model", "train_size", "way", "seed"], sort=False, as_index=False)
    rows = by_seed[["value", "weight_remaining"]].agg(mean_of).assign(task="average")
    return summarized(rows, ["model", "task", "train_size", "way"])


def _average_as_published(scores: pd.DataFrame, table: pd.DataFrame, published: dict[str, Any]) -> pd.DataFrame:
    """Average over tasks each task's mean over its metrics, seed by seed, and the published scores likewise.

    Args:
        scores: all metrics on the reported splits, and MNLI on both parts.
        table: rows of tasks, with their published scores.
        published: the model's published numbers, of just these tasks.
    """
    keys = ["model", "train_size", "way"]
    by_task = scores.groupby([*keys, "task", "seed"], as_index=False)[["value", "weight_remaining"]].agg(mean_of)
    rows = by_task.groupby([*keys, "seed"], as_index=False)[["value", "weight_remaining"]].agg(mean_of)
    average = summarized(rows.assign(task="average", metric=ALL_METRICS), [*keys, "task", "metric"])
    of_tasks = table[table["task"] != "average"].groupby(["way", "task"])["published"].agg(mean_of)
    average["published"] = average["way"].map(of_tasks.groupby("way").agg(mean_of))
    for name, weight in published["shared_weight"].items():
        average[f"published_weight_{name}"] = average["way"].map({"super": weight}).astype(float)
    baseline = average.loc[average["way"] == BASELINE, "score"].item()
    return average.assign(difference=(average["score"] - baseline).where(average["way"] != BASELINE))
