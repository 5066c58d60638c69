"""Two calls with warm jobs, and with a Python for each job: time on the clock and of processors."""

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

CALLS = {
    "the smoke experiment": ("--configfile", "configs/smoke.yaml"),
    "the default's main figure": ("results/figures/phase_transition.pdf",),
}
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


def main(project: Path = ROOT, calls: dict[str, tuple[str, ...]] = CALLS) -> None:
    """Measure, and write ``results/warm``."""
    found = {
        call: {way: measure(project, *targets, **environment) for way, environment in WAYS.items()}
        for call, targets in calls.items()
    }
    rows, sentences = [], []
    for call, ways in found.items():
        rows += [
            {"of": call, "jobs": way, "wall, s": spent["wall"], "CPU, s": spent["cpu"]} for way, spent in ways.items()
        ]
        wall, cpu = (ways["warm"][name] / ways["cold"][name] for name in ("wall", "cpu"))
        sentences.append(f"Of {call}, warm jobs take {wall:.2f} of the time and {cpu:.2f} of the CPU time.")
    text = (
        "`snakemake --cores 2`, from nothing. Warm: one server has imported what jobs need, and forks a process for"
        " each; its own start is included. Cold: each job starts a Python, which imports what it needs. "
    )
    write(f"warm{SUFFIX}", "python -m benchmarks warm", text + " ".join(sentences), pd.DataFrame(rows).round(1), found)
