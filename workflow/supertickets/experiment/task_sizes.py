"""How many examples a task can have, as far as that is known without reading them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from supertickets.experiment.file_forms import form_of
from supertickets.experiment.task_files import is_local, resolved

Entry = dict[str, Any]

#: Bytes that are read at once: a line may be as long as the file.
CHUNK = 2**20


def known_sizes(config: Mapping[str, Any], entry: Entry) -> dict[str, int] | None:
    """The most examples that each part of a task can have; None if that is unknown without reading its files."""
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
    lines = _count(Path(file["path"]), returns=form == "csv")
    return lines - ("fields" not in file and form != "jsonl")


def _count(path: Path, returns: bool) -> int:
    """Lines of a file that end in a line feed; with ``returns`` also those that end in a carriage return alone."""
    lines, last = 0, b"\n"
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            lines += chunk.count(b"\n")
            if returns:
                lines += chunk.count(b"\r") - (last + chunk).count(b"\r\n")
            last = chunk[-1:]
    return lines + (last != b"\n" and not (returns and last == b"\r"))


def _dealt(entry: Entry, examples: int) -> dict[str, int]:
    """The most examples that each part of one file can have."""
    if entry["split"]["group_separator"]:
        return dict.fromkeys(("train", "validation", "test"), examples)
    parts = {part: round(entry["split"][part] * examples) for part in ("validation", "test")}
    return {"train": examples - sum(parts.values()), **parts}
