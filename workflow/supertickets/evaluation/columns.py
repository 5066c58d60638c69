"""What a table that another stage has written holds, and reading one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from supertickets.errors import DamagedError
from supertickets.files import require_whole

#: What a ticket cuts, in records and tables.
CUT = ("heads_pruned", "ffn_pruned", "weight_remaining")
#: Columns of words.
WORDS = ("model", "task", "train_size", "kind", "way", "baseline", "split", "metric", "loss", "part", "verdict")
TRIAL = WORDS[:3]
#: What :func:`~supertickets.experiment.paths.size_from` reads.
SIZE = r"all|[0-9]{1,15}|[0-9]{0,15}\.[0-9]{1,30}"

#: What a number may be beyond its limits, by rounding: a correlation of 1 may come out above.
EDGE = 1e-6
#: Columns of numbers with one in every place.
COMPLETE = ["ratio", *CUT, "seed", "seeds", "draw", "runs", "examples", "value", "peak_ratio"]
COMPLETE += ["first_half_ratio", "second_half_ratio"]


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
        if "train_size" in self.texts and not (sizes := table["train_size"].str.fullmatch(SIZE)).all():
            return f"train_size is {table.loc[~sizes, 'train_size'].iloc[0]!r:.80}, no number, share or all"
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


def read_parquet(
    path: Path, columns: list[str] | None = None, filters: list[tuple[str, str, str]] | None = None
) -> pd.DataFrame:
    """Columns of those rows of a Parquet file that pass the filters; all where nothing is said.

    Raises:
        UserError: the file is no Parquet, lacks a column, or has text that is not UTF-8.
    """
    try:
        table = pq.read_table(path, columns=columns, filters=filters)
        table.validate(full=True)  # pandas finds such text when it is used
        return table.to_pandas(ignore_metadata=True)
    except (OSError, ValueError, TypeError, LookupError, RuntimeError, pa.ArrowException) as error:
        raise DamagedError(path, f"not a table ({error})") from error


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
    if path.suffix == ".parquet":
        table = read_parquet(path, columns)
    else:  # a task may be called null, or 1
        try:
            require_whole(path)
            table = pd.read_csv(path, dtype=dict.fromkeys(WORDS, str), keep_default_na=False, na_values=[""])
        except (OSError, ValueError) as error:  # pandas' own errors are ValueErrors
            raise DamagedError(path, f"not a table ({error})") from error
    if lack := (content or Content(numbers=numbers)).lack(table):
        raise DamagedError(path, f"not a table as it was written: {lack}")
    return table
