"""Read tables that another stage has written, and check their columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from supertickets.errors import DamagedError, reading

#: What a ticket cuts, in records and tables.
CUT = ("heads_pruned", "ffn_pruned", "weight_remaining")
#: Columns of words.
WORDS = (
    "model", "task", "train_size", "kind", "rival", "way", "baseline", "split", "metric", "loss", "part", "verdict",
)  # fmt: skip
#: Those that name the runs of all seeds and kinds that figures and tables show together.
MODEL_TASK_SIZE = [*WORDS[:3]]


@dataclass(frozen=True)
class Content:
    """Columns that a table has, perhaps beside others.

    Attributes:
        texts: words.
        numbers: numbers, which may be missing, even all of them: one seed tells no spread.
        flags: true or false.
        others: anything.
    """

    texts: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def lack(self, table: pd.DataFrame) -> str:
        """The first thing that is wrong with a table, in words; empty if nothing is."""
        if table.empty:
            return "no rows"
        for what, names, right in (
            ("text", self.texts, pd.api.types.is_string_dtype),
            ("numbers", self.numbers, lambda column: column.dtype.kind in "iuf"),
            ("true or false", self.flags, lambda column: column.dtype.kind == "b"),
            ("values", self.others, lambda column: True),
        ):
            for name in names:
                if name not in table or not right(table[name]):
                    return f"column {name!r} is missing or has no {what}"
        return ""


def documents_in(table: pd.DataFrame) -> pd.Series:
    """Number of independent documents of each row: that of examples where each is a document of its own."""
    return table["documents"].fillna(table["examples"]) if "documents" in table else table["examples"]


def read_parquet(
    path: Path, columns: list[str] | None = None, filters: list[tuple[str, str, str]] | None = None
) -> pd.DataFrame:
    """Columns of those rows of a Parquet file that pass the filters; by default all columns of all rows.

    Raises:
        UserError: the file is not Parquet, lacks a column, or has text that is not UTF-8.
    """
    with reading(path, "a table"):
        table = pq.read_table(path, columns=columns, filters=filters)
        table.validate(full=True)  # pandas finds such text when it is used
        return table.to_pandas(ignore_metadata=True)


def read_table(path: Path, content: Content, group: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """A table that another stage has written, Parquet or CSV, sizes and names as text.

    Args:
        path: the file.
        content: what it holds.
        group: what its columns of these names say in every row, as text; a column that it lacks says nothing. Full
            models may be beside the kind.

    Raises:
        UserError: the file is no table, has no rows, lacks a column, or is of another group.
    """
    if path.suffix == ".parquet":
        table = read_parquet(path)
    else:  # a task may be called null, or 1
        with reading(path, "a table"):
            table = pd.read_csv(path, dtype=dict.fromkeys(WORDS, str), keep_default_na=False, na_values=[""])
    if lack := content.lack(table):
        raise DamagedError(path, f"not the table that was written: {lack}")
    for key, right in (group or {}).items():
        beside = {"full"} if key == "kind" else set()
        if key in table and not (own := table[key].isin({str(right)} | beside)).all():
            raise DamagedError(path, f"its {key} is {table.loc[~own, key].iloc[0]!r:.80}, not {right}")
    return table
