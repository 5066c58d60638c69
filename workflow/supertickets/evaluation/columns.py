"""Read tables that another stage has written, and check their columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from supertickets.errors import DamagedError
from supertickets.experiment.parts import FURTHER
from supertickets.files import require_whole

#: What a ticket cuts, in records and tables.
CUT = ("heads_pruned", "ffn_pruned", "weight_remaining")
#: Columns of words.
WORDS = (
    "model", "task", "train_size", "kind", "rival", "way", "baseline", "split", "metric", "loss", "part", "verdict",
)  # fmt: skip
TRIAL = WORDS[:3]
#: What :func:`~supertickets.experiment.paths.size_from` reads.
SIZE = r"all|[0-9]{1,15}|[0-9]{0,15}\.[0-9]{1,30}"


@dataclass(frozen=True)
class Content:
    """Columns of a table.

    Attributes:
        texts: words, no place of which is empty.
        numbers: numbers, which may be missing, even all of them: one seed tells no spread.
        flags: true or false.
        others: anything.
        of_test: numbers, too, where ``split`` is test in some row, or a further part, which is reported as test is.
        of_documents: numbers, too, where some task has documents: in columns that other tables lack.
    """

    texts: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    of_test: tuple[str, ...] = ()
    of_documents: tuple[str, ...] = ()

    def lack(self, table: pd.DataFrame) -> str:
        """The first thing that is wrong with a table, in words; empty if nothing is."""
        if table.empty:
            return "no rows"
        if not table.columns.is_unique:
            return "no columns of different names"
        for what, names, right in (
            ("text in every place of", self.texts, _is_text),
            ("numbers in", self.numbers, _is_number),
            ("numbers in", tuple(name for name in self.of_documents if name in table), _is_number),
            ("true or false in every place of", self.flags, lambda column: _is_flag(column)),
            ("values in", self.others, lambda column: True),
        ):
            for name in names:
                if name not in table or not right(table[name]):
                    return f"no {what} a column {name!r}"
        if "train_size" in self.texts and not (sizes := table["train_size"].str.fullmatch(SIZE)).all():
            return f"train_size is {table.loc[~sizes, 'train_size'].iloc[0]!r:.80}, no number, share or all"
        if self.of_test and table["split"].isin(["test", *FURTHER]).any():
            return Content(numbers=self.of_test).lack(table)
        return ""


def _is_number(column: pd.Series) -> bool:
    return column.dtype.kind in "iuf"


def _is_text(column: pd.Series) -> bool:
    return pd.api.types.is_string_dtype(column) and bool(column.notna().all())


def _is_flag(column: pd.Series) -> bool:
    return column.dtype.kind == "b" and bool(column.notna().all())


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
