"""The tiny workflows of the tests, killed at many random moments and called again each time."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from .data import ROOT
from .results import write

sys.path.append(str(ROOT / "tests"))  # where the harness is

from accidents import SHARED_TARGETS, TARGETS, Disturber, Tally, accident_config, contents, shared_config
from conftest import new_workspace

SEED = 1
#: Experiments with their targets, and how many times each is killed.
EXPERIMENTS = {
    "multi-task": (shared_config, SHARED_TARGETS, 20),
    "single-task": (accident_config, TARGETS, 40),
}
NAMES = {
    "all": "Snakemake, the server of warm jobs and all jobs killed at once",
    "workflow": "Snakemake alone killed",
    "server": "the server alone killed",
    "job": "one process of a job killed: its shell, the command that waits, or the job itself",
}


def disturbed(config: dict[str, Any], targets: Sequence[str], kills: int) -> tuple[Tally, float]:
    """What came of so many kills, and the seconds that an undisturbed call takes."""
    with tempfile.TemporaryDirectory() as folder:
        undisturbed, began = new_workspace(Path(folder) / "undisturbed", config), time.perf_counter()
        undisturbed.make(*targets)
        longest = time.perf_counter() - began
        disturber = Disturber(undisturbed.copy(Path(folder) / "killed"), contents(undisturbed), SEED, targets)
        return disturber.run(kills, longest, lambda text: print(text, file=sys.stderr, flush=True)), longest


def main() -> None:
    """Kill them, and write ``results/kills``; what was lost, wrong or done twice is printed and ends in an error."""
    columns, found, texts = {}, {}, []
    for name, (config, targets, kills) in EXPERIMENTS.items():
        tally, longest = disturbed(config(), targets, kills)
        columns[name] = {NAMES[way]: count for way, count in tally.kills.items()} | {
            "calls that had to be unlocked first": tally.unlocked,
            "runs that continued from a checkpoint": tally.resumed,
            "finished, and compared with the undisturbed run": tally.finished,
            "intermediate files left behind, for `--delete-temp-output`": tally.left,
            "results that differ, or finished runs made again": len(tally.wrong),
        }
        found[name] = dataclasses.asdict(tally)
        texts.append(f"{name} at {kills}, each up to {longest:.0f} s after its start")
    text = (
        f"The tiny workflows of `tests/accidents.py`, killed with SIGKILL at random moments (seed {SEED}): "
        f"{'; '.join(texts)}, which is how long it takes undisturbed. A call that has ended by itself is not counted."
    )
    table = pd.DataFrame(columns).rename_axis("what").reset_index()
    write("kills", "python -m benchmarks kills", text, table, found)
    if wrong := [problem for tally in found.values() for problem in tally["wrong"]]:
        sys.exit("\n".join(wrong))
