"""Table: one encoder for all tasks, with and without tickets, beside one for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from .inference import LEVEL, holm
from .multi_task_scores import BASELINE
from .outcomes import reported_split
from .result_tables import POINTS, SCORE, SHARE, told, with_intervals
from .tables import Columns, Files, P, read_groups, scope_note, write_formats

#: What modes are called; the order of the table's columns.
MODES = {"full": "No tickets", "super": "Super tickets", "random": "Random tickets", "union": "Union of tickets"}


def write_multi_task_dev(
    results: Path,
    grid: dict[str, Any],
    modes: list[str],
    published: dict[str, Any],
    csv: Path,
    md: Path,
    tex: Path,
) -> None:
    """Write scores of single-task and of multi-task training, and what tickets sharing gains.

    Args:
        results: the results folder, with scores and selections of the single tasks, and ``multi_task/``.
        grid: the winning tickets of the tasks at the main size.
        modes: what tickets the tasks had.
        published: published numbers by model, as ``workflow/published.yaml`` has them.
        csv, md, tex: files to write.
    """
    table = pd.concat(
        [_of_model(results, grid, model, modes, published.get(model, {})) for model in grid["models"]],
        ignore_index=True,
    )
    tested = [mode for mode in modes if mode != BASELINE]
    columns: Columns = {"model": ("Model", ""), "task": ("Task", ""), "metric": ("Metric", "")}
    columns |= {"single_full": ("Single, full", SCORE), "single_super": ("Single, super", SCORE)}
    columns |= {mode: (MODES[mode], SCORE) for mode in MODES if mode in modes}
    columns |= {f"shown_{mode}": (f"Gain, {mode}", "") for mode in tested}
    if "super" in modes:
        columns |= {"p_super": ("p", P), "weight_remaining": ("Weight", SHARE)}
    if published:
        columns |= {
            "published_full": ("No tickets, published", SCORE),
            "published_shared": ("Sharing, published", SCORE),
        }
    shown = table.assign(
        **{
            f"shown_{mode}": with_intervals(table, [f"{name}_{mode}" for name in ("difference", "low", "high")], POINTS)
            for mode in tested
        }
    )
    tasks = table[table["task"] != "average"]
    text = (
        f"One encoder for all tasks, each step through the ticket of its task, and one for each task. "
        f"{scope_note(tasks, grid)} Means over seeds, of the {told(tasks)}. Single: the full model, and the "
        "super ticket chosen on validation. Gains: over training on all tasks without tickets, with "
        f"{LEVEL:.0%} intervals over seeds and examples; p of super tickets by Holm's correction over tasks, an "
        "average's uncorrected. Weight: what the super tickets keep."
    )
    if published:
        text += " Published: Liang et al., ACL 2021, on the development sets."
    write_formats(table, columns, text, Files(csv, md, tex), shown)


def _of_model(
    results: Path, grid: dict[str, Any], model: str, modes: list[str], published: dict[str, Any]
) -> pd.DataFrame:
    """The rows of one model: tasks, and their average."""
    size = grid["train_sizes"][0]
    groups = [{"model": model, "task": task, "train_size": size, "kind": "winning"} for task in grid["tasks"]]
    single, chosen = read_groups(results, "scores", groups), read_groups(results, "selections", groups)
    joint = pd.read_parquet(results / "multi_task" / model / "scores.parquet")
    compared = pd.read_csv(results / "multi_task" / model / "comparisons.csv")
    compared = compared[compared["reported"]]
    rows = []
    for _, ticket in chosen.iterrows():
        task, metric = ticket["task"], ticket["metric"]
        split = reported_split(joint.loc[joint["task"] == task, "split"].unique())
        row = {"model": model, "task": task, "train_size": str(size), "split": split, "metric": metric}
        row |= {"seeds": len(grid["seeds"])}
        alone = single[(single["task"] == task) & (single["split"] == split) & (single["metric"] == metric)]
        for name, ratio in (("single_full", 0.0), ("single_super", ticket["ratio"])):
            row[name] = alone.loc[alone["ratio"] == ratio, "value"].mean()
        where = joint[(joint["task"] == task) & (joint["split"] == split) & (joint["metric"] == metric)]
        row |= where.groupby("mode")["value"].mean().to_dict()
        row["weight_remaining"] = where.loc[where["mode"] == "super", "weight_remaining"].mean()
        numbers = published.get("tasks", {}).get(task, {})
        row |= {f"published_{which}": numbers.get(which, {}).get(metric) for which in ("full", "shared")}
        rows.append(row)
    table = pd.DataFrame(rows)
    if len(table) > 1:
        means = ["single_full", "single_super", *modes, "weight_remaining"]
        average = {"model": model, "task": "average", "seeds": len(grid["seeds"]), **table[means].mean()}
        table = pd.concat([table, pd.DataFrame([average])], ignore_index=True)
    for mode in (mode for mode in modes if mode != BASELINE):
        of_mode = compared[compared["mode"] == mode].set_index("task")
        found = of_mode.reindex(table["task"])[["difference", "low", "high", "p"]].reset_index(drop=True)
        tasks = table["task"] != "average"
        found.loc[tasks, "p"] = holm(found.loc[tasks, "p"].to_numpy())
        table = table.join(found.add_suffix(f"_{mode}"))
    return table
