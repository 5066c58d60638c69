"""Times of files after a clock was set back."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import groupby
from pathlib import Path

#: Between two looks at the clock, and how far it must have gone back: more than what its adjustment by a network does.
LOOK_SECONDS, SET_BACK = 0.1, 0.01


def bring_back(folder: Path) -> int:
    """Give what is dated in the future times just before now, in the order that they had.

    Snakemake compares times: whatever is made of a file from the future counts as failed, and as outdated ever after.
    Files that are equally old stay so. Where times cannot be written, nothing happens.

    Args:
        folder: what lies below it, links themselves included; it need not exist.

    Returns:
        Number of files and folders that got another time.
    """
    paths = (Path(parent, name) for parent, folders, files in os.walk(folder) for name in (*folders, *files))
    # What another workflow has just written is not of the future, so the clock is read after each file's time.
    late = sorted((changed, path) for path in paths if (changed := _changed(path)) > time.time_ns())
    now = time.time_ns()
    steps = [list(members) for _, members in groupby(late, key=lambda found: found[0])]
    dated = 0
    try:
        for place, members in enumerate(steps):
            earlier = now - 1000 * (len(steps) - place)  # some file systems count microseconds
            for _, path in members:
                with suppress(FileNotFoundError):  # another process has just removed it
                    os.utime(path, ns=(earlier, earlier), follow_symlinks=False)
                    dated += 1
    except OSError:  # a read-only file system, or files of somebody else
        return 0
    return dated


def _changed(path: Path) -> int:
    """Time of a file in nanoseconds; 0 where another process has just removed it."""
    try:
        return path.lstat().st_mtime_ns
    except FileNotFoundError:
        return 0


def dated_in_the_future(paths: Iterable[Path]) -> list[Path]:
    """Files that are later than now by more than the clocks of a network may differ."""
    latest = time.time_ns() + 10 * 10**9
    return [path for path in paths if path.is_file() and _changed(path) > latest]


def follow_clock(folder: Path, tell: Callable[[int], None]) -> None:
    """Have :func:`bring_back` follow whenever the clock is set back, as long as this process lives.

    Snakemake dates what a job has made when it has ended, and deletes it where that is before what it was made from.

    Args:
        folder: what lies below it.
        tell: is given the number of files that got another time.
    """
    threading.Thread(target=_follow, args=(folder, tell), daemon=True).start()


def _follow(folder: Path, tell: Callable[[int], None]) -> None:
    ahead = time.time() - time.monotonic()
    while True:
        time.sleep(LOOK_SECONDS)
        before, ahead = ahead, time.time() - time.monotonic()
        if ahead < before - SET_BACK:
            while late := bring_back(folder):  # what was renamed meanwhile was listed by its old name
                tell(late)
