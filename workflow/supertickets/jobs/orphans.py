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
from pathlib import Path
from typing import Any

from supertickets.jobs.warm import FOLDER, SECONDS

#: A named pipe in the workflow's folder, which only Snakemake has opened to write.
ALIVE = "alive"


def alive(folder: Path) -> int | None:
    """A file that can be read once the workflow's Snakemake has ended; None where the folder is not to be seen."""
    try:
        return os.open(folder / ALIVE, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None


def has_ended(workflow: int) -> bool:
    """Whether it has, for a file of :func:`alive`; to wait for it tells of no end that was before."""
    try:
        return not os.read(workflow, 1)
    except BlockingIOError:
        return False


def end_with_workflow(connection: socket.socket | None = None) -> threading.Event:
    """Let this process get SIGTERM once the workflow's Snakemake has ended, or the process that waits for this one.

    Nothing is done in a process that was not started by a workflow, or cannot see its folder, as in a container.

    Args:
        connection: to the process that waits; it may also send the numbers of signals. None where that is the parent.

    Returns:
        An event to set when the work is done.
    """
    workflow, done = alive(Path(os.environ[FOLDER])) if FOLDER in os.environ else None, threading.Event()
    if workflow is not None:
        threading.Thread(target=_watch, args=(workflow, connection, os.getppid(), done), daemon=True).start()
    return done


def _watch(workflow: int, connection: socket.socket | None, parent: int, done: threading.Event) -> None:
    """Wait for the first of these ends."""
    ended = has_ended(workflow)
    files: list[Any] = [workflow, connection] if connection else [workflow]
    while not ended:
        ready = select.select(files, [], [], None if connection else SECONDS)[0]
        if connection in ready and (signals := connection.recv(64)):
            for number in signals:
                os.kill(os.getpid(), number)
            continue
        ended = bool(ready) or (connection is None and os.getppid() != parent)
    if not done.is_set():
        print("The workflow was killed, and this job ends.", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)  # a training writes a checkpoint first
