"""Tables: read back, and written for machines (CSV), for readers (Markdown) and for papers (LaTeX)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .errors import DamagedError
from .files import replacing
from .layout import group_file

#: What a ticket cuts, in records and tables.
CUT = ("heads_pruned", "ffn_pruned", "weight_remaining")
#: Columns of a difference between two models (:func:`supertickets.inference.difference`).
DIFFERENCE = ("full", "ticket", "difference", "low", "high", "p", "error", "freedom", "seeds_error", "seeds_low")
DIFFERENCE += ("seeds_high", "p_seeds", "examples_low", "examples_high")
#: Columns of words.
WORDS = ("model", "task", "train_size", "kind", "way", "baseline", "split", "metric", "loss", "part", "verdict")
TRIAL = WORDS[:3]
#: What :func:`~supertickets.layout.size_from` reads.
SIZE = r"all|[0-9]{1,15}|[0-9]{0,15}\.[0-9]{1,30}"

#: What a number may be beyond its limits, by rounding: a correlation of 1 may come out above.
EDGE = 1e-6


@dataclass(frozen=True)
class Content:
    """Columns of a table.

    Attributes:
        texts: words, no place of which is empty.
        numbers: numbers, which may be missing, even all of them: one seed tells no spread.
        flags: true or false.
        others: anything.
        of_test: numbers, too, where ``split`` is test in some row.
        limits: least and most of numbers, by column; those of :data:`COMPLETE` have no empty place.
    """

    texts: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    of_test: tuple[str, ...] = ()
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def lack(self, table: pd.DataFrame) -> str:
        """What a table lacks of it, in words; empty where that is nothing."""
        if table.empty:
            return "no rows"
        if not table.columns.is_unique:
            return "no columns of different names"
        for what, names, right in (
            ("text in every place of", self.texts, _is_text),
            ("numbers in", self.numbers, lambda column: column.dtype.kind in "iuf"),
            ("true or false in every place of", self.flags, lambda column: _is_flag(column)),
            ("values in", self.others, lambda column: True),
        ):
            for name in names:
                if name not in table or not right(table[name]):
                    return f"no {what} a column {name!r}"
        if "train_size" in self.texts and not (right := table["train_size"].str.fullmatch(SIZE)).all():
            return f"train_size is {table.loc[~right, 'train_size'].iloc[0]!r:.80}, no number, share or all"
        if impossible := self._impossible(table):
            return impossible
        if self.of_test and (table["split"] == "test").any():
            return Content(numbers=self.of_test, limits=self.limits).lack(table)
        return ""

    def _impossible(self, table: pd.DataFrame) -> str:
        """The first number beyond its limits, or outside of its interval, in words; empty if there is none."""
        names = [name for name in self.numbers if name in self.limits]
        least, most = np.array([self.limits[name] for name in names]).reshape(-1, 2).T
        values = table[names].to_numpy(float, na_value=math.nan)
        missing = np.isnan(values) & ~np.isin(names, COMPLETE)
        for row, column in np.argwhere(~(missing | ((values >= least - EDGE) & (values <= most + EDGE)))):
            what = f"from {least[column]:g} to {most[column]:g}"
            return f"{names[column]} is {values[row, column]:g}, no number {what}"
        for low in (name for name in names if name.startswith("low")):
            value, high = low.replace("low", "difference"), low.replace("low", "high")
            if (table[low] > table[value] + EDGE).any() or (table[value] > table[high] + EDGE).any():
                return f"{value} is not between {low} and {high}"
        return ""


def _is_text(column: pd.Series) -> bool:
    return pd.api.types.is_string_dtype(column) and bool(column.notna().all())


def _is_flag(column: pd.Series) -> bool:
    return column.dtype.kind == "b" and bool(column.notna().all())


def _each(way: str) -> tuple[str, ...]:
    return tuple(f"{name}_{way}" for name in DIFFERENCE)


_SHARE, _COUNT, _P = (0.0, 1.0), (0.0, 2.0**53), (0.0, 1.0)
#: No t interval is longer: one of two seeds that differ by 200 points is below 2,000.
_POINTS = (-1e5, 1e5)
#: Least and most of numbers, by column.
LIMITS = dict.fromkeys(("ratio", "weight_remaining", "first_half_ratio", "second_half_ratio", "peak_ratio"), _SHARE)
LIMITS |= dict.fromkeys(("peak_low", "peak_high", "holds_ratio", "holds_weight"), _SHARE)
LIMITS |= dict.fromkeys(("seed", *CUT[:2], "half"), _COUNT)
LIMITS |= dict.fromkeys(("seeds", "examples", "draw", "runs"), (1.0, _COUNT[1]))
LIMITS |= dict.fromkeys(("p_holm", "p_seeds_holm", "gain_p_holm"), _P)
for _way in ("", "_same_split", "_cross_fitted", "_held_out"):
    LIMITS |= {f"{name}{_way}": _P if name.startswith("p") else _POINTS for name in DIFFERENCE if name != "freedom"}
    LIMITS |= {f"{name}{_way}": (-100.0, 100.0) for name in ("full", "ticket")}
#: Columns of :data:`LIMITS` with a number in every place.
COMPLETE = ["ratio", *CUT, "seed", "seeds", "draw", "runs", "examples", "value", "peak_ratio"]
COMPLETE += ["first_half_ratio", "second_half_ratio"]
_SCORES = LIMITS | {"value": (-100.0, 100.0)}
_COMPARISONS = Content(
    (*TRIAL, "kind", "split", "metric"),
    ("ratio", *CUT, "seeds", "examples", *DIFFERENCE),
    ("reported",),
    limits=LIMITS,
)
_HALVES = ("first_half_ratio", "second_half_ratio", "peak_ratio", "peak_low", "peak_high")
_SELECTIONS = Content(
    (*TRIAL, "split", "metric"),
    ("seeds", "ratio", *CUT, *_HALVES, *_each("same_split"), *_each("cross_fitted")),
    of_test=_each("held_out"),
    limits=LIMITS,
)
#: What there is in each table that a stage leaves to others, by the folder of those of groups, or a name of its own.
TABLES = {
    "scores": Content(
        (*TRIAL, "kind", "split", "metric"), ("seed", "ratio", "draw", *CUT, "value", "examples"), limits=_SCORES
    ),
    "comparisons": _COMPARISONS,
    "corrected": replace(_COMPARISONS, numbers=(*_COMPARISONS.numbers, "p_holm", "p_seeds_holm")),
    "selections": _SELECTIONS,
    "verdicts": replace(
        _SELECTIONS,
        texts=(*_SELECTIONS.texts, "verdict"),
        numbers=(*_SELECTIONS.numbers, "gain_p_holm", "holds_ratio", "holds_weight"),
    ),
    "decompositions": Content(
        (*TRIAL, "kind", "split", "loss", "part"),
        ("ratio", "weight_remaining", "runs", "examples", "value", "half"),
        limits=LIMITS | {"value": (-1e100, 1e100), "half": (0.0, 1e100)},
    ),
    "scores of ways": Content((*TRIAL, "way", "split", "metric"), ("seed", *CUT, "value", "examples"), limits=_SCORES),
    # An average over tasks is of no one split and metric.
    "comparisons of ways": Content(
        (*TRIAL, "way", "baseline"),
        ("seeds", "examples", *DIFFERENCE),
        ("reported",),
        ("split", "metric"),
        limits=LIMITS,
    ),
}


def read_table(
    path: Path, *numbers: str, content: Content | None = None, columns: list[str] | None = None
) -> pd.DataFrame:
    """A table that another stage has written, Parquet or CSV, sizes and names as text.

    Args:
        path: the file.
        numbers: columns that hold numbers.
        content: what it holds, where that is more.
        columns: all that are wanted of a Parquet file.

    Raises:
        UserError: the file is no table, or has no rows or lacks such a column.
    """
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path, columns=columns)
        else:  # a task may be called null, or 1
            table = pd.read_csv(path, dtype=dict.fromkeys(WORDS, str), keep_default_na=False, na_values=[""])
    # pandas' own errors are ValueErrors; what its metadata in a Parquet file lacks or holds raises the others.
    except (OSError, ValueError, TypeError, AttributeError, LookupError, RuntimeError, pa.ArrowException) as error:
        raise DamagedError(path, f"not a table ({error})") from error
    if lack := (content or Content(numbers=numbers)).lack(table):
        raise DamagedError(path, f"not a table as it was written: {lack}")
    return table


def chosen_ratio(results: Path, trial: Mapping[str, Any]) -> float:
    """Ratio of the super ticket of a model, task and train_size.

    Raises:
        UserError: its file is damaged.
    """
    path = results / "selections" / f"{group_file({**trial, 'kind': 'winning'})}.csv"
    found = read_table(path, "ratio")["ratio"]
    if len(found) != 1 or not 0 < found[0] <= 1:
        raise DamagedError(path, "not one ratio above 0, up to 1")
    return float(found[0])


def read_groups(
    results: Path, folder: str, groups: Iterable[dict[str, Any]], grid: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """One table of what was computed from several groups of runs, sizes as text.

    Args:
        results: the results folder.
        folder: ``scores`` (Parquet), ``comparisons``, ``selections`` or ``decompositions`` (CSV) in it.
        groups: model, task, train_size and kind of each.
        grid: what spans the runs, all of which, and no others, the tables are of.

    Raises:
        UserError: a file is no such table, of another group, or of other runs.
    """
    suffix = "parquet" if folder == "scores" else "csv"
    tables = []
    for group in groups:
        path = results / folder / f"{group_file(group)}.{suffix}"
        table = read_table(path, content=TABLES[folder])
        if wrong := _not_of(group, table) or (_not_all_of(grid, folder, group["kind"], table) if grid else ""):
            raise DamagedError(path, wrong)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _not_of(group: Mapping[str, Any], table: pd.DataFrame) -> str:
    """What a table says that is not of a group, in words; empty where that is nothing."""
    kinds = pd.Series(group["kind"], table.index)
    if group["kind"] == "winning" and {"runs", "seed"} & {*table}:  # scores and decompositions
        kinds = kinds.mask(table["ratio"] == 0, "full")
    for key, right in {**{key: str(group[key]) for key in TRIAL}, "kind": kinds}.items():
        if key in table and (wrong := table[key] != right).any():
            return f"its {key} is {table.loc[wrong, key].iloc[0]!r:.80}, of another group than its name says"
    return ""


def _not_all_of(grid: Mapping[str, Any], folder: str, kind: str, table: pd.DataFrame) -> str:
    """What runs of a grid a table of a group lacks, or has beside them, in words; empty where that is nothing."""
    ratios = {round(ratio, 9) for ratio in grid["ratios"]}
    if folder == "selections":
        ratio = round(table["ratio"].iloc[0], 9)
        return "" if len(table) == 1 and ratio in ratios else f"its ratio is {ratio:g}, none of {sorted(ratios)}"
    full = {0.0} if kind == "winning" and folder != "comparisons" else set()
    keys, expected = ["ratio"], {(ratio,) for ratio in ratios | full}
    if folder == "scores":
        keys = ["ratio", "seed", "draw"]
        expected = {*product(ratios, grid["seeds"], range(1, grid["draws"][kind] + 1))}
        expected |= {*product(full, grid["seeds"], [1])}
    if "reported" in table and table.loc[table["reported"], "split"].nunique() != 1:
        return "not one split is reported"
    parts = [name for name in ("split", "metric", "loss", "part") if name in table]
    for where, rows in table.groupby(parts):
        found = [*rows[keys].round(9).itertuples(index=False, name=None)]
        if len(found) != len(expected) or {*found} != expected:
            return f"{len(found)} rows of {', '.join(where)}, not one for each of {len(expected)} {', '.join(keys)}"
    return ""


def require_among(where: Path, chosen: pd.DataFrame, table: pd.DataFrame) -> None:
    """Refuse super tickets that a table has nothing of.

    Args:
        where: their file, or the folder of their files.
        chosen: the super tickets.
        table: scores or comparisons.

    Raises:
        UserError: it has no row of a ticket's model, task, size, ratio, split and metric.
    """
    keys = [*TRIAL, "split", "metric", "ratio"]
    known = {*table[keys].round(9).itertuples(index=False, name=None)}
    for ticket in chosen[keys].round(9).to_dict("records"):
        if tuple(ticket.values()) not in known:
            path = where if where.suffix else where / f"{group_file({**ticket, 'kind': 'winning'})}.csv"
            found = ", ".join(f"{key} {value}" for key, value in ticket.items())
            raise DamagedError(path, f"nothing was scored or compared of {found}")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV in full precision."""
    with replacing(path) as part:
        table.to_csv(part, index=False, lineterminator="\n")


@dataclass(frozen=True)
class Files:
    """The three files of a table."""

    csv: Path
    md: Path
    tex: Path


#: Format of p values.
P = "p"
#: Header and format of each column that readers see; what is not a number is left empty.
Columns = Mapping[str, tuple[str, str]]


def write_formats(
    table: pd.DataFrame, columns: Columns, note: str, files: Files, shown: pd.DataFrame | None = None
) -> None:
    """Write a table three times.

    Args:
        table: goes into the CSV file as it is, in full precision.
        columns: those that go into the others, in their order.
        note: what a reader must know: model, tasks, seeds, sizes, split. Below the table, or as its caption.
        shown: what goes into the others, where that is not all of ``table`` or has other columns.
        files: to write. The LaTeX one needs the package booktabs, and longtable where it has more than 40 rows.
    """
    write_csv(files.csv, table)
    source = table if shown is None else shown
    shown = pd.DataFrame({head: _formatted(source[name], how) for name, (head, how) in columns.items()})
    with replacing(files.md) as part:
        text = shown.to_markdown(index=False, disable_numparse=True, colalign=_alignment(columns, "left", "right"))
        part.write_text(f"{text}\n\n{note}\n", encoding="utf-8")
    with replacing(files.tex) as part:
        style = shown.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis=1)
        text = style.to_latex(
            hrules=True,
            column_format="".join(_alignment(columns, "l", "r")),
            environment="longtable" if len(shown) > 40 else "table",
            caption=_latex(note),
            position_float=None if len(shown) > 40 else "centering",
        )
        text = text.replace("<", "\\textless{}")  # as it is, LaTeX's standard fonts show another character
        part.write_text(f"% \\usepackage{{booktabs, longtable}}\n{text}", encoding="utf-8")


def _formatted(values: pd.Series, how: str) -> list[str]:
    """Values as text by a format, which may be empty; missing ones are empty, and no p is zero."""
    if how == P:
        return ["" if pd.isna(p) else "<0.001" if p < 0.001 else f"{p:.3f}" for p in values]
    return ["" if pd.isna(value) else format(value, how) for value in values]


def _alignment(columns: Columns, text: str, number: str) -> list[str]:
    return [number if how else text for _, how in columns.values()]


def _latex(text: str) -> str:
    """Text with LaTeX's own characters escaped."""
    return "".join({"%": "\\%", "&": "\\&", "_": "\\_", "#": "\\#"}.get(letter, letter) for letter in text)


def scope_note(table: pd.DataFrame, grid: Mapping[str, Any]) -> str:
    """Model, tasks, sizes and seeds of a table's rows, in words."""
    words = [
        ("Model", table["model"].unique()),
        ("tasks", table["task"].unique()),
        ("training examples", table["train_size"].astype(str).unique()),
        ("seeds", [str(seed) for seed in grid["seeds"]]),
    ]
    return "; ".join(f"{name}: {', '.join(values)}" for name, values in words) + "."
