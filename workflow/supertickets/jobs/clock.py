"""Files dated in the future, as after a clock was set back.

Snakemake compares times: a result that is made from a file of the future counts as failed, and as outdated ever after.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

#: Seconds that the clocks of a network may differ.
TOLERANCE = 10


def files_below(folder: Path) -> Iterator[os.DirEntry[str]]:
    """All files and folders below a folder, which need not exist."""
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        yield entry
        if entry.is_dir(follow_symlinks=False):
            yield from files_below(Path(entry.path))


def dated_in_the_future(files: Iterable[Path | os.DirEntry[str]]) -> list[str]:
    """Paths of the files that are later than now, by more than :data:`TOLERANCE`; nothing is changed."""
    latest = time.time() + TOLERANCE
    return [os.fspath(file) for file in files if _changed(file) > latest]


def _changed(file: Path | os.DirEntry[str]) -> float:
    """Time of a file; 0 if another process has just removed it."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
