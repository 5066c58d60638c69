"""Table: the tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.data.examples import read_examples, read_left_out
from supertickets.evaluation.results import read_groups
from supertickets.experiment.grid import groups_of
from supertickets.report.tables.formats import Columns, Files, scope_note, write_formats

PARTS = ("train", "validation", "test")


def write_tasks(
    results: Path, grid: dict[str, Any], definitions: dict[str, Any], csv: Path, md: Path, tex: Path
) -> None:
    """Write the sizes, classes and metrics of each task.

    Args:
        results: the results folder, with tasks and scores.
        grid: the winning tickets at the main size.
        definitions: definitions of the tasks, by name.
        csv, md, tex: files to write.
    """
    scores = read_groups(results, "scores", groups_of(grid))
    rows = []
    for task in grid["tasks"]:
        file = results / "tasks" / f"{task}.parquet"
        examples = read_examples(file, "split", "label").to_pandas()
        definition = definitions[task]
        sizes = examples["split"].value_counts()
        scored = scores[scores["task"] == task].groupby("split")["examples"].max()
        row = {"task": task, "type": definition["type"], "classes": len(definition.get("labels", [])) or float("nan")}
        row |= {part: int(sizes.get(part, 0)) for part in PARTS}
        row |= {"left_out": read_left_out(file)}
        row |= {f"{part}_scored": int(scored.get(part, 0)) for part in PARTS[1:]}
        if definition["type"] == "classification":
            row["largest_class"] = (
                examples.loc[examples["split"] == "train", "label"].value_counts(normalize=True).max()
            )
        rows.append(row | {"metrics": ", ".join(definition["metrics"])})
    table = pd.DataFrame(rows).reindex(columns=[*rows[0], *({"largest_class"} - set(rows[0]))])
    columns: Columns = {"task": ("Task", ""), "type": ("Type", ""), "classes": ("Classes", ".0f")}
    columns |= {part: (part.capitalize(), ".0f") for part in PARTS} | {"left_out": ("Left out", ".0f")}
    columns |= {f"{part}_scored": (f"{part.capitalize()} scored", ".0f") for part in PARTS[1:]}
    columns |= {"largest_class": ("Largest class", ".1%"), "metrics": ("Metrics", "")}
    text = (
        "Tasks: examples in each split, rows left out because they are broken or have no label, and numbers of scored "
        f"examples. {scope_note(scores, grid)} The first metric chooses super tickets, on validation; they are "
        "reported on test, or on halves of validation if there is no test split. Largest class: its share of the "
        "training split."
    )
    write_formats(table, columns, text, Files(csv, md, tex))
