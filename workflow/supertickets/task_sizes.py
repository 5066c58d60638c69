"""How many examples a task can have, as far as that is known without reading them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .task_files import form_of, is_local, resolved

Entry = dict[str, Any]


def known_sizes(config: Mapping[str, Any], entry: Entry) -> dict[str, int] | None:
    """The most examples that each part of a task can have; None where only reading its files would tell."""
    if not is_local(entry, config["glue"]):
        return entry.get("sizes")
    files = resolved(entry, config["glue"])["files"]
    if any(form_of(file["path"]) == "parquet" for file in files):
        return None
    lines = {file.get("part"): _lines(file) for file in files}
    return _dealt(entry, lines[None]) if None in lines else {"test": 0, **lines}


def _lines(file: Entry) -> int:
    """Lines of a file that may hold examples."""
    form = form_of(file["path"])
    if form == "csv":  # its lines may end in a carriage return alone
        lines = len(Path(file["path"]).read_bytes().splitlines())
    else:
        with Path(file["path"]).open("rb") as stream:
            lines = sum(1 for _ in stream)
    return lines - ("fields" not in file and form != "jsonl")


def _dealt(entry: Entry, examples: int) -> dict[str, int]:
    """The most examples that each part of one file can have."""
    if entry["split"]["group_separator"]:
        return dict.fromkeys(("train", "validation", "test"), examples)
    parts = {part: round(entry["split"][part] * examples) for part in ("validation", "test")}
    return {"train": examples - sum(parts.values()), **parts}
