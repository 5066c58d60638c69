"""Results from the future: made before a clock was set back, or on a machine whose clock is ahead.

Snakemake compares times. What it makes of a file from the future counts as failed, and as outdated ever after.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

#: How far the clocks of a network may differ.
SECONDS = 10
#: Levels of folders below the results that are looked at: down to that of a run. A look at each file of 35,000 runs
#: takes seconds at every start, one at their folders takes 0.2.
LEVELS = 6
#: A folder whose runs lie one level deeper.
DEEPER = "adaptation"


def folders_of(folder: Path, levels: int = LEVELS) -> Iterator[Path]:
    """A folder and those below it, in order; a folder's time is that of the last file that was written into it."""
    yield folder
    if levels:
        with os.scandir(folder) as entries:
            below = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        for name in below:
            yield from folders_of(folder / name, levels - (name != DEEPER))


def from_the_future(paths: Iterable[Path]) -> list[Path]:
    """Those that are later than now by more than :data:`SECONDS`."""
    latest = time.time() + SECONDS
    return [path for path in paths if _changed(path) > latest]


def _changed(path: Path) -> float:
    """Time of a file or folder in seconds; 0 where it is not there."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0
