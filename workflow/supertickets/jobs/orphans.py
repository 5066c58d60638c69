"""A job ends when the workflow that started it is killed, or the shell between the two.

Otherwise it would write its files after Snakemake has deleted them, beside the same job of the next call.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil

#: Holds the number of the process that is snakemake, for the jobs below it, and where it is called so.
WORKFLOW = "SUPERTICKETS_WORKFLOW"
#: Between two looks.
SECONDS = 0.2


def this_workflow() -> str:
    """This process and its process numbers' namespace, for the environment of jobs."""
    return f"{os.getpid()} {_namespace()}"


def _namespace() -> int:
    """Where process numbers are the same: containers have numbers of their own. 0 where a system does not tell."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0


def end_with_workflow() -> None:
    """Let this process get SIGTERM once the workflow's process is no longer above it, or if it is not there by now.

    Nothing is done in a process that was not started by a workflow, or cannot see it, as in a container with process
    numbers of its own.
    """
    workflow, namespace = map(int, os.environ.get(WORKFLOW, "0 0").split())
    if _is_below(workflow):
        threading.Thread(target=_watch, args=(workflow,), daemon=True).start()
    elif workflow and namespace and namespace == _namespace():
        _end()  # it was killed before this process could look


def _is_below(workflow: int) -> bool:
    return any(process.pid == workflow for process in psutil.Process().parents())


def _watch(workflow: int) -> None:
    while _is_below(workflow):
        time.sleep(SECONDS)
    _end()


def _end() -> None:
    print("The workflow was killed, and this job ends.", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)  # a training writes a checkpoint first
