"""Combine the scores and the comparisons of all groups of runs into one table each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supertickets.evaluation.judge import corrected
from supertickets.evaluation.results import read_groups, write_csv
from supertickets.experiment.grid import groups_of
from supertickets.files import replacing


def aggregate(results: Path, grid: dict[str, Any], parquet: Path, csv: Path, comparisons: Path) -> None:
    """Write the scores of all runs of an experiment, and the comparisons of all tickets with the full models.

    Args:
        results: the results folder.
        grid: the axes of the runs (:func:`~supertickets.experiment.grid.grid_of`).
        parquet, csv: files to write: the table of scores in two formats, with the columns of
            :func:`~supertickets.evaluation.score.score_group`.
        comparisons: CSV file to write: the columns of :func:`~supertickets.evaluation.compare.compare_group`,
            those of :func:`~supertickets.evaluation.judge.corrected`.
    """
    groups = groups_of(grid)
    table = read_groups(results, "scores", groups)
    with replacing(parquet) as part:
        table.to_parquet(part, index=False)
    write_csv(csv, table)
    write_csv(comparisons, corrected(read_groups(results, "comparisons", groups)))
