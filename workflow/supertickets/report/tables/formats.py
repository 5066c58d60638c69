"""Tables in four formats: CSV for machines, Markdown for readers, LaTeX for papers, HTML for browsers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.evaluation.metric import metric_of
from supertickets.evaluation.results import write_csv
from supertickets.evaluation.significance import LEVEL
from supertickets.files import replacing
from supertickets.report.html import write_html

#: Body of a table's page.
BODY = """
{% block body %}
{{ table(heads, rows) }}
<p class="note">{{ note }}</p>
{% endblock %}
"""


@dataclass(frozen=True)
class Files:
    """The files of a table."""

    csv: Path
    md: Path
    tex: Path

    @property
    def html(self) -> Path:
        """The page of the table, beside the others."""
        return self.csv.with_suffix(".html")


#: Format of p values.
P = "p"
#: Header and format of each column in Markdown and LaTeX, by name; the format of text is empty.
Columns = Mapping[str, tuple[str, str]]


def write_formats(
    table: pd.DataFrame, columns: Columns, note: str, files: Files, shown: pd.DataFrame | None = None
) -> None:
    """Write a table in four formats.

    Args:
        table: written to the CSV file as it is, in full precision.
        columns: the columns of all files but the CSV file, in this order.
        note: what readers need to know: model, tasks, seeds, sizes, split. It stands below the table, or is its
            caption.
        shown: the rows and columns of these files, if they differ from ``table``.
        files: files to write. The LaTeX file needs the package booktabs, and longtable if it has more than 40 rows.
    """
    write_csv(files.csv, table)
    source = table if shown is None else shown
    texts = pd.DataFrame({head: _formatted(source[name], spec) for name, (head, spec) in columns.items()})
    with replacing(files.md) as part:
        text = texts.to_markdown(index=False, disable_numparse=True, colalign=_alignment(columns, "left", "right"))
        part.write_text(f"{text}\n\n{note}\n", encoding="utf-8")
    with replacing(files.tex) as part:
        style = texts.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis=1)
        text = style.to_latex(
            hrules=True,
            column_format="".join(_alignment(columns, "l", "r")),
            environment="longtable" if len(texts) > 40 else "table",
            caption=_latex(note),
            position_float=None if len(texts) > 40 else "centering",
        )
        # LaTeX's standard fonts print these as other characters.
        text = text.replace("<", "\\textless{}").replace(">", "\\textgreater{}")
        part.write_text(f"% \\usepackage{{booktabs, longtable}}\n{text}", encoding="utf-8")
    heads = [(head, bool(spec)) for head, spec in columns.values()]
    rows = texts.to_numpy().tolist()
    write_html(files.html, files.csv.stem.replace("_", " ").capitalize(), BODY, heads=heads, rows=rows, note=note)


def _formatted(values: pd.Series, spec: str) -> list[str]:
    """Format values as text by a format, which may be empty; missing values are empty, and no p is shown as zero."""
    if spec == P:
        return ["" if pd.isna(p) else "<0.001" if p < 0.001 else f"{p:.3f}" for p in values]
    return ["" if pd.isna(value) else format(value, spec) for value in values]


def _alignment(columns: Columns, text: str, number: str) -> list[str]:
    """Return the alignment of each column: ``text`` or ``number``."""
    return [number if spec else text for _, spec in columns.values()]


def _latex(text: str) -> str:
    """Escape the special characters of LaTeX."""
    return "".join({"%": "\\%", "&": "\\&", "_": "\\_", "#": "\\#"}.get(letter, letter) for letter in text)


def scope_note(table: pd.DataFrame, grid: Mapping[str, Any]) -> str:
    """Describe the rows of a table: model, tasks, sizes and seeds, and which full models are given."""
    values_by_name = [
        ("Model", table["model"].unique()),
        ("tasks", table["task"].unique()),
        ("training examples", table["train_size"].astype(str).unique()),
        ("seeds", [str(seed) for seed in grid["seeds"]]),
    ]
    text = "; ".join(f"{name}: {', '.join(values)}" for name, values in values_by_name) + "."
    if given := grid.get("finetuned"):
        text += f" The full model of {', '.join(given)} is given, not trained: it has no spread over seeds."
    return text


def undefined_note(names: Iterable[str]) -> str:
    """Say which scores are undefined, as a sentence for a note; empty if there is none."""
    what = ", ".join(names)
    return f" Empty: undefined, as predictions or labels are the same for all examples ({what})." if what else ""


def undefined_rows(names: pd.Series) -> list[str]:
    """Say how many rows of each name are empty because scores are undefined."""
    counts = names.value_counts(sort=False)
    return [f"{count} row{'s' * (count > 1)} of {name}" for name, count in counts.items()]


def untrained_note(compared: pd.DataFrame, names: pd.Series) -> str:
    """Name what the full model has learned nothing of, as a sentence for a note; empty if there is none.

    Args:
        compared: rows with ``p_chance_holm``.
        names: what the rows are of.
    """
    what = ", ".join(names[~(compared["p_chance_holm"] <= 1 - LEVEL)].unique())
    return f" Not shown to beat one answer to all examples, so trained too little or too fast: {what}." if what else ""


def undefined_scores(scores: pd.DataFrame) -> list[str]:
    """Count the undefined scores of each task and split, by the task's first metric, in words."""
    first = scores[scores["metric"] == scores.groupby("task")["metric"].transform("first")]
    counts = first["value"].isna().groupby([first["task"], first["split"]], sort=False).agg(["sum", "size"])
    return [
        f"{row['sum']} of {row['size']} {split} scores of {task}"
        for (task, split), row in counts.iterrows()
        if row["sum"]
    ]


#: Formats of numbers.
POINTS, SHARE, RATIO, COUNT, SCORE, STD = "+.1f", ".1%", ".2f", ".0f", ".1f", ".2f"
#: Format of numbers that are text already.
WRITTEN = "s"

#: The first columns of tables.
WHERE: Columns = {"model": ("Model", ""), "task": ("Task", ""), "train_size": ("Train size", "")}


def detectable(table: pd.DataFrame, name: str) -> list[str]:
    """Format the smallest differences that are found as text: ``> 100`` where none that the metric allows is.

    Args:
        table: numbers, and ``metric``.
        name: their column.
    """
    largest = [100 - metric_of(metric).lowest for metric in table["metric"]]
    pairs = zip(table[name], largest, strict=True)
    return ["" if pd.isna(value) else f"> {most}" if value > most else f"{value:{SCORE}}" for value, most in pairs]


def with_intervals(table: pd.DataFrame, names: Sequence[str], spec: str, over_seeds: bool = True) -> list[str]:
    """Format values with their intervals as text, empty where the value is missing.

    Args:
        table: table of numbers.
        names: the columns of the value and of the low and high end of its interval.
        spec: format of a number.
        over_seeds: whether these are t intervals, of ``seeds``.
    """
    value_name, low, high = names
    intervals = t_intervals if over_seeds else between
    pairs = zip(table[value_name], intervals(table, low, high, spec), strict=True)
    return [
        "" if pd.isna(value) else f"{value:{spec}}" + f" ({interval})" * bool(interval) for value, interval in pairs
    ]


def t_intervals(table: pd.DataFrame, low_name: str, high_name: str, spec: str) -> list[str]:
    """Format t intervals as text; those of fewer than three ``seeds``, which are too long to be shown, are omitted."""
    return between(table.where(table["seeds"] > 2), low_name, high_name, spec)


def few_seeds_note(grid: Mapping[str, Any]) -> str:
    """Say why t intervals are omitted, as a sentence for a note; empty unless there are two seeds."""
    return " Intervals of two seeds are too long to be shown." * (len(grid["seeds"]) == 2)


def between(table: pd.DataFrame, low_name: str, high_name: str, spec: str) -> list[str]:
    """Format intervals as text, empty where there is none; the names are the columns of the low and high end."""
    pairs = zip(table[low_name], table[high_name], strict=True)
    return ["" if pd.isna(low) else f"{low:{spec}} to {high:{spec}}" for low, high in pairs]


#: What stands behind the name of a task in rows of a further part.
PARTS = {"validation_mismatched": " (mismatched)"}


def tasks_and_parts(table: pd.DataFrame) -> pd.Series:
    """Name the tasks of rows, and the part where it is a further one."""
    return table["task"] + table["split"].map(PARTS).fillna("")


def further_note(table: pd.DataFrame) -> str:
    """Say what rows of further parts are, as a sentence for a note; empty if there are none."""
    text = " Mismatched: a part that does not choose tickets, reported as test is; its tests are corrected apart."
    return text if table["split"].isin(PARTS).any() else ""


def reported_splits_text(table: pd.DataFrame) -> str:
    """Describe the reported splits: ``test split``, or ``test split (a) and the validation split (b, c)`` by task.

    Rows of further parts, which follow a task's own, are passed over.
    """
    by_split = table.drop_duplicates("task").groupby("split", sort=False)["task"].agg(", ".join)
    if len(by_split) == 1:
        return f"{by_split.index[0]} split"
    return " and the ".join(f"{split} split ({tasks})" for split, tasks in by_split.items())
