"""One cluster job of several trainings: done by one snakemake, and by the steps of Slurm's plugin."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from supertickets.jobs.warm import COLD

from .data import ROOT
from .results import write

sys.path.append(str(ROOT / "tests"))  # where the cluster and the tiny workflow are

from conftest import new_workspace, tiny_config
from slurm_cluster import Cluster, why_not

RATIOS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
TRIAL = "results/runs/tiny/toy/n32/seed1"
#: Each training with what precedes it: ticket, rewind, retrain.
RULES = 3
#: The Snakefile's last line, without which Slurm's plugin starts a step for each job.
IN_ONE = "run_groups_in_one_process()"
SUBMIT = ["--profile", "profiles/slurm", "--slurm-status-command", "squeue", "--latency-wait", "20"]
SUBMIT += [
    "--slurm-init-seconds-before-status-checks",
    "2",
    "--group-components",
    f"tickets_{{model}}_{{task}}={len(RATIOS)}",
]


def seconds_of_group(cluster: Cluster, folder: Path, steps: bool = False, **environment: str) -> float:
    """What the one cluster job of all tickets takes, from its start to its end.

    Args:
        cluster: where it runs.
        folder: a copy of the project with what all tickets are made from.
        steps: leave it to Slurm's plugin.
        environment: of the call that submits it, and of its jobs.
    """
    if steps:
        snakefile = folder / "Snakefile"
        text = snakefile.read_text()
        assert text.endswith(f"\n{IN_ONE}\n")
        snakefile.write_text(text.removesuffix(f"{IN_ONE}\n"))
    targets = [f"{TRIAL}/winning-{ratio:.2f}/record.json" for ratio in RATIOS]
    # By itself the plugin looks at its jobs every ten seconds, and then more and more rarely.
    command = [sys.executable, str(ROOT / "tests/eager_snakemake.py"), *targets, *SUBMIT]
    subprocess.run(command, cwd=folder, env=os.environ | environment, check=True, capture_output=True)
    jobs = [line for line in cluster("scontrol", "show", "job", "-o").splitlines() if f"WorkDir={folder}" in line]
    (job,) = jobs  # all in one
    (time,) = re.findall(r"RunTime=(\d+):(\d+):(\d+)", job)
    hours, minutes, seconds = map(int, time)
    return 3600 * hours + 60 * minutes + seconds


def main() -> None:
    """Measure, and write ``results/groups``."""
    if reason := why_not():
        sys.exit(reason)
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, Cluster(Path(folder) / "run") as cluster:
        made = new_workspace(Path(folder) / "made", tiny_config(tasks=["toy"], seeds=[1], ratios=RATIOS))
        made.make(f"{TRIAL}/importance/fine_tuned.csv")
        found = {
            "steps": seconds_of_group(cluster, made.copy(Path(folder) / "steps").folder, steps=True),
            "cold": seconds_of_group(cluster, made.copy(Path(folder) / "cold").folder, **{COLD: "1"}),
            "one": seconds_of_group(cluster, made.copy(Path(folder) / "one").folder),
        }
    names = {
        "steps": "a step and a snakemake for each rule, by Slurm's plugin",
        "cold": "one snakemake for all, and a Python for each job",
        "one": "one snakemake for all, and warm jobs, as here",
    }
    rows = [{"how": names[name], "seconds": seconds} for name, seconds in found.items()]
    text = (
        f"A cluster job of {len(RATIOS)} trainings of the tests' tiny encoder, half a second each, with {RULES} "
        f"rules each: from its start to its end. One snakemake is {found['steps'] / found['one']:.1f} times as fast,"
        f" and {found['cold'] / found['one']:.1f} times as fast as with cold jobs."
    )
    write("groups", "python -m benchmarks groups", text, pd.DataFrame(rows), found)
