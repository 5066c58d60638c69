"""Trainings are warned before the time of their Slurm job is over."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from supertickets.jobs.time_limit import warn_before_the_end

ABOVE = """
import subprocess, sys
from supertickets.jobs.time_limit import warn_before_the_end
child = subprocess.Popen(["sh", "-c", '"$0" -c "$1"; true', sys.executable, sys.argv[1]], stdout=subprocess.PIPE)
child.stdout.readline()
print(warn_before_the_end(), flush=True)
print(child.communicate()[0].decode(), flush=True)
"""
BELOW = """
import signal, time
signal.signal(signal.SIGUSR1, lambda *_: print("warned", time.time(), flush=True))
print("ready", flush=True)
signal.pause()
"""


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for Slurm's, which says what the test puts into a file, if it is asked for job 7 and in seconds."""
    answer = tmp_path / "answer"
    script = f'#!/bin/sh\n[ "$*" = "--noheader --jobs 7 --format %e" ] && [ $SLURM_TIME_FORMAT = %s ] && cat {answer}\n'
    (tmp_path / "squeue").write_text(script)
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    return answer


def test_all_below_are_warned_a_quarter_of_a_short_time_before_the_end(squeue: Path) -> None:
    end = time.time() + 8
    squeue.write_text(f"{end}\n")
    # The shell between has the signal ignored, as snakemake's have.
    code = f"import signal; signal.signal(signal.SIGUSR1, signal.SIG_IGN){ABOVE}"
    done = subprocess.run(
        [sys.executable, "-c", code, BELOW], cwd=Path(__file__).parents[2] / "workflow", capture_output=True, text=True
    )
    wait, warned = done.stdout.splitlines()[:2]
    assert 3 < float(wait) < 6, done.stderr
    assert 1 < end - float(warned.removeprefix("warned ")) < 3


def test_two_minutes_before_the_end_of_a_long_time(squeue: Path) -> None:
    squeue.write_text(f"{time.time() + 3600}")
    assert 3475 < warn_before_the_end() < 3481
    squeue.write_text(f"{time.time() - 10}")
    assert warn_before_the_end() == 0


@pytest.mark.parametrize("answer", ["N/A\n", "", "slurm_load_jobs error: Invalid job id specified\n"])
def test_no_warning_where_no_end_is_known(squeue: Path, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    squeue.write_text(answer)
    assert warn_before_the_end() is None
    monkeypatch.setenv("SLURM_JOB_ID", "8")
    assert warn_before_the_end() is None
    squeue.with_name("squeue").unlink()
    assert warn_before_the_end() is None
    monkeypatch.delenv("SLURM_JOB_ID")
    assert warn_before_the_end() is None
