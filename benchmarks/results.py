"""Write what was measured: JSON for programs, Markdown for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from .machine import machine

FOLDER = Path(__file__).parent / "results"


def spread(values: Sequence[float] | np.ndarray) -> str:
    """Median and range."""
    return f"{np.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def interval(differences: Sequence[float] | np.ndarray) -> str:
    """Mean over seeds, two at least, with Student's 95% interval."""
    mean, half = np.mean(differences), stats.t.ppf(0.975, len(differences) - 1) * stats.sem(differences)
    return f"{mean:+.2f} ({mean - half:+.2f} to {mean + half:+.2f})"


def write(name: str, command: str, text: str, table: pd.DataFrame, measured: dict[str, Any]) -> None:
    """Write ``results/{name}.json`` and ``.md``, and print the latter.

    Args:
        name: of the benchmark.
        command: what made it.
        text: what the table shows, and the ratios, in words.
        table: for people.
        measured: all numbers, for programs.
    """
    where = machine()
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps({"machine": where, **measured}, indent=1) + "\n")
    described = ", ".join(f"{key} {value}" for key, value in where.items())
    page = f"# {name}\n\n{text}\n\n{table.to_markdown(index=False)}\n\nMeasured by `{command}` on: {described}.\n"
    (FOLDER / f"{name}.md").write_text(page)
    print(page, flush=True)
