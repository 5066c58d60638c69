"""Files from the future: made before a clock was set back, or on a machine whose clock is ahead.

Snakemake compares times. What it makes of a file from the future counts as failed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

#: How far the clocks of a network may differ.
SECONDS = 10


def now_in(folder: Path) -> float:
    """The time, in seconds, of a file that is written into a folder now: a file server has a clock of its own."""
    with tempfile.TemporaryFile(dir=folder) as probe:
        return os.fstat(probe.fileno()).st_mtime


def from_the_future(paths: Iterable[Path], now: float) -> list[Path]:
    """Files that are later than now by more than :data:`SECONDS`, in order; missing files do not count."""
    return sorted(path for path in set(paths) if _changed(path) > now + SECONDS)


def _changed(path: Path) -> float:
    """Time of a file or folder in seconds; 0 where it is not there."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0
