"""The smoke experiment with warm jobs, and with a Python for each job: time on the clock and of processors."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from supertickets.jobs.warm import COLD

from .data import ROOT, copy_of
from .machine import PRECISION, SUFFIX
from .results import write

CONFIG = "configs/smoke.yaml"
WAYS = {"warm": {}, "cold": {COLD: "1"}}


def measure(project: Path, *targets: str, **environment: str) -> dict[str, float]:
    """Seconds of a call in a fresh copy of a project, those of its server included.

    Returns:
        ``wall`` and ``cpu``.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy_of(project, Path(folder))
        command = [sys.executable, "-m", "benchmarks.reaped", folder, json.dumps(environment)]
        command += [sys.executable, "-m", "snakemake", "--cores", "2", *targets, "--config", f"precision={PRECISION}"]
        done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the call failed:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def main(project: Path = ROOT, targets: tuple[str, ...] = ("--configfile", CONFIG)) -> None:
    """Measure, and write ``results/warm``."""
    found = {way: measure(project, *targets, **environment) for way, environment in WAYS.items()}
    rows = [{"jobs": way, "wall, s": seconds["wall"], "CPU, s": seconds["cpu"]} for way, seconds in found.items()]
    ratios = {name: found["warm"][name] / found["cold"][name] for name in ("wall", "cpu")}
    text = (
        f"`snakemake --cores 2 {' '.join(targets)}` from nothing. Warm: one server has imported what jobs need, and"
        " forks a process for each; its own start is included. Cold: each job starts a Python, which imports what it"
        f" needs. Warm jobs take {ratios['wall']:.2f} of the time and {ratios['cpu']:.2f} of the CPU time."
    )
    write(f"warm{SUFFIX}", "python -m benchmarks warm", text, pd.DataFrame(rows).round(1), found)
