"""Tables that one stage writes and others read: their columns, and the runs that they are of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from supertickets.errors import DamagedError, UserError
from supertickets.evaluation.columns import CUT, TRIAL, Content, read_table
from supertickets.evaluation.significance import NAMES
from supertickets.experiment.grid import groups_of, ratios_of, with_full
from supertickets.experiment.parts import FURTHER
from supertickets.experiment.paths import group_file
from supertickets.files import replacing


def _each(way: str) -> tuple[str, ...]:
    return tuple(f"{name}_{way}" for name in NAMES)


_COMPARISONS = Content(
    (*TRIAL, "kind", "split", "metric"),
    ("ratio", *CUT, "seeds", "examples", "chance", "p_chance", *NAMES),
    ("reported",),
    of_documents=("documents",),
)
#: p values with Holm's correction (:func:`supertickets.evaluation.judge.corrected`).
CORRECTED = ("p_holm", "p_seeds_holm", "p_chance_holm")
#: What could have been shown (:mod:`supertickets.evaluation.power`).
POWER = ("detectable", "seeds_needed", "examples_needed")
#: What the tickets weigh that other seeds chose.
BY_OTHERS = ("lightest_by_others", "heaviest_by_others")
_PEAK = ("peak_ratio", "peak_low", "peak_high")
_SELECTIONS = Content(
    (*TRIAL, "split", "metric"),
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
    of_test=_each("other_split"),
    of_documents=("documents",),
)
#: Columns of each table that other stages read, by the folder of a group's tables, or by a name of its own.
TABLES = {
    "scores": Content((*TRIAL, "kind", "split", "metric"), ("seed", "ratio", "draw", *CUT, "value", "examples")),
    "comparisons": _COMPARISONS,
    # The two that are of all groups.
    "comparisons.csv": replace(_COMPARISONS, numbers=(*_COMPARISONS.numbers, *CORRECTED)),
    "contrasts": Content(
        (*TRIAL, "kind", "split", "metric"),
        ("ratio", *CUT, "seeds", "examples", "other", "winning", *NAMES[2:]),
        ("reported",),
        of_documents=("documents",),
    ),
    "rivals": Content(
        (*TRIAL, "rival", "way", "baseline", "split", "metric"),
        ("weight", "parameters", "ratio", "weight_remaining", "seeds", "examples", "chance", "p_chance", *NAMES),
        of_documents=("documents",),
    ),
    "selections": _SELECTIONS,
    "verdicts.csv": replace(
        _SELECTIONS,
        texts=(*_SELECTIONS.texts, "verdict"),
        numbers=(*_SELECTIONS.numbers, "gain_p_holm", "margin", "chance", "keeps_ratio", "keeps_weight", *POWER),
        of_documents=("documents", "documents_needed"),
    ),
    "decompositions": Content(
        (*TRIAL, "kind", "split", "loss", "part"),
        ("ratio", "weight_remaining", "runs", "examples", "value", "half"),
        of_documents=("documents",),
    ),
    "scores of ways": Content((*TRIAL, "way", "split", "metric"), ("seed", *CUT, "value", "examples")),
    # An average over tasks is of no one split and metric.
    "comparisons of ways": Content(
        (*TRIAL, "way", "baseline"),
        ("chance", "seeds", "examples", *NAMES),
        ("reported",),
        ("split", "metric"),
        of_documents=("documents",),
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
        UserError: its file is damaged.
    """
    path = results / "selections" / f"{group_file({**trial, 'kind': 'winning'})}.csv"
    table = read_table(path, "ratio")
    ratios = table["ratio"].drop_duplicates()  # that of further parts is the same
    found = ratios if "ratios" not in table else pd.Series([ratio_of_seed(table.iloc[0], seed)])
    if found.isna().all():
        raise UserError(f"{path}: there is no super ticket: validation scores of every ratio are undefined")
    if len(found) != 1 or not 0 <= found[0] <= 1:
        raise DamagedError(path, "not one ratio from 0 to 1")
    return float(found[0])


def ratio_of_seed(ticket: Mapping[str, Any] | pd.Series, seed: int) -> float:
    """Ratio of a super ticket for a seed: its own where the column ``ratios`` has it, as in ``1:0.1 2:0.3``.

    Args:
        ticket: a row of a table of selections.
        seed: number of the seed.

    Returns:
        Not-a-number where none was chosen, or that column is damaged.
    """
    if "ratios" not in ticket:
        return float(ticket["ratio"])
    for word in str(ticket["ratios"]).split():
        name, _, ratio = word.partition(":")
        if name == str(seed) and re.fullmatch(r"[01](\.[0-9]{1,2})?", ratio):
            return float(ratio)
    return float("nan")


def read_groups(
    results: Path, folder: str, groups: Iterable[dict[str, Any]], grid: Mapping[str, Any], further: bool = False
) -> pd.DataFrame:
    """One table of what was computed from several groups of runs, sizes as text.

    Args:
        results: the results folder.
        folder: ``scores`` (Parquet), ``comparisons``, ``contrasts``, ``selections`` or ``decompositions`` (CSV) in it.
        groups: model, task, train_size and kind of each.
        grid: what spans the runs, all of which, and no others, the tables are of.
        further: with selections on further parts (:data:`~supertickets.experiment.parts.FURTHER`); without them there
            is one row for each group.

    Raises:
        UserError: a file is no such table, of another group, or of other runs.
    """
    suffix = "parquet" if folder == "scores" else "csv"
    tables = []
    for group in groups:
        path = results / folder / f"{group_file(group)}.{suffix}"
        table = read_table(path, content=TABLES[folder])
        if wrong := _not_of(group, table) or _not_all_of(grid, folder, group["model"], group["kind"], table):
            raise DamagedError(path, wrong)
        tables.append(table if further or folder != "selections" else without_further(table))
    return pd.concat(tables, ignore_index=True)


def without_further(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of selections or verdicts that are of reported splits."""
    return table[~table["split"].isin(FURTHER)].reset_index(drop=True)


def read_judged(results: Path, name: str, grid: Mapping[str, Any], further: bool = False) -> pd.DataFrame:
    """A table of what was judged of all groups of runs, sizes as text.

    Args:
        results: the results folder.
        name: ``comparisons.csv`` or, of winning tickets alone, ``verdicts.csv``.
        grid: what spans the runs, all of which, and no others, the table is of.
        further: with verdicts on further parts, as of :func:`read_groups`.

    Raises:
        UserError: the file is no such table, or of other runs.
    """
    path, keys = results / name, [*TRIAL, "kind"]
    table = read_table(path, content=TABLES[name])
    groups, folder = groups_of(grid), "comparisons"
    if name == "verdicts.csv":
        groups, folder = [group for group in groups if group["kind"] == "winning"], "selections"
    found = dict([*table.assign(kind=table.get("kind", "winning")).groupby(keys)])
    expected = {tuple(str(group[key]) for key in keys) for group in groups}
    for group in sorted(expected ^ {*found}):
        what = "no rows" if group in expected else "rows"
        raise DamagedError(path, f"{what} of {', '.join(group)}, unlike the experiment")
    for group, rows in found.items():
        if wrong := _not_all_of(grid, folder, group[0], group[-1], rows):
            raise DamagedError(path, f"{', '.join(group)}: {wrong}")
    return table if further or name != "verdicts.csv" else without_further(table)


def _not_of(group: Mapping[str, Any], table: pd.DataFrame) -> str:
    """Describe a value that belongs to another group; empty if there is none."""
    kinds = pd.Series(group["kind"], table.index)
    if group["kind"] == "winning" and {"runs", "seed"} & {*table}:  # scores and decompositions
        kinds = kinds.mask(table["ratio"] == 0, "full")
    for key, right in {**{key: str(group[key]) for key in TRIAL}, "kind": kinds}.items():
        if key in table and (wrong := table[key] != right).any():
            return f"its {key} is {table.loc[wrong, key].iloc[0]!r:.80}, of another group than its name says"
    return ""


def _not_all_of(grid: Mapping[str, Any], folder: str, model: str, kind: str, table: pd.DataFrame) -> str:
    """Describe runs of a grid that a group's table lacks or has in excess; empty if there are none."""
    ratios = {round(ratio, 9) for ratio in ratios_of(grid["ratios"], model)}
    if folder == "selections":
        ratios |= {0.0} if with_full(grid) else set()
        ratio = round(table["ratio"].iloc[0], 9)
        once = table["split"].is_unique and table["ratio"].nunique(dropna=False) == 1
        valid = once and (ratio in ratios or np.isnan(ratio))
        return "" if valid else f"its ratio is {ratio:g}, none of {sorted(ratios)}"
    full = {0.0} if kind == "winning" and folder != "comparisons" else set()
    keys = ["ratio"]
    expected: set[tuple[Any, ...]] = {(ratio,) for ratio in ratios | full}
    if folder == "scores":
        keys = ["ratio", "seed", "draw"]
        expected = {*product(ratios, grid["seeds"], range(1, grid["draws"][kind] + 1))}
        expected |= {*product(full, grid["seeds"], [1])}
    return not_each(table, [name for name in ("split", "metric", "loss", "part") if name in table], keys, expected)


def not_each(table: pd.DataFrame, parts: list[str], keys: list[str], expected: Set[tuple[Any, ...]]) -> str:
    """Describe a part of a table without one row for each expected value of its keys; empty if there is none."""
    for where, rows in table.groupby(parts, dropna=False):
        found = [*rows[keys].round(9).itertuples(index=False, name=None)]
        if len(found) != len(expected) or {*found} != expected:
            what = f"{len(found)} rows of {', '.join(map(str, where))}"
            return f"{what}, not one for each of {len(expected)} {', '.join(keys)}"
    return ""


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV in full precision."""
    with replacing(path) as part:
        table.to_csv(part, index=False, lineterminator="\n")


def reported_split(splits: Iterable[str], scored: str = "test") -> str:
    """The split that is reported: ``scored``, or validation where there are no such labelled examples."""
    return scored if scored in splits else "validation"


def reported_split_of(splits: pd.Series, scored: str = "test") -> str:
    """The same, from a column of a task's splits."""
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
    scores = read_groups(results, "scores", groups, grid)
    chosen = read_groups(results, "selections", winning, grid)
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
    where = [*TRIAL, "split"]
    winning = [group for group in groups_of(grid) if group["kind"] == "winning"]
    chance = read_groups(results, "comparisons", winning, grid).drop_duplicates(where)[[*where, "chance"]]
    return table.merge(chance, how="left", on=where)
