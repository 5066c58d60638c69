"""A warning before the time of a Slurm job is over, for trainings to write a checkpoint.

Slurm gives one by itself (``sbatch --signal``), but to job steps alone, and what one snakemake runs is no step.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time

import psutil

#: Seconds before the end; of a short job no more than this share of its time.
SECONDS, SHARE = 120, 0.25


def warn_before_the_end() -> float | None:
    """Send SIGUSR1 to all processes below this one, some time before Slurm stops the job that it runs in.

    Returns:
        Seconds until then; None outside of Slurm, or where the job has no end.
    """
    end = _end_of_job()
    if end is None:
        return None
    left = end - time.time()
    wait = max(left - min(SECONDS, SHARE * left), 0.0)
    timer = threading.Timer(wait, _warn)
    timer.daemon = True
    timer.start()
    return wait


def _end_of_job() -> float | None:
    """When Slurm stops this job, in seconds since 1970."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return None
    command = ["squeue", "--noheader", "--jobs", job, "--format", "%e"]
    environment = os.environ | {"SLURM_TIME_FORMAT": "%s"}
    try:
        return float(subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60).stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):  # no squeue, no answer, or N/A
        return None


def _warn() -> None:
    for process in psutil.Process().children(recursive=True):
        try:
            process.send_signal(signal.SIGUSR1)
        except psutil.NoSuchProcess:  # it has just ended
            continue
