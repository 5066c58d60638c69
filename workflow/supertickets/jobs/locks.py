"""One process at a time does a piece of work."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

log = logging.getLogger(__name__)

#: Time between two attempts to take a lock, in seconds.
LOOK_SECONDS = 0.5


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock of ``path`` during the block; wait for other holders."""
    handle = _locked(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _locked(path: Path) -> int:
    """Open and lock a file, waiting for other holders; without file locks, return at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    logged = False
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            if not logged:
                log.info("another process does this training, and has locked %s: waiting for its end", path)
            logged = True
            time.sleep(LOOK_SECONDS)
            continue
        except OSError:  # a file system without locks
            return handle
        # The previous holder may have deleted the file, and another process created it again.
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(handle).st_ino:
                return handle
        os.close(handle)
