"""Tables that one stage writes and others read: their columns, and the runs that they are of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.errors import UserError
from supertickets.evaluation.columns import CUT, MODEL_TASK_SIZE, Content, read_table
from supertickets.evaluation.significance import NAMES
from supertickets.experiment.grid import groups_of
from supertickets.experiment.parts import FURTHER
from supertickets.experiment.paths import group_file
from supertickets.files import replacing


def _each(way: str) -> tuple[str, ...]:
    return tuple(f"{name}_{way}" for name in NAMES)


_COMPARISONS = Content(
    (*MODEL_TASK_SIZE, "kind", "split", "metric"),
    ("ratio", *CUT, "seeds", "examples", "chance", "p_chance", *NAMES),
    ("reported",),
)
#: p values with Holm's correction (:func:`supertickets.evaluation.judge.corrected`).
CORRECTED = ("p_holm", "p_seeds_holm", "p_chance_holm")
#: What could have been shown (:mod:`supertickets.evaluation.power`).
POWER = ("detectable", "seeds_needed", "examples_needed")
#: What the tickets weigh that other seeds chose.
BY_OTHERS = ("lightest_by_others", "heaviest_by_others")
_PEAK = ("peak_ratio", "peak_low", "peak_high")
_SELECTIONS = Content(
    (*MODEL_TASK_SIZE, "split", "metric"),
    (
        "seeds",
        "ratio",
        *CUT,
        *BY_OTHERS,
        *_PEAK,
        *_each("other_seeds"),
        *_each("same_split"),
        *_each("other_half"),
    ),
)
#: Columns of each table that other stages read, by the folder of a group's tables, or by a name of its own.
TABLES = {
    "scores": Content(
        (*MODEL_TASK_SIZE, "kind", "precision", "split", "metric"),
        ("seed", "ratio", "draw", *CUT, "value", "examples"),
    ),
    "comparisons": _COMPARISONS,
    # The two that are of all groups.
    "comparisons.csv": replace(_COMPARISONS, numbers=(*_COMPARISONS.numbers, *CORRECTED)),
    "contrasts": Content(
        (*MODEL_TASK_SIZE, "kind", "split", "metric"),
        ("ratio", *CUT, "seeds", "examples", "other", "winning", *NAMES[2:]),
        ("reported",),
    ),
    "rivals": Content(
        (*MODEL_TASK_SIZE, "rival", "way", "baseline", "split", "metric"),
        ("weight", "parameters", "ratio", "weight_remaining", "seeds", "examples", "chance", "p_chance", *NAMES),
    ),
    "selections": _SELECTIONS,
    "verdicts.csv": replace(
        _SELECTIONS,
        texts=(*_SELECTIONS.texts, "verdict"),
        numbers=(*_SELECTIONS.numbers, "gain_p_holm", "margin", "chance", "keeps_ratio", "keeps_weight", *POWER),
    ),
    "decompositions": Content(
        (*MODEL_TASK_SIZE, "kind", "split", "loss", "part"),
        ("ratio", "weight_remaining", "runs", "examples", "value", "half"),
    ),
    "scores of ways": Content((*MODEL_TASK_SIZE, "way", "split", "metric"), ("seed", *CUT, "value", "examples")),
    # An average over tasks is of no one split and metric.
    "comparisons of ways": Content(
        (*MODEL_TASK_SIZE, "way", "baseline"),
        ("chance", "seeds", "examples", *NAMES),
        ("reported",),
        ("split", "metric"),
    ),
}


def resampled_text(table: pd.DataFrame) -> str:
    """What intervals and tests resample beside seeds, for notes: examples, or documents of tasks that have them."""
    tasks = table.loc[table["task"] != "average"]
    have = tasks["documents"].notna() if "documents" in tasks else pd.Series(False, tasks.index)
    if have.any() and not have.all():
        return f"examples (documents of {', '.join(tasks.loc[have, 'task'].unique())})"
    return "documents" if have.any() else "examples"


def chosen_ratio(results: Path, trial: Mapping[str, Any], seed: int) -> float:
    """Ratio of the super ticket of a model, task and train_size for a seed; 0 is the full model.

    Raises:
        UserError: there is none, or its file is damaged.
    """
    path = results / "selections" / f"{group_file({**trial, 'kind': 'winning'})}.csv"
    table = read_table(path, Content(numbers=("ratio",)), {key: trial[key] for key in MODEL_TASK_SIZE})
    ratio = ratio_of_seed(table.iloc[0], seed)  # that of further parts is the same
    if ratio != ratio:
        raise UserError(f"{path}: there is no super ticket: validation scores of every ratio are undefined")
    return ratio


def ratio_of_seed(ticket: Mapping[str, Any] | pd.Series, seed: int) -> float:
    """Ratio of a super ticket for a seed: its own where the column ``ratios`` has it, as in ``1:0.1 2:0.3``.

    Args:
        ticket: a row of a table of selections.
        seed: number of the seed.

    Returns:
        Not-a-number where none was chosen.
    """
    if "ratios" not in ticket:
        return float(ticket["ratio"])
    return float(dict(word.split(":") for word in ticket["ratios"].split())[str(seed)])


def read_groups(results: Path, folder: str, groups: Iterable[dict[str, Any]], further: bool = False) -> pd.DataFrame:
    """One table of what was computed from several groups of runs, sizes as text.

    Args:
        results: the results folder.
        folder: ``scores`` (Parquet), ``comparisons``, ``contrasts``, ``selections`` or ``decompositions`` (CSV) in it.
        groups: model, task, train_size and kind of each.
        further: with selections on further parts (:data:`~supertickets.experiment.parts.FURTHER`); without them there
            is one row for each group.

    Raises:
        UserError: a file is no such table, or of another group.
    """
    suffix = "parquet" if folder == "scores" else "csv"
    tables = [read_table(results / folder / f"{group_file(group)}.{suffix}", TABLES[folder], group) for group in groups]
    table = pd.concat(tables, ignore_index=True)
    return table if further or folder != "selections" else without_further(table)


def without_further(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of selections or verdicts that are of reported splits."""
    return table[~table["split"].isin(FURTHER)].reset_index(drop=True)


def read_judged(results: Path, name: str, further: bool = False) -> pd.DataFrame:
    """A table of what was judged of all groups of runs, sizes as text.

    Args:
        results: the results folder.
        name: ``comparisons.csv`` or, of winning tickets alone, ``verdicts.csv``.
        further: with verdicts on further parts, as of :func:`read_groups`.

    Raises:
        UserError: the file is no such table.
    """
    table = read_table(results / name, TABLES[name])
    return table if further or name != "verdicts.csv" else without_further(table)


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV in full precision."""
    with replacing(path) as part:
        table.to_csv(part, index=False, lineterminator="\n")


def reported_split(splits: Iterable[str], scored: str = "test") -> str:
    """The split that is reported: ``scored``, or validation where there are no such labelled examples."""
    return scored if scored in splits else "validation"


def reported_split_of(splits: pd.Series, scored: str = "test") -> str:
    """The split that is reported (:func:`reported_split`), from a column of a task's splits."""
    return reported_split(splits.unique(), scored)


def reported(scores: pd.DataFrame, scored: str = "test") -> pd.DataFrame:
    """The rows of a table of scores that are reported: of each task's first metric, on the split that is."""
    by_task = scores.groupby("task")
    first = scores["metric"] == by_task["metric"].transform("first")
    return scores[first & (scores["split"] == by_task["split"].transform(reported_split_of, scored=scored))]


def read_curves(results: Path, grid: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of the runs of a grid, and the super tickets of its models, tasks and sizes.

    Each super ticket has ``chance`` too, the score of the constant baseline on its split.

    Raises:
        UserError: a file is damaged.
    """
    groups = groups_of(grid)
    winning = [group for group in groups if group["kind"] == "winning"]
    scores = read_groups(results, "scores", groups)
    chosen = read_groups(results, "selections", winning)
    return scores, with_chance(chosen, results, grid)


def with_chance(table: pd.DataFrame, results: Path, grid: Mapping[str, Any]) -> pd.DataFrame:
    """Add ``chance`` to a table: the score of the constant baseline by the task's first metric.

    Args:
        table: rows with model, task, train_size and split.
        results: the results folder, with comparisons of the winning tickets.
        grid: axes of the grid.

    Raises:
        UserError: a file is damaged.
    """
    where = [*MODEL_TASK_SIZE, "split"]
    winning = [group for group in groups_of(grid) if group["kind"] == "winning"]
    chance = read_groups(results, "comparisons", winning).drop_duplicates(where)[[*where, "chance"]]
    return table.merge(chance, how="left", on=where)
