"""Tables, written for machines (CSV), for readers (Markdown) and for papers (LaTeX)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.evaluation.results import write_csv
from supertickets.files import replacing


@dataclass(frozen=True)
class Files:
    """The three files of a table."""

    csv: Path
    md: Path
    tex: Path


#: Format of p values.
P = "p"
#: Header and format of each column that readers see; what is not a number is left empty.
Columns = dict[str, tuple[str, str]]


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


POINTS, SHARE, RATIO, COUNT = "+.1f", ".1%", ".2f", ".0f"


SCORE, STD = ".1f", ".2f"


#: What the first columns of every table say.
WHERE: Columns = {"model": ("Model", ""), "task": ("Task", ""), "train_size": ("Train size", "")}


def with_intervals(table: pd.DataFrame, names: Sequence[str], how: str) -> list[str]:
    """Values with their intervals as text, empty where there are none; ``names`` of value, low and high end."""
    value, low, high = names
    pairs = zip(table[value], between(table, low, high, how), strict=True)
    return ["" if pd.isna(one) else f"{one:{how}}" + f" ({interval})" * bool(interval) for one, interval in pairs]


def between(table: pd.DataFrame, low: str, high: str, how: str) -> list[str]:
    """Intervals as text, empty where there is none."""
    pairs = zip(table[low], table[high], strict=True)
    return ["" if pd.isna(one) else f"{one:{how}} to {other:{how}}" for one, other in pairs]


def told(table: pd.DataFrame) -> str:
    """Which splits are reported: test split, or validation split of this and that task."""
    by_split = table.drop_duplicates("task").groupby("split", sort=False)["task"].agg(", ".join)
    if len(by_split) == 1:
        return f"{by_split.index[0]} split"
    return " and the ".join(f"{split} split ({tasks})" for split, tasks in by_split.items())
