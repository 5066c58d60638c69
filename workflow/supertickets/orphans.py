"""A job ends when the workflow that started it is killed, or the shell between the two.

Otherwise it would write its files after Snakemake has given them up, beside the same job of the next call.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

import psutil

#: Holds the number of the process that is snakemake, for the jobs below it.
WORKFLOW = "SUPERTICKETS_WORKFLOW"
#: Between two looks.
SECONDS = 0.2
#: Of Linux's prctl(2): the signal that a process gets when its parent ends.
PR_SET_PDEATHSIG = 1


def end_with_workflow() -> None:
    """Let this process get SIGTERM once the workflow's process is no longer above it.

    Nothing is done in a process that was not started by a workflow, or cannot see it, as in a container with process
    numbers of its own.
    """
    workflow = int(os.environ.get(WORKFLOW, "0"))
    if _is_below(workflow):
        if sys.platform == "linux":
            # Snakemake deletes at once what a killed shell's job has made; nothing may be written after that.
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        threading.Thread(target=_watch, args=(workflow,), daemon=True).start()


def _is_below(workflow: int) -> bool:
    return any(process.pid == workflow for process in psutil.Process().parents())


def _watch(workflow: int) -> None:
    while _is_below(workflow):
        time.sleep(SECONDS)
    print("The workflow was killed, and this job ends.", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)  # a training writes a checkpoint first
