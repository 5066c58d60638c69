"""A job ends when the workflow that started it is killed, or the process between the two that waits for it.

Otherwise it would write its files after Snakemake has given them up, beside the same job of the next call.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from supertickets.jobs.warm import SECONDS

#: A named pipe in the workflow's folder, which only Snakemake has opened to write; another machine cannot see that.
ALIVE = f"alive-{os.uname().nodename}"


def alive(folder: Path) -> int | None:
    """File that becomes readable when Snakemake exits; None if the folder is missing."""
    try:
        return os.open(folder / ALIVE, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None


def has_ended(workflow: int) -> bool:
    """Whether Snakemake has exited, from a file of :func:`alive`; select() misses an exit before it was opened."""
    try:
        return not os.read(workflow, 1)
    except BlockingIOError:
        return False


def end_with_workflow(workflow: int | None, connection: socket.socket | None = None) -> threading.Event:
    """Send this process SIGTERM once the workflow's Snakemake has ended, or the process that waits for this one.

    Args:
        workflow: a file of :func:`alive`; nothing is done where it is None.
        connection: to the process that waits, which may also send the numbers of signals; None if the parent waits.

    Returns:
        An event to set when the work is done.
    """
    done = threading.Event()
    if workflow is not None:
        threading.Thread(target=_watch, args=(workflow, connection, os.getppid(), done), daemon=True).start()
    return done


def _watch(workflow: int, connection: socket.socket | None, parent: int, done: threading.Event) -> None:
    """Wait until one of them has ended; only a parent's end closes no file, so its id is compared again and again."""
    ended = has_ended(workflow)
    files: list[Any] = [workflow, connection] if connection else [workflow]
    while not ended:
        ready = select.select(files, [], [], None if connection else SECONDS)[0]
        signals = b""
        with suppress(OSError):  # it was killed
            signals = connection.recv(64) if connection in ready else b""
        for number in signals:
            os.kill(os.getpid(), number)
        if signals:
            continue
        ended = bool(ready) or (connection is None and os.getppid() != parent)
    if not done.is_set():
        print("The workflow was killed, and this job ends.", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)  # a training writes a checkpoint first
