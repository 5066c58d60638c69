"""Forms of files of examples."""

from __future__ import annotations

from pathlib import Path


def form_of(path: str) -> str:
    """What a file of examples is, by its ending: ``csv`` (quoted), ``jsonl``, ``parquet``, or ``text``, a line each."""
    ending = Path(path).suffix.lower()
    return ending[1:] if ending in (".csv", ".jsonl", ".parquet") else "text"
