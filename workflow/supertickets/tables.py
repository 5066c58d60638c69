"""Tables: read back, and written for machines (CSV), for readers (Markdown) and for papers (LaTeX)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class Content:
    """Columns of a table.

    Attributes:
        texts: words, no place of which is empty.
        numbers: numbers, which may be missing, even all of them: one seed tells no spread.
        flags: true or false.
        others: anything.
        of_test: numbers, too, where ``split`` is test in some row.
    """

    texts: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    of_test: tuple[str, ...] = ()

    def lack(self, table: pd.DataFrame) -> str:
        """What a table lacks of it, in words; empty where that is nothing."""
        if table.empty:
            return "no rows"
        for what, names, right in (
            ("text in every place of", self.texts, _is_text),
            ("numbers in", self.numbers, lambda column: column.dtype.kind in "iuf"),
            ("true or false in every place of", self.flags, lambda column: column.dtype.kind == "b"),
            ("values in", self.others, lambda column: True),
        ):
            for name in names:
                if name not in table or not right(table[name]):
                    return f"no {what} a column {name!r}"
        if self.of_test and (table["split"] == "test").any():
            return Content(numbers=self.of_test).lack(table)
        return ""


def _is_text(column: pd.Series) -> bool:
    return pd.api.types.is_string_dtype(column) and bool(column.notna().all())


def _each(way: str) -> tuple[str, ...]:
    return tuple(f"{name}_{way}" for name in DIFFERENCE)


_COMPARISONS = Content(
    (*TRIAL, "kind", "split", "metric"), ("ratio", *CUT, "seeds", "examples", *DIFFERENCE), ("reported",)
)
_HALVES = ("first_half_ratio", "second_half_ratio", "peak_ratio", "peak_low", "peak_high")
_SELECTIONS = Content(
    (*TRIAL, "split", "metric"),
    ("seeds", "ratio", *CUT, *_HALVES, *_each("same_split"), *_each("cross_fitted")),
    of_test=_each("held_out"),
)
#: What there is in each table that a stage leaves to others, by the folder of those of groups, or a name of its own.
TABLES = {
    "scores": Content((*TRIAL, "kind", "split", "metric"), ("seed", "ratio", "draw", *CUT, "value", "examples")),
    "comparisons": _COMPARISONS,
    "corrected": replace(_COMPARISONS, numbers=(*_COMPARISONS.numbers, "p_holm", "p_seeds_holm")),
    "selections": _SELECTIONS,
    "verdicts": replace(
        _SELECTIONS,
        texts=(*_SELECTIONS.texts, "verdict"),
        numbers=(*_SELECTIONS.numbers, "gain_p_holm", "holds_ratio", "holds_weight"),
    ),
    "decompositions": Content(
        (*TRIAL, "kind", "split", "loss", "part"), ("ratio", "weight_remaining", "runs", "examples", "value", "half")
    ),
    "scores of ways": Content((*TRIAL, "way", "split", "metric"), ("seed", *CUT, "value", "examples")),
    # An average over tasks is of no one split and metric.
    "comparisons of ways": Content(
        (*TRIAL, "way", "baseline"), ("seeds", "examples", *DIFFERENCE), ("reported",), ("split", "metric")
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
    except (OSError, ValueError, pa.ArrowException) as error:  # pandas' own errors are ValueErrors
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
    if len(found) != 1 or not 0 <= found[0] <= 1:
        raise DamagedError(path, "not one ratio from 0 to 1")
    return float(found[0])


def read_groups(results: Path, folder: str, groups: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """One table of what was computed from several groups of runs, sizes as text.

    Args:
        results: the results folder.
        folder: ``scores`` (Parquet), ``comparisons``, ``selections`` or ``decompositions`` (CSV) in it.
        groups: model, task, train_size and kind of each.

    Raises:
        UserError: a file is no such table.
    """
    suffix = "parquet" if folder == "scores" else "csv"
    paths = (results / folder / f"{group_file(group)}.{suffix}" for group in groups)
    return pd.concat([read_table(path, content=TABLES[folder]) for path in paths], ignore_index=True)


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
